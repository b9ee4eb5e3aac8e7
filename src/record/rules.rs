//! The settings in the form that the hot path needs, and what the rules see in one line.

use super::language::{
    ALL, ERROR_WORD, Language, NAMES, NUMBER_STOP, ODD_WORD, OPEN_END, Opening, Shape,
};
use super::line::{CLIP, Line};
use super::logstart::{Log, Start, log_start};
use super::{Languages, Settings};
use std::time::Duration;

/// Names that `--records` takes beside `auto` and `lines`.
pub fn languages() -> &'static [&'static str] {
    &NAMES
}

/// A name that [`languages`] does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown language \"{name}\"; known are: {}", NAMES.join(", "))]
pub struct UnknownLanguage {
    /// As it was given.
    pub name: String,
}

/// A set of languages, by their place in [`ALL`].
pub(super) type Set = u32;
/// The one that is no language.
pub(super) const OBJECT: Set = 1;

/// How records are made, compiled; shared by all streams.
#[derive(Debug)]
pub struct Rules {
    /// A record is a line.
    pub(super) lines: bool,
    pub(super) record_start: Option<regex::bytes::Regex>,
    pub(super) record_timeout: Duration,
    pub(super) line_timeout: Option<Duration>,
    pub(super) max_record: usize,
    /// A line of no more bytes, with its newline, is seen whole and fits into a record.
    pub(super) short: usize,
    enabled: Set,
    /// Whom to ask about a line in the first column, and about an indented one.
    columns: Box<[Asked; 2]>,
}

/// The languages to ask about a line, by what it has.
#[derive(Debug)]
struct Asked {
    /// By its first byte behind the indentation.
    first: [Set; 256],
    by_error_word: Set,
    by_odd_word: Set,
    by_number_stop: Set,
    by_open_end: Set,
}

/// What the rules see in a line by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) start: Option<Start>,
    /// The language of a certain opener.
    pub(super) opener: Option<u8>,
    /// The languages for which it may be a head.
    pub(super) heads: Set,
    /// The firmest of these.
    pub(super) shape: Shape,
}

impl Seen {
    /// What stands in `line`, after a [`Rules::glance`] at it.
    pub(super) fn new(start: Option<Start>, ask: Set, line: &Line<'_>) -> Self {
        let mut seen = Self {
            start,
            opener: None,
            heads: 0,
            shape: Shape::Brief,
        };
        open(ask, line, &mut seen);
        seen
    }

    /// Whether a line with this leaves at once where no record is open.
    #[inline]
    pub(super) fn single(&self) -> bool {
        match self.start {
            Some(start) => start == Start::Alone,
            None => self.opener.is_none() && self.heads == 0,
        }
    }

    /// A logger's line and nothing else.
    #[inline]
    pub(super) fn plain_log(&self) -> Option<Log> {
        match self.start {
            Some(Start::Log(log)) if self.heads == 0 && self.opener.is_none() => Some(log),
            _ => None,
        }
    }
}

impl Rules {
    /// The rules that `settings` ask for.
    pub fn new(settings: &Settings) -> Result<Self, UnknownLanguage> {
        let enabled = enabled(&settings.languages)?;
        let columns = Box::new([
            Asked::new(enabled, |l| (l.first(), l.signs())),
            Asked::new(enabled, |l| l.indented()),
        ]);
        Ok(Self {
            lines: settings.languages == Languages::Lines,
            record_start: settings.record_start.clone(),
            record_timeout: settings.record_timeout,
            line_timeout: settings.line_timeout,
            max_record: settings.max_record.max(1),
            short: settings.max_record.clamp(1, CLIP),
            enabled,
            columns,
        })
    }

    /// Whether a logger wrote `line`, and the languages that want to see it. Most lines are done after a look at their first and
    /// last bytes and their first word.
    #[inline]
    pub(super) fn glance(&self, line: &Line<'_>) -> (Option<Start>, Set) {
        let Some(first) = line.body().first() else {
            return (None, 0);
        };
        if self.lines || self.record_start.is_some() {
            return (None, 0);
        }
        let start = log_start(line);
        let plain = match start {
            None => false,
            Some(Start::Alone) => true,
            Some(Start::Log(log)) => !log.high && *first != b'=' && !announces(line.text),
        };
        if plain {
            return (start, 0);
        }
        let column = &self.columns[usize::from(line.indent > 0)];
        (start, column.asked(*first, line))
    }

    /// What stands in `line`.
    pub(super) fn see(&self, line: &Line<'_>) -> Seen {
        let (start, ask) = self.glance(line);
        Seen::new(start, ask, line)
    }

    /// The languages in use, in order.
    pub(super) fn each(&self) -> impl Iterator<Item = (u8, &'static dyn Language)> {
        members(self.enabled)
    }
}

impl Asked {
    /// Of the languages in `enabled`, those that want to see a line for its first byte or for a sign.
    fn new(enabled: Set, wants: impl Fn(&dyn Language) -> (&'static [u8], u8)) -> Self {
        let mut first = [0; 256];
        let mut signs = [0; 4];
        for (i, language) in members(enabled) {
            let (bytes, wanted) = wants(language);
            for byte in bytes {
                first[usize::from(*byte)] |= 1 << i;
            }
            for (set, sign) in signs
                .iter_mut()
                .zip([ERROR_WORD, ODD_WORD, NUMBER_STOP, OPEN_END])
            {
                *set |= if wanted & sign == 0 { 0 } else { 1 << i };
            }
        }
        let [by_error_word, by_odd_word, by_number_stop, by_open_end] = signs;
        Self {
            first,
            by_error_word,
            by_odd_word,
            by_number_stop,
            by_open_end,
        }
    }

    /// The languages that want to see `line`.
    #[inline]
    fn asked(&self, first: u8, line: &Line<'_>) -> Set {
        let mut ask = self.first[usize::from(first)];
        if line.errors {
            ask |= self.by_error_word;
        }
        if line.odd {
            ask |= self.by_odd_word;
        }
        match line.text {
            [.., b'0'..=b'9'] => ask | self.by_number_stop,
            [.., b'{' | b'[' | b'('] => ask | self.by_open_end,
            [.., before, b'.'] if before.is_ascii_digit() => ask | self.by_number_stop,
            _ => ask,
        }
    }
}

/// Whether a logger's line below WARNING may announce a report: Erlang's header, MySQL's word of a signal.
#[inline]
fn announces(text: &[u8]) -> bool {
    matches!(text.last(), Some(b':' | b';'))
}

/// Asks the languages of `ask` about `line`.
fn open(mut ask: Set, line: &Line<'_>, seen: &mut Seen) {
    while ask != 0 {
        let i = ask.trailing_zeros();
        ask &= ask - 1;
        match language(i as u8).open(line) {
            Opening::No => {}
            Opening::Head(shape) => {
                seen.heads |= 1 << i;
                seen.shape = seen.shape.max(shape);
            }
            Opening::Trace(_) => {
                seen.opener = Some(i as u8);
                return;
            }
        }
    }
}

/// The languages of a set, in order.
pub(super) fn members(set: Set) -> impl Iterator<Item = (u8, &'static dyn Language)> {
    ALL.iter()
        .enumerate()
        .filter(move |(i, _)| set & (1 << i) != 0)
        .map(|(i, l)| (i as u8, *l))
}

/// The place of the language `name` in [`ALL`].
pub(super) fn by_name(name: &str) -> u8 {
    ALL.iter().position(|l| l.name() == name).unwrap_or(0) as u8
}

/// The language at place `i` of [`ALL`].
pub(super) fn language(i: u8) -> &'static dyn Language {
    ALL[usize::from(i)]
}

fn enabled(languages: &Languages) -> Result<Set, UnknownLanguage> {
    match languages {
        Languages::Auto => Ok((1 << ALL.len()) - 1),
        Languages::Lines => Ok(0),
        Languages::Only(names) => {
            let known = |name: &String| {
                let at = NAMES.iter().position(|known| known == name);
                at.map(|i| i + 1)
                    .ok_or_else(|| UnknownLanguage { name: name.clone() })
            };
            names
                .iter()
                .try_fold(1, |set, name| Ok(set | 1 << known(name)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_languages_are_named() {
        let settings = Settings {
            languages: Languages::Only(vec!["cobol".into()]),
            ..Settings::default()
        };
        let error = Rules::new(&settings).unwrap_err().to_string();
        assert!(
            error.starts_with("unknown language \"cobol\"; known are: python"),
            "{error}"
        );
        let settings = Settings {
            languages: Languages::Only(vec!["object".into()]),
            ..Settings::default()
        };
        assert!(Rules::new(&settings).is_err());
    }

    #[test]
    fn a_name_is_its_language() {
        for name in languages() {
            let only = enabled(&Languages::Only(vec![(*name).into()])).unwrap();
            assert_eq!(only, OBJECT | 1 << by_name(name), "{name}");
        }
        assert_eq!(languages().len() + 1, ALL.len());
    }
}
