//! The names of old files: `app.log.2026-11-23T10-00-00.123456Z`, then `…Z_001`; packed `….gz` or `….zst`. Pure.
//!
//! Within one log they sort by time as plain text: a stamp has one length, and `_` sorts behind the `.` of a suffix.

use crate::output::settings::Compression;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The length of a stamp, as `2026-11-23T10-00-00.123456Z`.
const LENGTH: usize = 27;

/// What the name of a file that is being packed ends with.
pub const PARTIAL: &str = ".partial";

/// How many files of one log may have one stamp.
pub const MOST_COUNTER: u16 = 999;

/// When a file was moved aside: what makes its name unlike all others of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// µs since 1970, UTC.
    pub micros: u64,
    /// 0: no counter; above where the name was taken already.
    pub counter: u16,
}

/// What of an old file lies under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// The records as they were written.
    Plain,
    /// All of it, packed.
    Packed(Compression),
    /// A packed file that is not complete.
    Partial(Compression),
}

/// The name that the log `live` has after it was moved aside.
pub fn archive(live: &[u8], stamp: Stamp, form: Form) -> Vec<u8> {
    // A clock beyond the year 9999 is written as its end.
    let micros = i64::try_from(stamp.micros).unwrap_or(i64::MAX);
    let time = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX);
    let t = TimeZone::UTC.to_datetime(time);
    let mut name = live.to_vec();
    let text = format!(
        ".{:04}-{:02}-{:02}T{:02}-{:02}-{:02}.{:06}Z",
        t.year(),
        t.month(),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
        t.subsec_nanosecond() / 1000
    );
    name.extend_from_slice(text.as_bytes());
    if stamp.counter > 0 {
        name.extend_from_slice(format!("_{:03}", stamp.counter).as_bytes());
    }
    match form {
        Form::Plain => {}
        Form::Packed(kind) => name.extend_from_slice(kind.suffix().as_bytes()),
        Form::Partial(kind) => {
            name.extend_from_slice(kind.suffix().as_bytes());
            name.extend_from_slice(PARTIAL.as_bytes());
        }
    }
    name
}

/// Reads a name that [`archive`] made: the log's own name, the stamp, and what lies there.
pub fn parse(name: &[u8]) -> Option<(&[u8], Stamp, Form)> {
    let (rest, form) = take_form(name)?;
    let (rest, counter) = take_counter(rest)?;
    let (live, stamp) = rest.split_at_checked(rest.len().checked_sub(LENGTH)?)?;
    let live = live.strip_suffix(b".")?;
    let micros = read_stamp(stamp)?;
    (!live.is_empty()).then_some((live, Stamp { micros, counter }, form))
}

fn take_form(name: &[u8]) -> Option<(&[u8], Form)> {
    let (rest, partial) = match name.strip_suffix(PARTIAL.as_bytes()) {
        Some(rest) => (rest, true),
        None => (name, false),
    };
    for kind in Compression::ALL {
        if let Some(rest) = rest.strip_suffix(kind.suffix().as_bytes()) {
            let form = if partial {
                Form::Partial(kind)
            } else {
                Form::Packed(kind)
            };
            return Some((rest, form));
        }
    }
    (!partial).then_some((rest, Form::Plain))
}

fn take_counter(name: &[u8]) -> Option<(&[u8], u16)> {
    let Some((rest, [b'_', digits @ ..])) = name.split_at_checked(name.len().checked_sub(4)?)
    else {
        return Some((name, 0));
    };
    let counter = number(digits)? as u16;
    (counter > 0).then_some((rest, counter))
}

fn read_stamp(text: &[u8]) -> Option<u64> {
    let shape = b"0000-00-00T00-00-00.000000Z";
    let fits = |(&byte, &like): (&u8, &u8)| match like {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    };
    if text.len() != LENGTH || !text.iter().zip(shape).all(fits) {
        return None;
    }
    let at = |range: std::ops::Range<usize>| number(&text[range]);
    let time = DateTime::new(
        at(0..4)? as i16,
        at(5..7)? as i8,
        at(8..10)? as i8,
        at(11..13)? as i8,
        at(14..16)? as i8,
        at(17..19)? as i8,
        (at(20..26)? * 1000) as i32,
    );
    let time = TimeZone::UTC.to_timestamp(time.ok()?).ok()?;
    u64::try_from(time.as_microsecond()).ok()
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        Some(sum * 10 + digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-23T10:00:00.123456Z
    const US: u64 = 1_795_428_000_123_456;

    fn stamp(micros: u64, counter: u16) -> Stamp {
        Stamp { micros, counter }
    }

    #[test]
    fn names_lead_to_what_they_were_made_from() {
        use Compression::{Gzip, Zstd};
        for (live, stamp, form, name) in [
            (
                "app.log",
                stamp(US, 0),
                Form::Plain,
                "app.log.2026-11-23T10-00-00.123456Z",
            ),
            (
                "app.log",
                stamp(US, 7),
                Form::Plain,
                "app.log.2026-11-23T10-00-00.123456Z_007",
            ),
            (
                "a",
                stamp(0, 0),
                Form::Packed(Gzip),
                "a.1970-01-01T00-00-00.000000Z.gz",
            ),
            (
                "a",
                stamp(US, 999),
                Form::Packed(Zstd),
                "a.2026-11-23T10-00-00.123456Z_999.zst",
            ),
            (
                ".gz",
                stamp(US, 0),
                Form::Partial(Gzip),
                ".gz.2026-11-23T10-00-00.123456Z.gz.partial",
            ),
            // A log that is named like an old file of another has old files of its own.
            (
                "a.2026-11-23T10-00-00.123456Z",
                stamp(US, 0),
                Form::Plain,
                "a.2026-11-23T10-00-00.123456Z.2026-11-23T10-00-00.123456Z",
            ),
        ] {
            assert_eq!(
                String::from_utf8(archive(live.as_bytes(), stamp, form)).unwrap(),
                name
            );
            assert_eq!(
                parse(name.as_bytes()),
                Some((live.as_bytes(), stamp, form)),
                "{name}"
            );
        }
    }

    #[test]
    fn other_names_are_none_of_ours() {
        for name in [
            "",
            "app.log",
            "app.log.1",
            "app.log.gz",
            "app.log.2026-11-23T10-00-00.123456",
            "app.log.2026-11-23T10-00-00.123456z",
            "app.log.2026-11-23T10:00:00.123456Z",
            "app.log.2026-13-23T10-00-00.123456Z",
            "app.log.2026-02-29T10-00-00.123456Z",
            "app.log.2026-11-23T24-00-00.123456Z",
            "app.log.2026-11-23T10-00-00.123456Z_000",
            "app.log.2026-11-23T10-00-00.123456Z_07",
            "app.log.2026-11-23T10-00-00.123456Z_0x1",
            "app.log.2026-11-23T10-00-00.123456Z.1",
            "app.log.2026-11-23T10-00-00.123456Z.gz~",
            "app.log.2026-11-23T10-00-00.123456Z.partial",
            "app.log.2026-11-23T10-00-00.123456Z.bz2",
            "app.log.1969-12-31T23-59-59.999999Z",
            "app.log2026-11-23T10-00-00.123456Z",
            ".2026-11-23T10-00-00.123456Z",
            "2026-11-23T10-00-00.123456Z",
        ] {
            assert_eq!(parse(name.as_bytes()), None, "{name}");
        }
    }

    proptest! {
        /// Names of one log sort as their stamps do, packed or not.
        #[test]
        fn names_sort_by_time(a in (0..4_000_000_000_000_000u64, 0..4u16), b in (0..4_000_000_000_000_000u64, 0..4u16), same: bool, packed: [bool; 2]) {
            let a = stamp(a.0, a.1);
            let b = stamp(if same { a.micros } else { b.0 }, b.1);
            let form = |packed| if packed { Form::Packed(Compression::Gzip) } else { Form::Plain };
            let names = [archive(b"a", a, form(packed[0])), archive(b"a", b, form(packed[1]))];
            if a != b {
                prop_assert_eq!(a < b, names[0] < names[1]);
            }
            prop_assert_eq!(parse(&names[0]), Some((&b"a"[..], a, form(packed[0]))));
        }
    }
}
