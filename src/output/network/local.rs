//! What syslog(3) sends to `/dev/log`: `<29>Nov 23 10:00:00 app[1234]: text`. Every reader of such a socket knows this form, and
//! few know RFC 5424 there. Pure.

use crate::output::Origin;
use crate::output::format::message_of;
use crate::output::format::severity::Severity;
use crate::output::format::syslog::FACILITY;
use crate::record::Record;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::Write;

/// As RFC 3164 has them, in any locale.
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Writes messages, and keeps the last second formatted.
#[derive(Debug)]
pub(super) struct Local {
    zone: TimeZone,
    second: Option<u64>,
    /// `Nov 23 10:00:00`
    time: String,
    tag: String,
}

impl Local {
    /// For `--name`; times are local, as syslog(3)'s.
    pub(super) fn new(name: &str, zone: TimeZone) -> Self {
        // What ends a tag must not stand in it.
        let plain = |c: char| match c {
            '[' | ']' | ':' | ' ' => '_',
            c if c.is_ascii_graphic() => c,
            _ => '_',
        };
        Self {
            zone,
            second: None,
            time: String::new(),
            tag: name.chars().map(plain).take(32).collect(),
        }
    }

    pub(super) fn encode(&mut self, origin: &Origin, record: &Record<'_>, out: &mut Vec<u8>) {
        let second = record.wall_us / 1_000_000;
        if self.second != Some(second) {
            let stamp = Timestamp::from_second(second as i64).unwrap_or(Timestamp::MAX);
            let t = self.zone.to_offset(stamp).to_datetime(stamp);
            self.time = format!(
                "{} {:2} {:02}:{:02}:{:02}",
                MONTHS[t.month() as usize - 1],
                t.day(),
                t.hour(),
                t.minute(),
                t.second()
            );
            self.second = Some(second);
        }
        let priority = FACILITY * 8 + Severity::of(origin, record).syslog();
        // Writing to a Vec cannot fail.
        drop(write!(
            out,
            "<{priority}>{} {}[{}]: ",
            self.time,
            self.tag,
            origin.pid.unsigned_abs()
        ));
        let (message, _) = message_of(record);
        out.extend_from_slice(message);
    }
}

/// The length of everything before the text.
pub(super) fn header(message: &[u8]) -> usize {
    let end = message.windows(3).position(|three| three == b"]: ");
    end.map_or(0, |at| at + 3)
}

/// Cuts a message into parts of at most `most` bytes, each with the header: behind a newline where there is one in the
/// latter half.
pub(super) fn parts(message: &[u8], most: usize) -> Vec<Vec<u8>> {
    let (header, mut text) = message.split_at(header(message));
    let room = most.saturating_sub(header.len()).max(1);
    let mut parts = Vec::new();
    while !text.is_empty() {
        let mut end = text.len().min(room);
        if end < text.len()
            && let Some(newline) = memchr::memrchr(b'\n', &text[..end])
            && newline >= end / 2
        {
            end = newline + 1;
        }
        parts.push([header, &text[..end]].concat());
        text = &text[end..];
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Stream;
    use crate::record::Kind;

    fn message(name: &str, bytes: &[u8]) -> String {
        let origin = Origin {
            pid: 1234,
            slot: 2,
            stream: Stream::Stderr,
            shared: false,
            source: 1,
        };
        let record = Record {
            bytes,
            wall_us: 1_795_428_000_123_456,
            kind: Kind::Line,
            part: None,
        };
        let mut out = Vec::new();
        Local::new(name, TimeZone::UTC).encode(&origin, &record, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn as_syslog_writes_them() {
        assert_eq!(
            message("app", b"a\nb\n"),
            "<29>Nov 23 10:00:00 app[1234]: a\nb"
        );
        assert_eq!(
            message("a b]:\u{fc}", b"x"),
            "<29>Nov 23 10:00:00 a_b___[1234]: x"
        );
    }

    #[test]
    fn a_long_message_goes_in_parts_that_have_the_header() {
        let long = message("a", b"one\ntwo]: \nthree");
        let head = "<29>Nov 23 10:00:00 a[1234]: ";
        let text = |parts: Vec<Vec<u8>>| -> Vec<String> {
            parts
                .into_iter()
                .map(|part| String::from_utf8(part).unwrap())
                .collect()
        };
        assert_eq!(
            text(parts(long.as_bytes(), head.len() + 6)),
            [
                format!("{head}one\n"),
                format!("{head}two]: "),
                format!("{head}\nthree")
            ]
        );
        assert_eq!(text(parts(long.as_bytes(), 4096)), [long]);
    }
}
