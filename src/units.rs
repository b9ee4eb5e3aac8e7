//! Sizes and durations as the options take them. Pure.

use std::time::Duration;

const KIB: u64 = 1 << 10;

/// So many bytes: exact, in the largest unit that they are a multiple of.
pub fn size_text(bytes: u64) -> String {
    let units = [
        (KIB.pow(4), "TiB"),
        (KIB.pow(3), "GiB"),
        (KIB.pow(2), "MiB"),
        (KIB, "KiB"),
    ];
    let fits = units
        .into_iter()
        .find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    fits.map_or_else(
        || format!("{bytes}B"),
        |(unit, name)| format!("{}{name}", bytes / unit),
    )
}

/// A duration: exact, `1m30s`.
pub fn duration_text(span: Duration) -> String {
    let seconds = span.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (u64::from(span.subsec_millis()), "ms"),
        (u64::from(span.subsec_micros() % 1_000), "us"),
        (u64::from(span.subsec_nanos() % 1_000), "ns"),
    ];
    let some = parts.into_iter().filter(|(count, _)| *count > 0);
    let text: Vec<String> = some.map(|(count, unit)| format!("{count}{unit}")).collect();
    if text.is_empty() {
        "0s".into()
    } else {
        text.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn in_the_largest_unit() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1KiB"),
            (64 << 20, "64MiB"),
            (1_000_001, "1000001B"),
            (3 << 30, "3GiB"),
        ] {
            assert_eq!(size_text(bytes), text);
        }
        for (millis, text) in [
            (0, "0s"),
            (90_000, "1m30s"),
            (86_400_000, "1d"),
            (1_500, "1s500ms"),
        ] {
            assert_eq!(duration_text(Duration::from_millis(millis)), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(bytes in any::<u32>(), nanos in any::<u64>()) {
            let bytes = u64::from(bytes);
            let read: bytesize::ByteSize = size_text(bytes).parse().expect("a size");
            prop_assert_eq!(read.as_u64(), bytes);
            let span = Duration::from_nanos(nanos);
            prop_assert_eq!(humantime::parse_duration(&duration_text(span)), Ok(span));
        }
    }
}
