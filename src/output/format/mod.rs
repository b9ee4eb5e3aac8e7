//! How a record is written. Pure: an encoder appends to a buffer.
//!
//! Every record ends with a newline, but for a raw part that is not the last: its bytes stay as they are, so that the
//! parts of a long line are one line again.

mod json;
mod prefix;
mod raw;

use super::Origin;
use super::spec::Format;
use super::time::TimeCache;
use crate::record::Record;

/// Appends `record` to `out` in the given format.
///
/// `time` gives the time column in the style it was made for; `name` is `--name`. unbraid's own messages are records
/// like any other (`Stream::Unbraid`).
pub fn encode(
    format: Format,
    time: &mut TimeCache,
    name: &str,
    origin: &Origin,
    record: &Record<'_>,
    out: &mut Vec<u8>,
) {
    match format {
        Format::Raw => raw::encode(record, out),
        Format::Prefix => prefix::encode(time, origin, record, out),
        Format::Json => json::encode(time, name, origin, record, out),
    }
}

/// Whether more of the record follows in another part.
fn goes_on(record: &Record<'_>) -> bool {
    record.part.is_some_and(|part| !part.last)
}

/// Whether the record began in another part.
fn went_before(record: &Record<'_>) -> bool {
    record.part.is_some_and(|part| part.number > 1)
}

/// Appends a number; the standard library's formatting is several times slower, and a PID stands on every line.
fn decimal(number: impl Into<u64>, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.into();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests;
