//! How a record is written. Pure: an encoder appends to a buffer.
//!
//! Every record ends with a newline, but for a raw part that is not the last: its bytes stay as they are, so that the
//! parts of a long line are one line again.

mod cri;
mod json;
mod logfmt;
mod otlp;
mod prefix;
mod raw;
pub(crate) mod severity;
pub(crate) mod syslog;
mod template;
mod text;

pub use self::template::LineTemplate;

use self::otlp::Otlp;
use self::syslog::Syslog;
use super::Origin;
use super::spec::{Format, Style, TimeStyle};
use super::time::TimeCache;
use crate::record::Record;

/// Writes records in one format. What is the same for every record is made once.
#[derive(Debug)]
pub struct Encoder {
    way: Way,
    format: Format,
    /// The time column in the style of `--time`.
    time: TimeCache,
    /// `--name`.
    name: String,
}

#[derive(Debug)]
enum Way {
    Raw,
    Prefix,
    Json,
    Logfmt,
    Cri,
    Syslog(Syslog),
    Otlp(Otlp),
    Template(LineTemplate),
}

/// A line that a record left open in its destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenLine {
    /// The format that can go on with it.
    pub(super) format: Format,
    /// The source whose next part goes on with it.
    pub(super) source: u64,
    /// What closes it when something else comes next.
    pub(super) closing: Vec<u8>,
}

impl Encoder {
    /// An encoder for `style`. `name` is `--name`; `host` the machine's name, empty where it is not known.
    pub fn new(style: &Style, name: &str, host: &str) -> Self {
        let way = match (style.format, &style.template) {
            (Format::Prefix, _) => Way::Prefix,
            (Format::Json, _) => Way::Json,
            (Format::Logfmt, _) => Way::Logfmt,
            (Format::Cri, _) => Way::Cri,
            (Format::Syslog, _) => Way::Syslog(Syslog::new(name, host)),
            (Format::Otlp, _) => Way::Otlp(Otlp::new(name, host)),
            (Format::Template, Some(template)) => Way::Template(template.clone()),
            // A template that nobody gave is refused before.
            (Format::Raw | Format::Template, _) => Way::Raw,
        };
        // An entry without a time is none in that format.
        let style_of_time = match (style.format, style.time) {
            (Format::Cri, TimeStyle::None) => TimeStyle::Utc,
            (_, time) => time,
        };
        Self {
            way,
            format: style.format,
            time: TimeCache::new(style_of_time),
            name: name.to_owned(),
        }
    }

    /// Appends `record` to `out`. unbraid's own messages are records like any other (`Stream::Unbraid`).
    pub fn encode(&mut self, origin: &Origin, record: &Record<'_>, out: &mut Vec<u8>) {
        let (time, name) = (&mut self.time, self.name.as_str());
        match &self.way {
            Way::Raw => raw::encode(record, out),
            Way::Prefix => prefix::encode(time, origin, record, out),
            Way::Json => json::encode(time, name, origin, record, out),
            Way::Logfmt => logfmt::encode(time, name, origin, record, out),
            Way::Cri => cri::encode(time, origin, record, out),
            Way::Syslog(syslog) => syslog.encode(time, origin, record, out),
            Way::Otlp(otlp) => otlp.encode(time, origin, record, out),
            Way::Template(template) => template.encode(time, name, origin, record, out),
        }
    }

    /// Whether a line that is a record of its own becomes exactly one line.
    pub(super) fn keeps_lines(&self) -> bool {
        !matches!(self.way, Way::Template(_))
    }

    /// Appends lines that are records of their own, read at the time that stands with them, one line for each. It stops once it
    /// has appended `MUCH`, for the caller to write that out, and gives back the lines that are left.
    pub fn encode_lines<'a>(
        &mut self,
        origin: &Origin,
        (lines, wall_us): (&'a [u8], u64),
        out: &mut Vec<u8>,
    ) -> &'a [u8] {
        let (time, name) = (&mut self.time, self.name.as_str());
        match &self.way {
            Way::Raw => {
                out.extend_from_slice(lines);
                &[]
            }
            Way::Prefix => prefix::encode_lines(time, origin, (lines, wall_us), out),
            Way::Json => json::encode_lines(time, name, origin, (lines, wall_us), out),
            _ => self.encode_singly(origin, (lines, wall_us), out),
        }
    }

    fn encode_singly<'a>(
        &mut self,
        origin: &Origin,
        (lines, wall_us): (&'a [u8], u64),
        out: &mut Vec<u8>,
    ) -> &'a [u8] {
        let (begin, mut rest) = (out.len(), lines);
        while let Some(newline) = memchr::memchr(b'\n', rest) {
            if out.len() > begin + MUCH {
                break;
            }
            let (line, left) = rest.split_at(newline + 1);
            self.encode(origin, &Record::line(line, wall_us), out);
            rest = left;
        }
        rest
    }

    /// The line that `record` leaves open: a part that was cut inside a line, in a format that goes on with it.
    pub(super) fn left_open(&mut self, origin: &Origin, record: &Record<'_>) -> Option<OpenLine> {
        if !goes_on(record) || record.bytes.last() == Some(&b'\n') {
            return None;
        }
        let closing = match self.way {
            Way::Raw => b"\n".to_vec(),
            Way::Cri => cri::closing(&mut self.time, origin, record),
            _ => return None,
        };
        Some(OpenLine {
            format: self.format,
            source: origin.source,
            closing,
        })
    }

    /// Whether `record` goes on with a line that was left open.
    pub(super) fn continues(&self, open: &OpenLine, origin: &Origin, record: &Record<'_>) -> bool {
        went_before(record) && open.format == self.format && open.source == origin.source
    }
}

/// A short line grows to many times its length: how much of that one call may append, in bytes.
const MUCH: usize = 256 << 10;

/// Appends the lines, each behind what `out` has from `head` on: that is the first one's head, and is copied for the others.
/// `append` is given the line with its newline. The lines that are left are given back.
fn behind_head<'a>(
    lines: &'a [u8],
    head: usize,
    out: &mut Vec<u8>,
    mut append: impl FnMut(&'a [u8], &mut Vec<u8>),
) -> &'a [u8] {
    let head = head..out.len();
    let mut from = 0;
    for newline in memchr::memchr_iter(b'\n', lines) {
        if from > 0 {
            if out.len() > head.start + MUCH {
                return &lines[from..];
            }
            out.extend_from_within(head.clone());
        }
        append(&lines[from..=newline], out);
        from = newline + 1;
    }
    &[]
}

/// Whether more of the record follows in another part.
fn goes_on(record: &Record<'_>) -> bool {
    record.part.is_some_and(|part| !part.last)
}

/// Whether the record began in another part.
fn went_before(record: &Record<'_>) -> bool {
    record.part.is_some_and(|part| part.number > 1)
}

/// The text of the record without its last newline, and whether it had one. A part that goes on keeps every byte, so that
/// the parts' messages, joined, are the record's.
pub(crate) fn message_of<'a>(record: &Record<'a>) -> (&'a [u8], bool) {
    if goes_on(record) {
        return (record.bytes, true);
    }
    match record.bytes.strip_suffix(b"\n") {
        Some(message) => (message, true),
        None => (record.bytes, false),
    }
}

/// The lines without their newlines, and whether each had one: only the last may lack it.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        Some(if let Some(newline) = memchr::memchr(b'\n', rest) {
            let line = &rest[..newline];
            rest = &rest[newline + 1..];
            (line, true)
        } else {
            (std::mem::take(&mut rest), false)
        })
    })
}

/// Appends a number; the standard library's formatting is several times slower, and a PID stands on every line.
fn decimal(number: impl Into<u64>, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.into();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests;
