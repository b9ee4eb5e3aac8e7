//! `--template '{time} {pid} {line}'`: the user's own columns.
//!
//! With `{line}` every line of a record has the columns, so no line is a start; `{mark}` says which are, as in `prefix`. With
//! `{record}` the columns stand once, and every line that starts no record begins with a tab.

use super::{decimal, lines, went_before};
use crate::output::Origin;
use crate::output::spec::{SpecError, shown};
use crate::output::template::{Brace, split};
use crate::output::time::TimeCache;
use crate::record::Record;

/// The fields, for messages.
const FIELDS: &str = "{time}, {pid}, {slot}, {stream}, {name}, {mark}, and {line} or {record}";

/// A template, parsed and checked: exactly one of its pieces is the line or the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineTemplate {
    /// As it was given.
    text: String,
    pieces: Vec<Piece>,
    /// Whether it has `{record}`, so that the columns stand once.
    once: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Time,
    Pid,
    Slot,
    Stream,
    Name,
    Mark,
    /// `{line}` or `{record}`
    Content,
}

/// What a line is in its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    First,
    Further,
    /// The first line of a later part.
    Part,
}

impl LineTemplate {
    /// Parses `--template`. The text becomes columns of one line, so it holds no newline.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        if text.contains('\n') {
            return Err(SpecError::TemplateNewline);
        }
        let (mut each, mut once) = (0, 0);
        let pieces = split(text.as_bytes(), Piece::Text, |name| {
            Some(match name {
                b"time" => Piece::Time,
                b"pid" => Piece::Pid,
                b"slot" => Piece::Slot,
                b"stream" => Piece::Stream,
                b"name" => Piece::Name,
                b"mark" => Piece::Mark,
                b"line" => {
                    each += 1;
                    Piece::Content
                }
                b"record" => {
                    once += 1;
                    Piece::Content
                }
                _ => return None,
            })
        })
        .map_err(|brace| match brace {
            Brace::Unclosed => SpecError::Unclosed(text.to_owned()),
            Brace::Unopened => SpecError::Unopened(text.to_owned()),
            Brace::Unknown(field) => SpecError::UnknownField {
                text: text.to_owned(),
                field: shown(&field),
                fields: FIELDS,
            },
        })?;
        match (each, once) {
            (1, 0) | (0, 1) => Ok(Self {
                text: text.to_owned(),
                pieces,
                once: once == 1,
            }),
            _ => Err(SpecError::TemplateContent),
        }
    }

    /// As it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn encode(
        &self,
        time: &mut TimeCache,
        name: &str,
        origin: &Origin,
        record: &Record<'_>,
        out: &mut Vec<u8>,
    ) {
        let first = if went_before(record) {
            Mark::Part
        } else {
            Mark::First
        };
        let mut write = |content: &Content<'_>, mark, out: &mut Vec<u8>| {
            for piece in &self.pieces {
                match piece {
                    Piece::Text(text) => out.extend_from_slice(text),
                    Piece::Time => {
                        time.write(record.wall_us, out);
                    }
                    Piece::Pid => decimal(origin.pid.unsigned_abs(), out),
                    Piece::Slot => decimal(origin.slot, out),
                    Piece::Stream => out.extend_from_slice(origin.stream.name().as_bytes()),
                    Piece::Name => out.extend_from_slice(name.as_bytes()),
                    Piece::Mark => out.push(match mark {
                        Mark::First => b'|',
                        Mark::Further => b'>',
                        Mark::Part => b'+',
                    }),
                    Piece::Content => content.write(out),
                }
            }
            out.push(b'\n');
        };
        if self.once {
            if first == Mark::Part {
                out.push(b'\t');
            }
            write(&Content::Record(record.bytes), first, out);
            return;
        }
        let mut mark = first;
        for (line, _) in lines(record.bytes) {
            write(&Content::Line(line), mark, out);
            mark = Mark::Further;
        }
    }
}

/// What stands for `{line}` or `{record}`, without its last newline.
enum Content<'a> {
    Line(&'a [u8]),
    Record(&'a [u8]),
}

impl Content<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Line(line) => out.extend_from_slice(line),
            Self::Record(bytes) => {
                for (i, (line, _)) in lines(bytes).enumerate() {
                    if i > 0 {
                        out.extend_from_slice(b"\n\t");
                    }
                    out.extend_from_slice(line);
                }
            }
        }
    }
}
