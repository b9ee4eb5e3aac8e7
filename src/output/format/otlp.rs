//! OTLP/JSON, one `ExportLogsServiceRequest` with one record a line, as the OpenTelemetry Collector's `otlpjsonfile` receiver reads
//! them and its file exporter writes them.
//!
//! The attributes have the names of the semantic conventions as they are stable now: `code.file.path`, `code.line.number` and
//! `code.function.name`, where JSON keeps those that were current when its keys were fixed. What the conventions have no name for
//! begins with `unbraid.`. 64-bit numbers are strings, as the protocol's JSON has them.

use super::severity::Severity;
use super::text::{base64, json_string, json_text};
use super::{decimal, message_of};
use crate::output::Origin;
use crate::output::time::TimeCache;
use crate::record::{Kind, Record, Trace};

/// What each request begins with is made once.
#[derive(Debug)]
pub(super) struct Otlp {
    /// Up to the value of `process.pid`.
    head: Vec<u8>,
}

/// From the value of `process.pid` to the record.
const SCOPE: &[u8] = concat!(
    r#""}}]},"scopeLogs":[{"scope":{"name":"unbraid","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""},"logRecords":[{"#
)
.as_bytes();

impl Otlp {
    pub(super) fn new(name: &str, host: &str) -> Self {
        let mut head = br#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"#.to_vec();
        json_string(name, &mut head);
        if !host.is_empty() {
            head.extend_from_slice(br#"}},{"key":"host.name","value":{"stringValue":"#);
            json_string(host, &mut head);
        }
        head.extend_from_slice(br#"}},{"key":"process.pid","value":{"intValue":""#);
        Self { head }
    }

    pub(super) fn encode(
        &self,
        time: &TimeCache,
        origin: &Origin,
        record: &Record<'_>,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(&self.head);
        decimal(origin.pid.unsigned_abs(), out);
        out.extend_from_slice(SCOPE);
        if time.is_wanted() {
            // When a byte was read is all that is known of when it was written.
            for key in [&br#""timeUnixNano":""#[..], br#""observedTimeUnixNano":""#] {
                out.extend_from_slice(key);
                decimal(record.wall_us, out);
                out.extend_from_slice(b"000\",");
            }
        }
        let (number, name) = Severity::of(origin, record).otel();
        out.extend_from_slice(b"\"severityNumber\":");
        decimal(number, out);
        out.extend_from_slice(b",\"severityText\":\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\",\"body\":{\"stringValue\":");
        let (message, ended) = message_of(record);
        let valid = json_text(message, out);
        out.extend_from_slice(br#"},"attributes":[{"key":"log.iostream","value":{"stringValue":""#);
        out.extend_from_slice(origin.stream.name().as_bytes());
        out.extend_from_slice(b"\"}}");
        integer("unbraid.slot", origin.slot, out);
        if let Kind::Traceback(trace) = &record.kind {
            write_trace(trace, message, out);
        }
        write_state(origin, record, ended, out);
        if !valid {
            key("unbraid.raw", out);
            out.extend_from_slice(b"{\"bytesValue\":\"");
            base64(message, out);
            out.extend_from_slice(b"\"}}");
        }
        out.extend_from_slice(b"]}]}]}]}\n");
    }
}

fn write_state(origin: &Origin, record: &Record<'_>, ended: bool, out: &mut Vec<u8>) {
    if let Some(part) = record.part {
        integer("unbraid.part", part.number, out);
        boolean("unbraid.last", part.last, out);
    }
    if origin.shared {
        boolean("unbraid.shared", true, out);
    }
    if !ended {
        boolean("unbraid.eol", false, out);
    }
}

fn write_trace(trace: &Trace<'_>, message: &[u8], out: &mut Vec<u8>) {
    string("unbraid.lang", trace.lang.as_bytes(), out);
    let texts = [
        ("exception.type", trace.exception_type),
        ("exception.message", trace.exception_message),
        ("exception.stacktrace", Some(message)),
        ("code.file.path", trace.file),
        ("code.function.name", trace.function),
    ];
    for (key, bytes) in texts {
        if let Some(bytes) = bytes {
            string(key, bytes, out);
        }
    }
    // The protocol's numbers are signed.
    if let Some(line) = trace.line.filter(|line| i64::try_from(*line).is_ok()) {
        integer("code.line.number", line, out);
    }
}

/// A further attribute, up to its value.
fn key(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",{\"key\":\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\",\"value\":");
}

fn string(name: &str, bytes: &[u8], out: &mut Vec<u8>) {
    key(name, out);
    out.extend_from_slice(b"{\"stringValue\":");
    json_text(bytes, out);
    out.extend_from_slice(b"}}");
}

fn integer(name: &str, number: impl Into<u64>, out: &mut Vec<u8>) {
    key(name, out);
    out.extend_from_slice(b"{\"intValue\":\"");
    decimal(number, out);
    out.extend_from_slice(b"\"}}");
}

fn boolean(name: &str, value: bool, out: &mut Vec<u8>) {
    key(name, out);
    out.extend_from_slice(if value {
        b"{\"boolValue\":true}}"
    } else {
        b"{\"boolValue\":false}}"
    });
}
