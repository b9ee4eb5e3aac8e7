//! The process's own bytes.

use super::goes_on;
use crate::record::Record;

/// Appends the bytes as they are, and a newline where a record ended without one.
pub(super) fn encode(record: &Record<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(record.bytes);
    if !goes_on(record) && record.bytes.last() != Some(&b'\n') {
        out.push(b'\n');
    }
}
