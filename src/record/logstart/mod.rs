//! Lines that certainly begin a record: those with a logger's prefix, access lines, JSON objects.

mod level;
mod prefix;
mod stamp;
#[cfg(test)]
mod tests;

use super::line::{Line, WORD, after};
use level::{
    Level, any_case_level, letter, level_between, level_in, level_word, reports_error, short_level,
};
use memchr::memchr;
use prefix::{
    access, dbg_place, erlang, gin, glog, go_prefixed, hostname_access, java_util_logging,
    json_object, logfmt, nest, php, redis, relative, since_boot, syslog_priority, tai64, tornado,
};
use stamp::{day_month_slashed, iso, timestamp};

/// What a prefixed line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// An access line or a JSON object: complete as it stands.
    Alone,
    /// A logger's line.
    Log(Log),
}

/// What is known of a logger's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Log {
    /// WARNING or worse: a traceback may follow in the same call.
    pub(super) high: bool,
    pub(super) pair: Pair,
}

/// java.util.logging writes two lines: when and where, then the level and the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Pair {
    /// Neither.
    #[default]
    No,
    /// Only the first of two.
    First,
    /// A level word and text: the second, if the first is open.
    Second,
}

/// Whether `line` begins a record by itself.
pub(super) fn log_start(line: &Line<'_>) -> Option<Start> {
    let text = line.text;
    match line.indent {
        0 => {}
        // Log4j's %5p and Ruby's formatter pad a short level to five columns.
        1 => return padded_level(&text[1..]),
        9..=24 => return level_column(line.body()),
        // tracing's pretty format begins so, and indents what it says further by four.
        2 => {
            return iso(&text[2..])
                .filter(|_| text.get(12) == Some(&b'T'))
                .and_then(|rest| level_in(rest).map(|(level, _)| log(level == Level::High)));
        }
        _ => return None,
    }
    match *text.first()? {
        b'0'..=b'9' => access(line)
            .or_else(|| stamped(text))
            .or_else(|| redis(text))
            .or_else(|| relative(text)),
        b'[' => bracketed(text),
        b'@' => tai64(text),
        b'{' => json_object(text),
        b'=' => erlang(text),
        b'<' => syslog_priority(text),
        b'(' => timestamp(&text[1..])
            .map(|rest| levelled(text, rest))
            .or_else(|| stamped_behind(after(text, b") ")?.trim_ascii_start(), None)),
        b':' => access(line),
        b'A'..=b'Z' => capital(line),
        b'a'..=b'z' => small(line),
        _ => None,
    }
}

fn capital(line: &Line<'_>) -> Option<Start> {
    let text = line.text;
    if text.len() < 4 {
        return None;
    }
    // Ruby's Logger: `E, [2026-11-23T10:00:00.000000 #123] ERROR -- : `.
    if text[1] == b',' {
        let high = matches!(text[0], b'W' | b'E' | b'F' | b'A');
        return (text.starts_with(&[text[0], b',', b' ', b'['])
            && text.get(4).is_some_and(u8::is_ascii_digit))
        .then_some(log(high));
    }
    if text[1].is_ascii_digit() {
        return glog(text);
    }
    if text[1].is_ascii_lowercase() {
        return stamped(text)
            .or_else(|| hostname_access(line))
            .or_else(|| named(line));
    }
    if let Some(rest) = text.strip_prefix(b"PHP ") {
        return php(rest);
    }
    level_first(text).or_else(|| named(line))
}

fn small(line: &Line<'_>) -> Option<Start> {
    logfmt(line.text)
        .or_else(|| small_level(line))
        .or_else(|| second_word(line))
}

/// What only the second word can tell. A line of plain words is not looked at for all of it.
#[inline]
fn second_word(line: &Line<'_>) -> Option<Start> {
    let may = match line.text[line.word..] {
        [b'\t', ..]
        | [
            b' ',
            b' ' | b'\t'..=b'\r' | b'0'..=b'9' | b'A'..=b'Z' | b'[' | b'-' | b'|',
            ..,
        ] => true,
        _ => line.odd || line.word == WORD,
    };
    if !may {
        return None;
    }
    go_prefixed(line.text)
        .or_else(|| level_then_stamp(line))
        .or_else(|| hostname_access(line))
        .or_else(|| named(line))
}

fn log(high: bool) -> Start {
    Start::Log(Log {
        high,
        ..Log::default()
    })
}

/// ` WARN [main] …`
fn padded_level(text: &[u8]) -> Option<Start> {
    let end = text.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let level = level_word(&text[..end])?;
    matches!(text.get(end), Some(b' ' | b':')).then_some(log(level == Level::High))
}

/// rich's handler leaves the time's column empty within one second, and gives the level one of eight.
fn level_column(text: &[u8]) -> Option<Start> {
    let column = text.get(..9).filter(|column| column[8] == b' ')?;
    let level = level_word(column.trim_ascii_end())?;
    text.get(9)
        .is_some_and(|b| *b != b' ')
        .then_some(log(level == Level::High))
}

/// `ERROR:root:text`, `WARNING text`, `FATAL: text`; upper case, as a sentence may begin with `Error`.
fn level_first(text: &[u8]) -> Option<Start> {
    let end = text.iter().take_while(|b| b.is_ascii_uppercase()).count();
    // logrus on a terminal cuts levels to four letters: `ERRO[0012] text`.
    let cut = || short_level(&text[..end]).filter(|_| text.get(end) == Some(&b'['));
    let level = level_word(&text[..end]).or_else(cut)?;
    // PostgreSQL writes two spaces; with one it is AddressSanitizer's, inside a report.
    if text.starts_with(b"HINT: ") && !text.starts_with(b"HINT:  ") {
        return None;
    }
    let colon = match text.get(end) {
        // libpq's `DETAIL:  ` and its like are further lines of a message.
        Some(b':') if level == Level::Low && libpq(text) => return None,
        Some(b':') => true,
        None | Some(b' ' | b'\t' | b'[' | b'|' | b'-' | b'/' | b'(') => false,
        Some(_) => return None,
    };
    Some(Start::Log(Log {
        high: level == Level::High,
        pair: if colon { Pair::Second } else { Pair::No },
    }))
}

/// A logger's or a program's name before what shows a logger: `Main  2026-11-23 10:00:00 +0000 ERROR: text`,
/// `shop.db - ERROR - text`, `shop.db:ERROR:text`, `db.py:12 ERROR text`.
fn named(line: &Line<'_>) -> Option<Start> {
    let (name, rest) = line.text.split_at(line.word);
    let rest = rest.trim_ascii_start();
    match rest.first() {
        Some(b'0'..=b'9' | b'|') if !name.ends_with(b":") => stamped_behind(rest, letter(name)),
        Some(b'-') => level_between(rest.strip_prefix(b"- ")?, b" - "),
        Some(b'A'..=b'Z') if line.odd && behind_place(name) => level_between(rest, b" "),
        _ if line.odd => level_between(&name[memchr(b':', name)? + 1..], b":"),
        _ => None,
    }
}

/// Date, time and level, close together.
fn stamped_behind(rest: &[u8], before: Option<Level>) -> Option<Start> {
    let rest = rest.strip_prefix(b"|").unwrap_or(rest);
    if rest.len() <= 10 || !matches!(rest[4], b'-' | b'/') {
        return None;
    }
    let rest = iso(rest).filter(|behind| rest.len() - behind.len() > 10)?;
    let within = || level_in(rest).filter(|(_, end)| *end <= 40).map(|l| l.0);
    before
        .or_else(within)
        .map(|level| log(level == Level::High))
}

/// `db.py:12`
fn behind_place(name: &[u8]) -> bool {
    let digits = name.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let before = &name[..name.len() - digits];
    digits > 0 && before.len() > 1 && before.ends_with(b":")
}

/// What libpq puts behind an error's first line.
pub(super) fn libpq(text: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[b"DETAIL:  ", b"HINT:  ", b"CONTEXT:  ", b"QUERY:  "];
    WORDS.iter().any(|word| text.starts_with(word))
}

/// `error: text`: .NET's console logger, git, winston.
fn small_level(line: &Line<'_>) -> Option<Start> {
    const WORDS: &[(&[u8], bool)] = &[
        (b"error", true),
        (b"fail", true),
        (b"fatal", true),
        (b"crit", true),
        (b"critical", true),
        (b"warn", true),
        (b"warning", true),
        (b"info", false),
        (b"debug", false),
        (b"dbug", false),
        (b"trce", false),
        (b"trace", false),
        (b"verbose", false),
    ];
    // Go's runtime says `fatal error:`, which is no level.
    let name = line.text[..line.word].strip_suffix(b":")?;
    WORDS
        .iter()
        .find(|(word, _)| *word == name)
        .map(|(_, high)| log(*high))
}

/// `error 2026-11-23 10:00:00 text`
fn level_then_stamp(line: &Line<'_>) -> Option<Start> {
    let (word, rest) = line.text.split_at(line.word);
    let stamp = rest.strip_prefix(b" ")?;
    let level = any_case_level(word)?;
    timestamp(stamp.strip_prefix(b"[").unwrap_or(stamp)).map(|_| log(level == Level::High))
}

/// `[…`: a stamp or a level in brackets, uWSGI's request line, Rust's `dbg!`.
fn bracketed(text: &[u8]) -> Option<Start> {
    let inner = &text[1..];
    if inner.starts_with(b"pid: ") {
        return Some(Start::Alone);
    }
    if let Some(rest) = timestamp(inner) {
        return Some(levelled(inner, rest));
    }
    let close = memchr(b']', &inner[..inner.len().min(80)])?;
    let within = inner[..close].trim_ascii();
    if let Some(level) = any_case_level(within) {
        return Some(log(level == Level::High));
    }
    let rest = &inner[close + 1..];
    if since_boot(within) {
        return Some(levelled(inner, rest));
    }
    // slf4j-simple: `[main] ERROR com.acme.Main - text`.
    let levelled = || rest.strip_prefix(b" ").and_then(level_first);
    tornado(within)
        .or_else(|| nest(within, rest))
        .or_else(|| gin(within, rest))
        .or_else(|| dbg_place(within, rest))
        .or_else(levelled)
}

/// A line that begins with a timestamp.
fn stamped(text: &[u8]) -> Option<Start> {
    let rest = timestamp(text)?;
    if text[0].is_ascii_alphabetic() && java_util_logging(text) && level_in(rest).is_none() {
        return Some(Start::Log(Log {
            pair: Pair::First,
            ..Log::default()
        }));
    }
    Some(levelled(text, rest))
}

/// A stamped line with its level, or, without any, judged by what it says.
fn levelled(text: &[u8], rest: &[u8]) -> Start {
    let high = match level_in(rest) {
        Some((level, _)) => level == Level::High,
        None => reports_error(rest),
    };
    if rest.starts_with(b"] \"") && day_month_slashed(text).is_some() {
        return Start::Alone;
    }
    log(high)
}

/// How many bytes of `text` alone decide that it is a stamped line of its level, whatever follows, and whichever digits stand
/// in them. Only for a date that begins with the year, where no rule asks for a number's size.
pub(super) fn decisive(text: &[u8]) -> Option<usize> {
    let inner = text.strip_prefix(b"[").unwrap_or(text);
    // A date with dots may be an address at the front of an access line.
    let dated = matches!(inner.get(4), Some(b'-' | b'/'));
    let rest = iso(inner).filter(|_| dated)?;
    let (_, end) = level_in(rest)?;
    let len = text.len() - rest.len() + end;
    // With the byte behind the word, which says that the word ends. Where that is a space, more may have been looked at.
    let behind = text.get(len)?;
    (*behind != b' ' || text[len - 1].is_ascii_uppercase()).then_some(len + 1)
}
