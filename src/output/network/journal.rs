//! systemd-journald's native protocol: one datagram an entry, a field a line, and a field of several lines with its length in
//! front. Pure.

use crate::output::Origin;
use crate::output::format::message_of;
use crate::output::format::severity::Severity;
use crate::record::{Kind, Record, Trace};
use std::io::Write;

/// Appends the entry of one record.
pub(super) fn encode(name: &str, origin: &Origin, record: &Record<'_>, out: &mut Vec<u8>) {
    let (message, ended) = message_of(record);
    field("MESSAGE", message, out);
    number("PRIORITY", Severity::of(origin, record).syslog(), out);
    field("SYSLOG_IDENTIFIER", name.as_bytes(), out);
    number("SYSLOG_PID", origin.pid.unsigned_abs(), out);
    number(
        "SYSLOG_FACILITY",
        crate::output::format::syslog::FACILITY,
        out,
    );
    number("UNBRAID_TIME_USEC", record.wall_us, out);
    number("UNBRAID_SLOT", origin.slot, out);
    field("UNBRAID_STREAM", origin.stream.name().as_bytes(), out);
    if let Kind::Traceback(trace) = &record.kind {
        write_trace(trace, out);
    }
    if let Some(part) = record.part {
        number("UNBRAID_PART", part.number, out);
        field(
            "UNBRAID_LAST",
            if part.last { b"true" } else { b"false" },
            out,
        );
    }
    if origin.shared {
        field("UNBRAID_SHARED", b"true", out);
    }
    if !ended {
        field("UNBRAID_EOL", b"false", out);
    }
}

fn write_trace(trace: &Trace<'_>, out: &mut Vec<u8>) {
    field("UNBRAID_LANG", trace.lang.as_bytes(), out);
    let texts = [
        ("EXCEPTION_TYPE", trace.exception_type),
        ("EXCEPTION_MESSAGE", trace.exception_message),
        ("CODE_FILE", trace.file),
        ("CODE_FUNC", trace.function),
    ];
    for (key, bytes) in texts {
        if let Some(bytes) = bytes {
            field(key, bytes, out);
        }
    }
    if let Some(line) = trace.line {
        number("CODE_LINE", line, out);
    }
}

fn number(key: &str, number: impl Into<u64>, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    drop(writeln!(out, "{key}={}", number.into()));
}

/// `KEY=value`, or `KEY`, the length in 64 bits and the bytes: any byte may stand there.
fn field(key: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(key.as_bytes());
    if value.contains(&b'\n') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Stream;

    const ORIGIN: Origin = Origin {
        pid: 1234,
        slot: 2,
        stream: Stream::Stderr,
        shared: false,
        source: 1,
    };

    fn entry(bytes: &[u8], kind: Kind<'_>) -> String {
        let record = Record {
            bytes,
            wall_us: 7,
            kind,
            part: None,
        };
        let mut out = Vec::new();
        encode("app", &ORIGIN, &record, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line() {
        assert_eq!(
            entry(b"a b\n", Kind::Line),
            "MESSAGE=a b\nPRIORITY=5\nSYSLOG_IDENTIFIER=app\nSYSLOG_PID=1234\nSYSLOG_FACILITY=3\nUNBRAID_TIME_USEC=7\nUNBRAID_SLOT=2\nUNBRAID_STREAM=stderr\n"
        );
        assert!(entry(b"a", Kind::Line).ends_with("UNBRAID_EOL=false\n"));
    }

    #[test]
    fn a_traceback_is_one_field_with_its_length() {
        let trace = Kind::Traceback(Trace {
            lang: "python",
            exception_type: Some(b"E"),
            exception_message: None,
            file: Some(b"a.py"),
            line: Some(3),
            function: Some(b"f"),
        });
        let entry = entry(b"T\nE\n", trace);
        assert!(
            entry.starts_with("MESSAGE\n\x03\0\0\0\0\0\0\0T\nE\nPRIORITY=3\n"),
            "{entry}"
        );
        assert!(entry.ends_with(
            "UNBRAID_LANG=python\nEXCEPTION_TYPE=E\nCODE_FILE=a.py\nCODE_FUNC=f\nCODE_LINE=3\n"
        ));
    }
}
