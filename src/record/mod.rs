//! Bytes of one stream in, records out. Pure: no clock, no files, no processes.
//!
//! One [`Assembler`] serves one stream of one process. It is given the bytes as they were read, in any cut, and hands out
//! [`Record`]s whose bytes, joined, are the input. Which lines make a record depends on the bytes alone; time enters only
//! through [`Assembler::silent`], memory only through [`Assembler::cut`].

mod assembler;
mod cpp;
mod csharp;
mod dart;
mod elixir;
mod erlang;
mod familiar;
mod go;
mod java;
mod language;
mod line;
mod logstart;
mod look;
mod lua;
mod machine;
mod node;
mod object;
mod perl;
mod php;
mod python;
mod ruby;
mod rules;
mod rust;
mod store;
#[cfg(test)]
mod testing;
mod trace;

pub use assembler::Assembler;
pub use rules::{Rules, UnknownLanguage, languages};

use std::time::{Duration, Instant};

/// When bytes were read: both clocks, taken once per read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Microseconds since 1970-01-01T00:00:00Z, for the log.
    pub wall_us: u64,
    /// The monotonic clock, for deadlines.
    pub at: Instant,
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A line, or a log line with the lines that belong to it.
    Line,
    /// A record that holds a traceback.
    Traceback(Trace<'a>),
}

/// What is known of a traceback, as slices of the record's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace<'a> {
    /// The language: `python`, `java`…
    pub lang: &'static str,
    /// The type of the error, `ValueError` or `app.errors.UpstreamError`.
    pub exception_type: Option<&'a [u8]>,
    /// The first line of its message.
    pub exception_message: Option<&'a [u8]>,
    /// The source file of the frame nearest the error.
    pub file: Option<&'a [u8]>,
    /// The line in that file.
    pub line: Option<u64>,
    /// The function there.
    pub function: Option<&'a [u8]>,
}

/// Where a part stands in a record that was too long to leave whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Counted from 1.
    pub number: u32,
    /// Whether this part ends the record.
    pub last: bool,
}

/// One record, or a part of one.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The stream's own bytes, with each line's newline; the last newline is missing when the stream ended without one
    /// or a part was cut inside a line. Never empty.
    pub bytes: &'a [u8],
    /// When the first byte of the record (for a part: of the part) was read, in µs since 1970.
    pub wall_us: u64,
    /// What it is. Parts before the last know less: a part is a traceback once its opener was seen.
    pub kind: Kind<'a>,
    /// `None` for a whole record.
    pub part: Option<Part>,
}

/// Where an assembler's records go. A closure that takes one record at a time is one.
pub trait Sink {
    /// Takes a record, or a part of one.
    fn record(&mut self, record: &Record<'_>);

    /// Takes `count` records at once: whole lines, each a record of its own and not a traceback, read at `wall_us`. False: it
    /// has taken none of them, and is given them one by one.
    fn lines(&mut self, bytes: &[u8], count: usize, wall_us: u64) -> bool {
        let _ = (bytes, count, wall_us);
        false
    }
}

impl<F: FnMut(&Record<'_>)> Sink for F {
    fn record(&mut self, record: &Record<'_>) {
        self(record);
    }
}

impl<'a> Record<'a> {
    /// A line that is a record of its own.
    pub fn line(bytes: &'a [u8], wall_us: u64) -> Self {
        Self {
            bytes,
            wall_us,
            kind: Kind::Line,
            part: None,
        }
    }
}

/// The lines of `bytes`, each with its newline.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut from = 0;
    memchr::memchr_iter(b'\n', bytes).map(move |newline| {
        let line = &bytes[from..=newline];
        from = newline + 1;
        line
    })
}

/// How records are made; the same for every stream.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `--records`.
    pub languages: Languages,
    /// `--record-start`: a line that does not match continues the record before it. Wins over every other rule.
    pub record_start: Option<regex::bytes::Regex>,
    /// `--record-timeout`: silence after which an open traceback counts as complete.
    pub record_timeout: Duration,
    /// `--line-timeout`: silence after which a half line is written; `None`: it waits for its newline or the end.
    pub line_timeout: Option<Duration>,
    /// `--max-record`, in bytes: a longer record is written in parts. At least 1.
    pub max_record: usize,
}

/// Which languages' tracebacks are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Languages {
    /// All that are known.
    Auto,
    /// None: a record is a line.
    Lines,
    /// These, by name.
    Only(Vec<String>),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            languages: Languages::Auto,
            record_start: None,
            record_timeout: Duration::from_secs(1),
            line_timeout: None,
            max_record: 1 << 20,
        }
    }
}
