//! `unbraidctl logs`.

use super::connection::{Connection, Line};
use super::{Failure, cannot_write};
use crate::output::format::Encoder;
use crate::output::spec::Format;
use crate::output::{Origin, Stream};
use crate::protocol::{Answer, Logs, Request};
use crate::record::{Kind, Part, Record};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use std::io::{self, ErrorKind, Write};

/// A record as `-o json` writes it; what is not printed is left out.
#[derive(Debug, Deserialize)]
struct Object {
    time: String,
    pid: i32,
    #[serde(default)]
    slot: u32,
    stream: String,
    message: String,
    raw: Option<String>,
    part: Option<u32>,
    #[serde(default)]
    last: bool,
    #[serde(default = "yes")]
    eol: bool,
}

fn yes() -> bool {
    true
}

/// Prints records until there are no more.
pub(super) fn print(connection: &mut Connection, which: Logs, json: bool) -> Result<i32, Failure> {
    connection.ask(Request::Logs(which))?;
    if which.follow {
        connection.wait_for_ever()?;
    }
    let alone = which.pid.is_some() || which.slot.is_some();
    let mut printer = Printer::new(if json {
        Format::Json
    } else if alone {
        Format::Raw
    } else {
        Format::Prefix
    });
    match print_all(connection, which.follow, &mut printer) {
        // Whoever reads has enough: `unbraidctl logs | head`.
        Err(Stop::Out(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(0),
        Err(Stop::Out(error)) => Err(cannot_write(&error)),
        Err(Stop::In(failure)) => Err(failure),
        Ok(()) => Ok(0),
    }
}

enum Stop {
    In(Failure),
    Out(io::Error),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::In(failure)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Out(error)
    }
}

fn print_all(connection: &mut Connection, follow: bool, printer: &mut Printer) -> Result<(), Stop> {
    let mut out = io::BufWriter::with_capacity(64 << 10, io::stdout().lock());
    loop {
        if connection.is_drained() {
            out.flush()?;
        }
        match connection.next()? {
            Line::Record => out.write_all(printer.print(connection.line()))?,
            Line::Answer(Answer::Dropped(count)) => {
                out.flush()?;
                let _ = writeln!(
                    io::stderr(),
                    "unbraidctl: {count} records were left out here"
                );
            }
            Line::Answer(Answer::Error(why)) => return Err(Failure(why).into()),
            Line::Answer(Answer::Done(_)) => return Ok(out.flush()?),
            Line::Answer(_) => {}
            // unbraid has ended, and with it what could be followed.
            Line::End if follow => return Ok(out.flush()?),
            Line::End => connection.answer().map(drop)?,
        }
    }
}

/// Turns lines of JSON into what is printed.
#[derive(Debug)]
struct Printer {
    format: Format,
    encoder: Encoder,
    out: Vec<u8>,
}

impl Printer {
    fn new(format: Format) -> Self {
        Self {
            format,
            encoder: Encoder::new(&format.into(), "", ""),
            out: Vec::new(),
        }
    }

    /// What is no record is printed as it is: whoever asked will know better.
    fn print(&mut self, line: &[u8]) -> &[u8] {
        self.out.clear();
        match serde_json::from_slice::<Object>(line) {
            Ok(object) if self.format != Format::Json => self.format(&object),
            _ => self.out.extend_from_slice(line),
        }
        &self.out
    }

    fn format(&mut self, object: &Object) {
        let decoded = object
            .raw
            .as_ref()
            .and_then(|raw| STANDARD.decode(raw).ok());
        let mut bytes = decoded.unwrap_or_else(|| object.message.clone().into_bytes());
        let part = object.part.map(|number| Part {
            number,
            last: object.last,
        });
        if object.eol && part.is_none_or(|part| part.last) {
            bytes.push(b'\n');
        }
        let time: Result<Timestamp, _> = object.time.parse();
        let wall_us = time.map_or(0, Timestamp::as_microsecond).max(0) as u64;
        let record = Record {
            bytes: &bytes,
            wall_us,
            kind: Kind::Line,
            part,
        };
        let stream = match object.stream.as_str() {
            "stdout" => Stream::Stdout,
            "stderr" => Stream::Stderr,
            _ => Stream::Unbraid,
        };
        let origin = Origin {
            pid: object.pid,
            slot: object.slot,
            stream,
            shared: false,
            source: 0,
        };
        self.encoder.encode(&origin, &record, &mut self.out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: Format, record: &Record<'_>) -> Vec<u8> {
        let origin = Origin {
            pid: 12,
            slot: 3,
            stream: Stream::Stderr,
            shared: true,
            source: 1,
        };
        let encoded = |format: Format| {
            let mut out = Vec::new();
            Encoder::new(&format.into(), "n", "").encode(&origin, record, &mut out);
            out
        };
        let (line, expected) = (encoded(Format::Json), encoded(format));
        let printed = Printer::new(format).print(&line).to_vec();
        assert_eq!(
            String::from_utf8_lossy(&printed),
            String::from_utf8_lossy(&expected)
        );
        printed
    }

    #[test]
    fn a_record_is_printed_as_a_destination_would_write_it() {
        let part = |number, last| Some(Part { number, last });
        for format in [Format::Raw, Format::Prefix, Format::Json] {
            for (bytes, part) in [
                (&b"one\n"[..], None),
                (b"Traceback\n  x\nE\n", None),
                (b"no end", None),
                (b"\xff\xfe bytes\n", None),
                (b"\n", None),
                (b"half of a li", part(1, false)),
                (b"ne\n", part(2, true)),
            ] {
                let record = Record {
                    bytes,
                    wall_us: 1_795_456_800_123_456,
                    kind: Kind::Line,
                    part,
                };
                let printed = printed(format, &record);
                if format == Format::Raw && bytes != b"no end" {
                    assert_eq!(printed, bytes);
                }
            }
        }
    }

    #[test]
    fn what_is_no_record_is_printed_as_it_is() {
        let mut printer = Printer::new(Format::Prefix);
        for line in [&b"{}\n"[..], b"garbage\n", b"{\"message\":1}\n"] {
            assert_eq!(printer.print(line), line);
        }
    }
}
