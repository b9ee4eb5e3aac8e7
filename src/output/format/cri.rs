//! `2026-11-23T10:00:00.123456000Z stderr F line`: the log of a container, as containerd writes it and the kubelet reads it.
//!
//! A reader knows lines only: `F` ends one, `P` means that the next entry goes on with it, and both are joined without
//! anything between. So each line of a record is an entry of its own with the record's time, and `P` stands only where a part of
//! a long record was cut inside a line.

use super::{goes_on, lines};
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
    let mut first = true;
    for (line, ended) in lines(record.bytes) {
        if !std::mem::take(&mut first) {
            out.extend_from_within(columns.clone());
        }
        let cut = !ended && goes_on(record);
        out.extend_from_slice(if cut { b"P " } else { b"F " });
        out.extend_from_slice(line);
        out.push(b'\n');
    }
}

/// The entry that ends a line which `record` left open, for when something else comes next: an empty `F`.
pub(super) fn closing(time: &mut TimeCache, origin: &Origin, record: &Record<'_>) -> Vec<u8> {
    let mut entry = Vec::new();
    write_columns(time, origin, record.wall_us, &mut entry);
    entry.extend_from_slice(b"F \n");
    entry
}

/// Readers refuse a stream that is neither; this program's own messages are on standard error without a destination too.
fn write_columns(time: &mut TimeCache, origin: &Origin, wall_us: u64, out: &mut Vec<u8>) {
    time.write_nanos(wall_us, out);
    out.extend_from_slice(match origin.stream {
        Stream::Stdout => b" stdout ",
        Stream::Stderr | Stream::Unbraid => b" stderr ",
    });
}
