//! Level words, and where loggers put them.

use super::{Start, log};
use crate::record::line::find;

/// How grave a level word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Low,
    High,
}

/// A level's first letter.
pub(super) fn letter(name: &[u8]) -> Option<Level> {
    match name {
        b"D" | b"I" => Some(Level::Low),
        b"W" | b"E" | b"C" => Some(Level::High),
        _ => None,
    }
}

/// A level in capitals, with `behind` behind it.
pub(super) fn level_between(text: &[u8], behind: &[u8]) -> Option<Start> {
    let end = text.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let level = level_word(&text[..end])?;
    (text[end..].starts_with(behind)).then_some(log(level == Level::High))
}

/// Words that make a line without a level one that a traceback may follow. Go programs tell of a panic they survived
/// in one call, and print the stack in another.
pub(super) fn reports_error(rest: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[
        b"rror",
        b"xception",
        b"failed",
        b"Failed",
        b"failure",
        b"Failure",
        b"panic",
        b"fatal",
        b"Fatal",
    ];
    let rest = &rest[..rest.len().min(512)];
    let has = |word: &[u8]| find(rest, word).is_some();
    // gin tells of it in the same call.
    let survived = || has(b"recovered") && !rest.ends_with(b"panic recovered:");
    hints_at_error(rest) && WORDS.iter().any(|word| has(word)) && !survived()
}

/// Whether two bytes of such a word stand in `rest`: without a branch, so that the compiler makes it wide.
#[allow(clippy::needless_bitwise_bool)]
fn hints_at_error(rest: &[u8]) -> bool {
    let pair = |(a, b): (&u8, &u8)| {
        let (a, b) = (*a | 0x20, *b);
        (a == b'r') & (b == b'r')
            | (a == b'x') & (b == b'c')
            | (a == b'f') & (b == b'a')
            | (a == b'p') & (b == b'a')
    };
    rest.iter()
        .zip(rest.get(1..).unwrap_or_default())
        .fold(false, |hit, bytes| hit | pair(bytes))
}

/// The level among the first words behind a stamp, and where its word ends: upper case anywhere; any case inside brackets,
/// before a colon, or behind `level=`, where a sentence does not put it.
pub(super) fn level_in(rest: &[u8]) -> Option<(Level, usize)> {
    let rest = &rest[..rest.len().min(112)];
    let (mut i, mut words) = (0, 0);
    while i < rest.len() && words < 9 {
        if !rest[i].is_ascii_alphabetic() {
            i += 1;
            continue;
        }
        let n = rest[i..]
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
            .count();
        let level = match (words, level_at(rest, i, n)) {
            // The first word may be one in any case.
            (0, None) if apart(rest, i, i + n) => any_case_level(&rest[i..i + n]),
            (_, level) => level,
        };
        if let Some(level) = level {
            return Some((level, i + n));
        }
        words += 1;
        i += n;
    }
    None
}

fn level_at(rest: &[u8], i: usize, n: usize) -> Option<Level> {
    if !(3..=11).contains(&n) {
        return None;
    }
    let word = &rest[i..i + n];
    if word[1].is_ascii_uppercase() {
        return level_word(word).or_else(|| short_level(word));
    }
    let behind = rest.get(i + n);
    let front = i.checked_sub(1).map(|i| rest[i]);
    let enclosed = matches!(
        (front, behind),
        (
            Some(b'[' | b'(' | b'<' | b'|' | b':' | b'.'),
            Some(b']' | b')' | b'>' | b'|')
        )
    );
    let labelled = behind == Some(&b':') || front == Some(b'=');
    (enclosed || labelled || padded(rest, i, i + n))
        .then(|| any_case_level(word))
        .flatten()
}

/// Between spaces or tabs.
fn apart(rest: &[u8], start: usize, end: usize) -> bool {
    let gap = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    gap(start.checked_sub(1).and_then(|i| rest.get(i))) && gap(rest.get(end))
}

/// `[info     ]` (structlog), `| error |`.
fn padded(rest: &[u8], start: usize, end: usize) -> bool {
    let front = rest[..start].trim_ascii_end().last();
    let behind = rest[end..].trim_ascii_start().first();
    matches!(
        (front, behind),
        (Some(b'['), Some(b']')) | (Some(b'|'), Some(b'|'))
    )
}

pub(super) fn any_case_level(word: &[u8]) -> Option<Level> {
    let mut upper = [0; 11];
    let upper = upper.get_mut(..word.len())?;
    upper.copy_from_slice(word);
    upper.make_ascii_uppercase();
    level_word(upper)
}

/// What zerolog and its kin write behind the time.
pub(super) fn short_level(word: &[u8]) -> Option<Level> {
    match word {
        b"TRC" | b"DBG" | b"INF" | b"DEBU" => Some(Level::Low),
        b"WRN" | b"FTL" | b"PNC" | b"ERRO" | b"FATA" | b"PANI" => Some(Level::High),
        _ => None,
    }
}

pub(super) fn level_word(word: &[u8]) -> Option<Level> {
    match word {
        b"INFO" | b"DEBUG" | b"TRACE" | b"NOTICE" | b"LOG" | b"FINE" | b"FINER" | b"FINEST"
        | b"CONFIG" | b"VERBOSE" | b"SUCCESS" | b"DETAIL" | b"HINT" | b"STATEMENT"
        | b"INFORMATION" | b"CONTEXT" => Some(Level::Low),
        b"WARN" | b"WARNING" | b"ERROR" | b"ERR" | b"CRITICAL" | b"CRIT" | b"FATAL" | b"SEVERE"
        | b"ALERT" | b"EMERG" | b"EMERGENCY" | b"PANIC" | b"DPANIC" => Some(Level::High),
        _ => None,
    }
}
