//! One JSON object a line (RFC 8259). The keys are pinned, also their order.

use super::{decimal, goes_on};
use crate::output::Origin;
use crate::output::time::TimeCache;
use crate::record::{Kind, Record, Trace};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

pub(super) fn encode(
    time: &mut TimeCache,
    name: &str,
    origin: &Origin,
    record: &Record<'_>,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    let begin = out.len();
    out.extend_from_slice(b"\"time\":\"");
    if time.write(record.wall_us, out) {
        out.extend_from_slice(b"\",");
    } else {
        out.truncate(begin);
    }
    out.extend_from_slice(b"\"pid\":");
    decimal(origin.pid.unsigned_abs(), out);
    out.extend_from_slice(b",\"slot\":");
    decimal(origin.slot, out);
    out.extend_from_slice(b",\"stream\":\"");
    out.extend_from_slice(origin.stream.name().as_bytes());
    out.extend_from_slice(b"\",\"name\":");
    string(name, out);
    if let Kind::Traceback(trace) = &record.kind {
        write_trace(trace, out);
    }
    let (message, ended) = message_of(record);
    out.extend_from_slice(b",\"message\":");
    let valid = text(message, out);
    if let Some(part) = record.part {
        out.extend_from_slice(b",\"part\":");
        decimal(part.number, out);
        out.extend_from_slice(if part.last {
            b",\"last\":true"
        } else {
            b",\"last\":false"
        });
    }
    if origin.shared {
        out.extend_from_slice(b",\"shared\":true");
    }
    if !ended {
        out.extend_from_slice(b",\"eol\":false");
    }
    if !valid {
        out.extend_from_slice(b",\"raw\":\"");
        base64(message, out);
        out.push(b'"');
    }
    out.extend_from_slice(b"}\n");
}

/// The text of the record without its last newline, and whether it had one. A part that goes on keeps every byte, so that
/// the parts' messages, joined, are the record's.
fn message_of<'a>(record: &Record<'a>) -> (&'a [u8], bool) {
    if goes_on(record) {
        return (record.bytes, true);
    }
    match record.bytes.strip_suffix(b"\n") {
        Some(message) => (message, true),
        None => (record.bytes, false),
    }
}

fn write_trace(trace: &Trace<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"kind\":\"traceback\",\"lang\":");
    string(trace.lang, out);
    if let Some(exception) = trace.exception_type {
        out.extend_from_slice(b",\"exception.type\":");
        text(exception, out);
    }
    if let Some(message) = trace.exception_message {
        out.extend_from_slice(b",\"exception.message\":");
        text(message, out);
    }
    write_place(trace, out);
}

/// The frame nearest the error.
fn write_place(trace: &Trace<'_>, out: &mut Vec<u8>) {
    if let Some(file) = trace.file {
        out.extend_from_slice(b",\"code.filepath\":");
        text(file, out);
    }
    if let Some(line) = trace.line {
        out.extend_from_slice(b",\"code.lineno\":");
        decimal(line, out);
    }
    if let Some(function) = trace.function {
        out.extend_from_slice(b",\"code.function\":");
        text(function, out);
    }
}

/// Bytes as a JSON string; what is not UTF-8 becomes U+FFFD, and the answer is false.
fn text(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let text = String::from_utf8_lossy(bytes);
    string(&text, out);
    matches!(text, Cow::Borrowed(_))
}

fn string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a str into a Vec: neither can fail");
}

/// Appends base64 (RFC 4648, with padding) without a buffer of its own.
fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    out.resize(begin + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[begin..]);
    written.expect("the room is what padded base64 takes");
}
