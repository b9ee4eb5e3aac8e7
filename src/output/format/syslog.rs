//! `<29>1 2026-11-23T10:00:00.123456Z host app 1234 line [unbraid@32473 slot="2" stream="stderr"] text`: RFC 5424.
//!
//! A message of several lines is one message. Where newlines also end messages (a file, a pipe), each further line begins with a
//! tab, so that it can never be taken for the start of a message; to a network each message goes with its length instead.

use super::severity::Severity;
use super::{decimal, message_of};
use crate::output::Origin;
use crate::output::time::TimeCache;
use crate::record::{Kind, Record, Trace};

/// `daemon` (RFC 5424, section 6.2.1).
pub(crate) const FACILITY: u8 = 3;

/// The longest APP-NAME, in bytes (RFC 5424, section 6).
const APP_NAME: usize = 48;

/// The longest HOSTNAME.
const HOSTNAME: usize = 255;

/// The byte order mark that tells of UTF-8 (RFC 5424, section 6.4).
const BOM: &[u8] = b"\xef\xbb\xbf";

/// What each message begins with is made once.
#[derive(Debug)]
pub(crate) struct Syslog {
    /// ` HOSTNAME APP-NAME `
    host_and_app: Vec<u8>,
}

impl Syslog {
    /// For `--name`, and the host's name, which is a `-` where it is not known.
    pub(crate) fn new(name: &str, host: &str) -> Self {
        let text = format!(" {} {} ", field(host, HOSTNAME), field(name, APP_NAME));
        Self {
            host_and_app: text.into_bytes(),
        }
    }

    /// One message and a newline, for a file.
    pub(super) fn encode(
        &self,
        time: &mut TimeCache,
        origin: &Origin,
        record: &Record<'_>,
        out: &mut Vec<u8>,
    ) {
        let message = self.header(time, origin, record, None, out);
        for (i, line) in message.split(|&b| b == b'\n').enumerate() {
            if i > 0 {
                out.extend_from_slice(b"\n\t");
            }
            out.extend_from_slice(line);
        }
        out.push(b'\n');
    }

    /// One message with its newlines as they are, and without one at its end. `sequence` goes into `sequenceId`, by which a
    /// receiver knows a message that it gets twice (RFC 5424, section 7.3.1).
    pub(crate) fn message(
        &self,
        time: &mut TimeCache,
        origin: &Origin,
        record: &Record<'_>,
        sequence: u32,
        out: &mut Vec<u8>,
    ) {
        let message = self.header(time, origin, record, Some(sequence), out);
        out.extend_from_slice(message);
    }

    /// Everything before the text; returns the text.
    fn header<'a>(
        &self,
        time: &mut TimeCache,
        origin: &Origin,
        record: &Record<'a>,
        sequence: Option<u32>,
        out: &mut Vec<u8>,
    ) -> &'a [u8] {
        out.push(b'<');
        decimal(FACILITY * 8 + Severity::of(origin, record).syslog(), out);
        out.extend_from_slice(b">1 ");
        if !time.write(record.wall_us, out) {
            out.push(b'-');
        }
        out.extend_from_slice(&self.host_and_app);
        decimal(origin.pid.unsigned_abs(), out);
        out.extend_from_slice(match record.kind {
            Kind::Line => b" line ",
            Kind::Traceback(_) => b" traceback ",
        });
        if let Some(sequence) = sequence {
            out.extend_from_slice(b"[meta sequenceId=\"");
            decimal(sequence, out);
            out.extend_from_slice(b"\"]");
        }
        let (message, ended) = message_of(record);
        structured(origin, record, ended, out);
        out.push(b' ');
        if needs_bom(message) {
            out.extend_from_slice(BOM);
        }
        message
    }
}

/// A field of the header: printable ASCII without spaces, and not too long; `-` where nothing is left.
fn field(text: &str, longest: usize) -> String {
    let printable = |c: char| if c.is_ascii_graphic() { c } else { '_' };
    let field: String = text.chars().map(printable).take(longest).collect();
    if field.is_empty() {
        "-".to_owned()
    } else {
        field
    }
}

/// Text beyond ASCII that is UTF-8 must say so. Bytes that begin like a mark get one too: a reader takes the first away.
fn needs_bom(message: &[u8]) -> bool {
    message.starts_with(BOM) || !message.is_ascii() && std::str::from_utf8(message).is_ok()
}

/// The element for which RFC 5612 reserves number 32473, since this program has none of its own.
fn structured(origin: &Origin, record: &Record<'_>, ended: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"[unbraid@32473 slot=\"");
    decimal(origin.slot, out);
    out.extend_from_slice(b"\" stream=\"");
    out.extend_from_slice(origin.stream.name().as_bytes());
    out.push(b'"');
    if let Kind::Traceback(trace) = &record.kind {
        write_trace(trace, out);
    }
    if let Some(part) = record.part {
        out.extend_from_slice(b" part=\"");
        decimal(part.number, out);
        out.extend_from_slice(if part.last {
            b"\" last=\"true\""
        } else {
            b"\" last=\"false\""
        });
    }
    if origin.shared {
        out.extend_from_slice(b" shared=\"true\"");
    }
    if !ended {
        out.extend_from_slice(b" eol=\"false\"");
    }
    out.push(b']');
}

fn write_trace(trace: &Trace<'_>, out: &mut Vec<u8>) {
    param(b" lang=\"", Some(trace.lang.as_bytes()), out);
    param(b" exception.type=\"", trace.exception_type, out);
    param(b" exception.message=\"", trace.exception_message, out);
    param(b" code.filepath=\"", trace.file, out);
    if let Some(line) = trace.line {
        out.extend_from_slice(b" code.lineno=\"");
        decimal(line, out);
        out.push(b'"');
    }
    param(b" code.function=\"", trace.function, out);
}

/// A parameter's value is UTF-8, with three characters escaped (RFC 5424, section 6.3.3).
fn param(key: &[u8], value: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(value) = value else {
        return;
    };
    out.extend_from_slice(key);
    for byte in String::from_utf8_lossy(value).bytes() {
        if matches!(byte, b'"' | b'\\' | b']') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}
