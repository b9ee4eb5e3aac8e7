//! One JSON object a line (RFC 8259). The keys are pinned, also their order.

use super::text::{base64, json_string, json_text};
use super::{behind_head, decimal, message_of};
use crate::output::Origin;
use crate::output::time::TimeCache;
use crate::record::{Kind, Record, Trace};

pub(super) fn encode(
    time: &mut TimeCache,
    name: &str,
    origin: &Origin,
    record: &Record<'_>,
    out: &mut Vec<u8>,
) {
    write_head(time, name, origin, record.wall_us, out);
    if let Kind::Traceback(trace) = &record.kind {
        write_trace(trace, out);
    }
    let (message, ended) = message_of(record);
    out.extend_from_slice(b",\"message\":");
    let valid = json_text(message, out);
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
        raw(message, out);
    }
    out.extend_from_slice(b"}\n");
}

pub(super) fn encode_lines<'a>(
    time: &mut TimeCache,
    name: &str,
    origin: &Origin,
    (lines, wall_us): (&'a [u8], u64),
    out: &mut Vec<u8>,
) -> &'a [u8] {
    let head = out.len();
    write_head(time, name, origin, wall_us, out);
    out.extend_from_slice(b",\"message\":");
    let tail: &[u8] = if origin.shared {
        b",\"shared\":true}\n"
    } else {
        b"}\n"
    };
    behind_head(lines, head, out, |line, out| {
        let message = &line[..line.len() - 1];
        if json_text(message, out) {
            out.extend_from_slice(tail);
        } else {
            out.extend_from_slice(&tail[..tail.len() - 2]);
            raw(message, out);
            out.extend_from_slice(b"}\n");
        }
    })
}

/// What a record begins with, whatever it says.
fn write_head(time: &mut TimeCache, name: &str, origin: &Origin, wall_us: u64, out: &mut Vec<u8>) {
    out.push(b'{');
    let begin = out.len();
    out.extend_from_slice(b"\"time\":\"");
    if time.write(wall_us, out) {
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
    json_string(name, out);
}

fn write_trace(trace: &Trace<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"kind\":\"traceback\",\"lang\":");
    json_string(trace.lang, out);
    if let Some(exception) = trace.exception_type {
        out.extend_from_slice(b",\"exception.type\":");
        json_text(exception, out);
    }
    if let Some(message) = trace.exception_message {
        out.extend_from_slice(b",\"exception.message\":");
        json_text(message, out);
    }
    write_place(trace, out);
}

/// The frame nearest the error.
fn write_place(trace: &Trace<'_>, out: &mut Vec<u8>) {
    if let Some(file) = trace.file {
        out.extend_from_slice(b",\"code.filepath\":");
        json_text(file, out);
    }
    if let Some(line) = trace.line {
        out.extend_from_slice(b",\"code.lineno\":");
        decimal(line, out);
    }
    if let Some(function) = trace.function {
        out.extend_from_slice(b",\"code.function\":");
        json_text(function, out);
    }
}

/// The bytes of a message that is not UTF-8.
fn raw(message: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"raw\":\"");
    base64(message, out);
    out.push(b'"');
}
