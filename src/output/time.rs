//! The time of a record as text: RFC 3339 with microseconds.

use super::spec::TimeStyle;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use std::io::Write;

/// Writes times, and keeps the last second formatted: records come in bursts, so mostly only the microseconds are new.
#[derive(Debug)]
pub struct TimeCache {
    /// `None`: no time is written.
    zone: Option<TimeZone>,
    /// Seconds since 1970 of the two texts; `None`: nothing formatted yet.
    second: Option<u64>,
    /// `2026-11-23T10:00:00.`
    before: Vec<u8>,
    /// `Z` or `+01:00`
    after: Vec<u8>,
}

impl TimeCache {
    /// For one `--time` style. `Local` reads the system's time zone here, once: a container without a zone has UTC.
    pub fn new(style: TimeStyle) -> Self {
        match style {
            TimeStyle::Utc => Self::utc(),
            TimeStyle::Local => Self::with_zone(Some(TimeZone::system())),
            TimeStyle::None => Self::with_zone(None),
        }
    }

    /// For a given zone; UTC is written as `Z`. `None`: no time.
    pub fn with_zone(zone: Option<TimeZone>) -> Self {
        Self {
            zone,
            second: None,
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    /// In UTC.
    pub fn utc() -> Self {
        Self::with_zone(Some(TimeZone::UTC))
    }

    /// The time of `wall_us` as text.
    pub fn text(&mut self, wall_us: u64) -> String {
        let mut text = Vec::new();
        self.write(wall_us, &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    /// Whether a time is written at all.
    pub fn is_wanted(&self) -> bool {
        self.zone.is_some()
    }

    /// Appends the time of `wall_us` (µs since 1970) to `out`; false: nothing, there is no time.
    pub fn write(&mut self, wall_us: u64, out: &mut Vec<u8>) -> bool {
        self.write_with(wall_us, b"", out)
    }

    /// As [`Self::write`], with nine digits of the second: the last three are zeros, since microseconds are known.
    pub fn write_nanos(&mut self, wall_us: u64, out: &mut Vec<u8>) -> bool {
        self.write_with(wall_us, b"000", out)
    }

    fn write_with(&mut self, wall_us: u64, more_digits: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(zone) = &self.zone else {
            return false;
        };
        let (second, mut micros) = (wall_us / 1_000_000, wall_us % 1_000_000);
        if self.second != Some(second) {
            format_second(zone, second, &mut self.before, &mut self.after);
            self.second = Some(second);
        }
        out.extend_from_slice(&self.before);
        let mut digits = [b'0'; 6];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (micros % 10) as u8;
            micros /= 10;
        }
        out.extend_from_slice(&digits);
        out.extend_from_slice(more_digits);
        out.extend_from_slice(&self.after);
        true
    }
}

fn format_second(zone: &TimeZone, second: u64, before: &mut Vec<u8>, after: &mut Vec<u8>) {
    // A clock beyond the year 9999 is written as its end.
    let stamp = i64::try_from(second)
        .ok()
        .and_then(|s| Timestamp::from_second(s).ok());
    let stamp = stamp.unwrap_or(Timestamp::MAX);
    let offset = zone.to_offset(stamp);
    let t = offset.to_datetime(stamp);
    before.clear();
    after.clear();
    let (hour, minute, second) = (t.hour(), t.minute(), t.second());
    // Writing to a Vec cannot fail.
    drop(write!(
        before,
        "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.",
        t.year(),
        t.month(),
        t.day()
    ));
    if *zone == TimeZone::UTC {
        after.push(b'Z');
    } else {
        write_offset(offset, after);
    }
}

/// `+01:00`. RFC 3339 has no seconds in an offset, and no zone has had any since 1972.
fn write_offset(offset: Offset, out: &mut Vec<u8>) {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.unsigned_abs();
    drop(write!(out, "{sign}{:02}:{:02}", minutes / 60, minutes % 60));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23T10:00:00.123456Z
    const US: u64 = 1_795_428_000_123_456;

    fn written(cache: &mut TimeCache, us: u64) -> String {
        let mut out = Vec::new();
        assert!(cache.write(us, &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn utc() {
        let mut cache = TimeCache::new(TimeStyle::Utc);
        for (us, text) in [
            (US, "2026-11-23T10:00:00.123456Z"),
            (US + 1, "2026-11-23T10:00:00.123457Z"),
            (US + 1_000_000, "2026-11-23T10:00:01.123456Z"),
            (US, "2026-11-23T10:00:00.123456Z"),
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_009, "2000-02-29T00:00:00.000009Z"),
        ] {
            assert_eq!(written(&mut cache, us), text);
        }
        assert!(written(&mut cache, u64::MAX).starts_with("9999-12-"));
    }

    #[test]
    fn an_offset_instead_of_z() {
        for (seconds, text) in [
            (3600, "2026-11-23T11:00:00.123456+01:00"),
            (-12_600, "2026-11-23T06:30:00.123456-03:30"),
            (0, "2026-11-23T10:00:00.123456+00:00"),
        ] {
            let zone = TimeZone::fixed(Offset::from_seconds(seconds).unwrap());
            // jiff takes a fixed zone at 0 for UTC; a zone such as Europe/London in winter is another.
            let zone = if seconds == 0 {
                TimeZone::posix("GMT0BST,M3.5.0/1,M10.5.0").unwrap()
            } else {
                zone
            };
            assert_eq!(written(&mut TimeCache::with_zone(Some(zone)), US), text);
        }
    }

    #[test]
    fn the_offset_follows_the_change_to_summer_time() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let mut cache = TimeCache::with_zone(Some(zone));
        // 2026-03-29T01:00:00Z is the change.
        assert_eq!(
            written(&mut cache, 1_774_745_999_000_000),
            "2026-03-29T01:59:59.000000+01:00"
        );
        assert_eq!(
            written(&mut cache, 1_774_746_000_000_000),
            "2026-03-29T03:00:00.000000+02:00"
        );
    }

    #[test]
    fn none_writes_nothing() {
        let mut out = Vec::new();
        assert!(!TimeCache::new(TimeStyle::None).write(US, &mut out));
        assert!(out.is_empty());
    }
}
