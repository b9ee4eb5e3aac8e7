//! When the wall clock says that a file is over: `--rotate-every`. Pure.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::time::Duration;

const DAY: u64 = 86_400;

/// Whole days, or a part of a day that a day holds so many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// In seconds.
    length: u64,
}

impl Period {
    /// A period that has its places in the day, or in the row of days: whole seconds that divide a day, or whole days.
    pub fn new(length: Duration) -> Option<Self> {
        let whole = length.subsec_nanos() == 0;
        let length = length.as_secs();
        let fits = length > 0 && (DAY.is_multiple_of(length) || length.is_multiple_of(DAY));
        (whole && fits).then_some(Self { length })
    }

    /// How long it is, but for the days on which a clock is changed.
    pub fn length(self) -> Duration {
        Duration::from_secs(self.length)
    }

    /// The first turn after `micros` (µs since 1970), in the same unit.
    ///
    /// Days turn at midnight in `zone`; several days are counted so that seven begin on a Monday. Parts of a day are
    /// counted from midnight: 1h turns at full hours.
    pub fn next(self, micros: u64, zone: &TimeZone) -> u64 {
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
        let now = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX);
        let next = if self.length >= DAY {
            self.next_day(now, zone)
        } else {
            self.next_part(now, zone)
        };
        // Nothing turns any more at the end of all calendars.
        next.and_then(|next| u64::try_from(next.as_microsecond()).ok())
            .unwrap_or(u64::MAX)
    }

    fn next_day(self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let today = zone.to_datetime(now).date();
        let days = i64::try_from(self.length / DAY).ok()?;
        let number = day_number(today);
        let next = (number.div_euclid(days) + 1) * days;
        let date = today.checked_add(jiff::Span::new().try_days(next - number).ok()?);
        zone.to_timestamp(date.ok()?.at(0, 0, 0, 0)).ok()
    }

    /// Where the clock is changed, an hour is left out or comes twice: the next turn is the first time to come at which the
    /// clock shows one.
    fn next_part(self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let local = zone.to_datetime(now);
        let second = seconds(local.time());
        let left = self.length - second % self.length;
        let by_count = Timestamp::from_second(now.as_second() + left as i64).ok()?;
        let naive = local
            .time()
            .with()
            .subsec_nanosecond(0)
            .build()
            .ok()
            .map(|time| local.date().to_datetime(time))?
            .checked_add(jiff::Span::new().try_seconds(left as i64).ok()?)
            .ok()?;
        let by_clock = zone.to_timestamp(naive).ok()?;
        let turns = |at: &Timestamp| {
            let shown = seconds(zone.to_datetime(*at).time());
            *at > now && shown.is_multiple_of(self.length)
        };
        [by_count, by_clock]
            .into_iter()
            .filter(turns)
            .min()
            .or(Some(by_count))
    }
}

fn seconds(time: jiff::civil::Time) -> u64 {
    time.hour() as u64 * 3600 + time.minute() as u64 * 60 + time.second() as u64
}

/// Days since a Monday.
fn day_number(date: Date) -> i64 {
    /// The first Monday after 1970 began.
    const MONDAY: Date = jiff::civil::date(1970, 1, 5);
    (date - MONDAY).get_days().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn period(text: &str) -> Period {
        Period::new(humantime::parse_duration(text).unwrap()).unwrap()
    }

    fn zone(rule: &str) -> TimeZone {
        if rule == "UTC" {
            TimeZone::UTC
        } else {
            TimeZone::posix(rule).unwrap()
        }
    }

    const CET: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    fn micros(text: &str) -> u64 {
        let time: Timestamp = text.parse().unwrap();
        time.as_microsecond() as u64
    }

    #[test]
    fn only_what_has_its_places_in_a_day() {
        for good in [
            "1s", "15m", "1h", "90m", "6h", "12h", "1d", "2d", "7d", "365d",
        ] {
            assert_eq!(
                period(good).length(),
                humantime::parse_duration(good).unwrap()
            );
        }
        for bad in ["0s", "7h", "36h", "25h", "7s", "500ms", "1s 500ms"] {
            assert_eq!(
                Period::new(humantime::parse_duration(bad).unwrap()),
                None,
                "{bad}"
            );
        }
    }

    #[test]
    fn the_next_turn() {
        for (length, rule, now, next) in [
            ("1d", "UTC", "2026-11-23T10:00:00Z", "2026-11-24T00:00:00Z"),
            ("1d", "UTC", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
            (
                "1d",
                "UTC",
                "2026-11-22T23:59:59.999999Z",
                "2026-11-23T00:00:00Z",
            ),
            // A Monday.
            ("7d", "UTC", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
            ("7d", "UTC", "2026-11-22T12:00:00Z", "2026-11-23T00:00:00Z"),
            (
                "1h",
                "UTC",
                "2026-11-23T10:00:00.000001Z",
                "2026-11-23T11:00:00Z",
            ),
            ("6h", "UTC", "2026-11-23T18:00:00Z", "2026-11-24T00:00:00Z"),
            ("90m", "UTC", "2026-11-23T10:00:00Z", "2026-11-23T10:30:00Z"),
            (
                "1s",
                "UTC",
                "2026-11-23T10:00:00.9Z",
                "2026-11-23T10:00:01Z",
            ),
            ("1d", CET, "2026-11-23T10:00:00Z", "2026-11-23T23:00:00Z"),
            ("1d", CET, "2026-11-23T23:00:00Z", "2026-11-24T23:00:00Z"),
            // Days of 23 and of 25 hours.
            ("1d", CET, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            ("1d", CET, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            // 02:00 is left out: the clock shows 03:00 next. At the end of summer it shows 02:00 twice.
            ("1h", CET, "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"),
            ("1h", CET, "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"),
            ("1h", CET, "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"),
            ("6h", CET, "2026-03-28T23:00:00Z", "2026-03-29T04:00:00Z"),
            ("6h", CET, "2026-10-24T22:30:00Z", "2026-10-25T05:00:00Z"),
        ] {
            let next = micros(next);
            assert_eq!(
                period(length).next(micros(now), &zone(rule)),
                next,
                "{length} {now}"
            );
        }
        assert_eq!(period("1d").next(u64::MAX, &zone("UTC")), u64::MAX);
    }

    proptest! {
        /// The next turn is later, nothing turns between, and one turn leads to the next.
        #[test]
        fn turns_follow_each_other(now in 0..4_000_000_000_000_000u64, which in 0..8usize, local: bool, share in 0.0..1.0f64) {
            let period = period(["1s", "1m", "15m", "1h", "6h", "1d", "2d", "7d"][which]);
            let zone = zone(if local { CET } else { "UTC" });
            let next = period.next(now, &zone);
            prop_assert!(next > now);
            // An hour more where the clock is set back.
            prop_assert!(next - now <= (period.length().as_micros() as u64) + 3_600_000_000);
            let between = now + ((next - now) as f64 * share) as u64;
            if between < next {
                prop_assert_eq!(period.next(between, &zone), next);
            }
        }
    }
}
