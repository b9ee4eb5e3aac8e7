//! `2026-11-23T10:00:00.123456Z 1234 err | line`: columns before each line.
//!
//! The mark after the columns is `|` for the first line of a record, `>` for its further lines, `+` for the first line
//! of a part that goes on with a record. So no line of a record is taken for the start of one, and a reader can put the
//! record together again.

use super::{behind_head, decimal, went_before};
use crate::output::time::TimeCache;
use crate::output::{Origin, Stream};
use crate::record::Record;

pub(super) fn encode(
    time: &mut TimeCache,
    origin: &Origin,
    record: &Record<'_>,
    out: &mut Vec<u8>,
) {
    let columns = out.len();
    write_columns(time, origin, record.wall_us, out);
    let columns = columns..out.len();
    let mut mark = if went_before(record) { b"+ " } else { b"| " };
    let mut rest = record.bytes;
    loop {
        out.extend_from_slice(mark);
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
        let (line, after) = rest.split_at(end);
        out.extend_from_slice(line);
        if after.is_empty() {
            break;
        }
        // Formatted once a record, copied for its further lines.
        out.extend_from_within(columns.clone());
        mark = b"> ";
        rest = after;
    }
    if record.bytes.last() != Some(&b'\n') {
        out.push(b'\n');
    }
}

pub(super) fn encode_lines<'a>(
    time: &mut TimeCache,
    origin: &Origin,
    (lines, wall_us): (&'a [u8], u64),
    out: &mut Vec<u8>,
) -> &'a [u8] {
    let head = out.len();
    write_columns(time, origin, wall_us, out);
    out.extend_from_slice(b"| ");
    behind_head(lines, head, out, |line, out| out.extend_from_slice(line))
}

fn write_columns(time: &mut TimeCache, origin: &Origin, wall_us: u64, out: &mut Vec<u8>) {
    if time.write(wall_us, out) {
        out.push(b' ');
    }
    decimal(origin.pid.unsigned_abs(), out);
    out.extend_from_slice(match origin.stream {
        Stream::Stdout => b" out ",
        Stream::Stderr => b" err ",
        Stream::Unbraid => b" unb ",
    });
}
