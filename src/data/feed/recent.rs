//! The last records. Made for the way in, which every record takes: a copy of its bytes, and nothing else.
//!
//! Even that is a tenth of what a short record costs in all (measured: 20 of 200 ns). So there is an [`Allowance`]: a server that
//! writes more than a person could read has only stretches of its log kept, and what lies between is counted.

use crate::output::Origin;
use crate::record::{Kind, Part, Record, Trace};
use std::mem::{swap, take};
use std::ops::Range;

/// What one generation holds, in bytes and in records. There are two: the older one goes as a whole.
const BYTES: usize = 32 << 10;
const RECORDS: usize = 512;

/// A longer record is not kept, but counted.
const LONGEST: usize = 64 << 10;

/// What may be kept at once, in bytes: more than there is room for. It comes back by a byte a microsecond.
const ALLOWED: u64 = 192 << 10;

/// Once it is used up, nothing is kept until so much is back: whole stretches say more than single records.
const ENOUGH: u64 = 16 << 10;

/// What a record costs besides its bytes.
const COST: u64 = 64;

/// Bounds the work of keeping records, by their own clock.
#[derive(Debug)]
struct Allowance {
    left: u64,
    /// When it was last added to, in µs since 1970.
    at: u64,
    used_up: bool,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            left: ALLOWED,
            at: 0,
            used_up: false,
        }
    }
}

impl Allowance {
    /// Whether something may be kept, if it is not large.
    fn is_open(&mut self, now_us: u64) -> bool {
        if now_us > self.at {
            self.left = ALLOWED.min(self.left + (now_us - self.at));
            self.at = now_us;
        }
        !self.used_up || self.left >= ENOUGH
    }

    fn spend(&mut self, bytes: usize, now_us: u64) -> bool {
        let open = self.is_open(now_us);
        let cost = COST + bytes as u64;
        self.used_up = self.left < cost || !open;
        if !self.used_up {
            self.left -= cost;
        }
        !self.used_up
    }
}

/// A record without its bytes.
#[derive(Debug)]
struct Entry {
    origin: Origin,
    wall_us: u64,
    part: Option<Part>,
    /// Where its bytes are.
    bytes: Range<usize>,
    /// How many records before it were not kept.
    lost: u64,
    /// Most records are none, so this costs them nothing.
    trace: Option<Box<Spans>>,
}

/// A [`Trace`] whose texts are places in the record.
#[derive(Debug)]
struct Spans {
    lang: &'static str,
    line: Option<u64>,
    texts: [Option<Range<usize>>; 4],
}

impl Spans {
    fn of(trace: &Trace<'_>, bytes: &[u8]) -> Self {
        let texts = [
            trace.exception_type,
            trace.exception_message,
            trace.file,
            trace.function,
        ];
        Self {
            lang: trace.lang,
            line: trace.line,
            texts: texts.map(|text| place(text?, bytes)),
        }
    }

    fn trace<'a>(&self, bytes: &'a [u8]) -> Trace<'a> {
        let text = |index: usize| self.texts[index].clone().and_then(|place| bytes.get(place));
        Trace {
            lang: self.lang,
            exception_type: text(0),
            exception_message: text(1),
            file: text(2),
            line: self.line,
            function: text(3),
        }
    }
}

/// Where `text`, a slice of `bytes`, lies in them.
fn place(text: &[u8], bytes: &[u8]) -> Option<Range<usize>> {
    let start = (text.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
    let end = start + text.len();
    (end <= bytes.len()).then_some(start..end)
}

#[derive(Debug, Default)]
struct Generation {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// A record that was kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept<'a> {
    entry: &'a Entry,
    bytes: &'a [u8],
}

impl<'a> Kept<'a> {
    /// Who wrote it.
    pub(super) fn origin(&self) -> &'a Origin {
        &self.entry.origin
    }

    /// How many records before it were not kept.
    pub(super) fn lost(&self) -> u64 {
        self.entry.lost
    }

    /// The record.
    pub(super) fn record(&self) -> Record<'a> {
        let entry = self.entry;
        let bytes = self.bytes.get(entry.bytes.clone()).unwrap_or_default();
        let kind = match &entry.trace {
            Some(spans) => Kind::Traceback(spans.trace(bytes)),
            None => Kind::Line,
        };
        Record {
            bytes,
            wall_us: entry.wall_us,
            kind,
            part: entry.part,
        }
    }
}

/// The last records, at least [`BYTES`] or [`RECORDS`] of them once there were so many.
#[derive(Debug, Default)]
pub(super) struct Recent {
    old: Generation,
    new: Generation,
    allowance: Allowance,
    /// Records since the last one that were not kept.
    lost: u64,
}

impl Recent {
    pub(super) fn keep(&mut self, origin: &Origin, record: &Record<'_>) {
        let bytes = record.bytes;
        if !self.allowance.spend(bytes.len(), record.wall_us) || bytes.len() > LONGEST {
            self.lost += 1;
            return;
        }
        let new = &mut self.new;
        if new.entries.len() == RECORDS || new.bytes.len() + bytes.len() > BYTES {
            self.turn_over();
        }
        let new = &mut self.new;
        let start = new.bytes.len();
        new.bytes.extend_from_slice(bytes);
        let trace = match &record.kind {
            Kind::Traceback(trace) => Some(Box::new(Spans::of(trace, record.bytes))),
            Kind::Line => None,
        };
        new.entries.push(Entry {
            origin: *origin,
            wall_us: record.wall_us,
            part: record.part,
            bytes: start..new.bytes.len(),
            lost: take(&mut self.lost),
            trace,
        });
    }

    /// Whether records that come at this time may be kept.
    pub(super) fn may_keep(&mut self, now_us: u64) -> bool {
        self.allowance.is_open(now_us)
    }

    /// So many records came that are not kept.
    pub(super) fn pass(&mut self, count: u64) {
        self.lost += count;
    }

    fn turn_over(&mut self) {
        swap(&mut self.old, &mut self.new);
        self.new.entries.clear();
        if self.new.bytes.capacity() > 2 * BYTES {
            drop(take(&mut self.new.bytes));
        } else {
            self.new.bytes.clear();
        }
    }

    /// How many records after the newest were not kept.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    pub(super) fn newest_first(&self) -> impl Iterator<Item = Kept<'_>> {
        [&self.new, &self.old].into_iter().flat_map(|generation| {
            let bytes = &generation.bytes;
            let entries = generation.entries.iter().rev();
            entries.map(move |entry| Kept { entry, bytes })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Stream;

    const ORIGIN: Origin = Origin {
        pid: 7,
        slot: 1,
        stream: Stream::Stdout,
        shared: false,
        source: 1,
    };

    fn line(bytes: &[u8]) -> Record<'_> {
        Record {
            bytes,
            wall_us: 5,
            kind: Kind::Line,
            part: None,
        }
    }

    /// One that comes so late that everything is allowed again.
    fn at(bytes: &[u8], number: usize) -> Record<'_> {
        Record {
            wall_us: number as u64 * ALLOWED,
            ..line(bytes)
        }
    }

    fn kept(recent: &Recent) -> Vec<Vec<u8>> {
        let records = recent
            .newest_first()
            .map(|kept| kept.record().bytes.to_vec());
        let mut bytes: Vec<_> = records.collect();
        bytes.reverse();
        bytes
    }

    #[test]
    fn the_last_records_are_there_in_their_order_and_no_more_than_fit() {
        let mut recent = Recent::default();
        for number in 0..5000 {
            recent.keep(&ORIGIN, &at(format!("{number}\n").as_bytes(), number));
            let kept = kept(&recent);
            let first = (number + 1) - kept.len();
            let expected = (first..=number).map(|n| format!("{n}\n").into_bytes());
            assert!(kept.into_iter().eq(expected));
            assert!(number < RECORDS || (RECORDS..=2 * RECORDS).contains(&(number + 1 - first)));
        }
        assert_eq!(recent.lost(), 0);
    }

    #[test]
    fn long_records_are_bounded_by_their_bytes() {
        let mut recent = Recent::default();
        let lengths = [1, BYTES - 1, BYTES, BYTES + 1, LONGEST, 1, LONGEST];
        for (number, length) in lengths.into_iter().enumerate() {
            recent.keep(&ORIGIN, &at(&vec![b'x'; length], number));
            assert!(recent.old.bytes.len() + recent.new.bytes.len() <= 2 * LONGEST);
        }
        let lengths: Vec<usize> = kept(&recent).iter().map(Vec::len).collect();
        assert_eq!(lengths, [1, LONGEST]);
        recent.keep(&ORIGIN, &at(&vec![b'x'; LONGEST + 1], 100));
        assert_eq!(recent.lost(), 1);
    }

    #[test]
    fn a_burst_as_long_as_what_is_kept_is_kept_whole() {
        for length in [1, 120, 1000, 30_000] {
            let mut recent = Recent::default();
            let count = (2 * RECORDS).min(2 * BYTES / length);
            for _ in 0..count {
                recent.keep(&ORIGIN, &line(&vec![b'x'; length]));
            }
            assert_eq!(recent.lost(), 0, "{count} of {length} bytes");
        }
    }

    #[test]
    fn a_flood_is_kept_in_stretches_and_what_lies_between_is_counted() {
        let mut recent = Recent::default();
        // Ten records a millisecond of 120 bytes, for ten seconds: twice what is allowed.
        for number in 0..100_000_u64 {
            let record = Record {
                wall_us: number * 100,
                ..line(&[b'x'; 120])
            };
            recent.keep(&ORIGIN, &record);
        }
        let lost: u64 = recent.newest_first().map(|kept| kept.lost()).sum();
        assert!(lost > 0);
        let gaps = recent.newest_first().filter(|kept| kept.lost() > 0).count();
        assert!(gaps < 10, "{gaps} gaps");
        // The newest is never older than it takes to be allowed enough again.
        let newest = recent.newest_first().next().expect("there are some");
        assert!(newest.record().wall_us + ENOUGH >= 100_000 * 100 - 100);
    }

    #[test]
    fn a_traceback_keeps_its_parts() {
        let bytes = b"Traceback\n  File \"a.py\", line 3, in f\nKeyError: 'k'\n".to_vec();
        let trace = Trace {
            lang: "python",
            exception_type: Some(&bytes[38..46]),
            exception_message: Some(&bytes[48..51]),
            file: Some(&bytes[18..22]),
            line: Some(3),
            function: Some(&bytes[36..37]),
        };
        let record = Record {
            kind: Kind::Traceback(trace),
            ..line(&bytes)
        };
        let mut recent = Recent::default();
        recent.keep(&ORIGIN, &line(b"before\n"));
        recent.keep(&ORIGIN, &record);
        let kept = recent.newest_first().next().map(|kept| kept.record());
        assert_eq!(kept.map(|r| r.kind), Some(Kind::Traceback(trace)));
        assert_eq!(trace.exception_type, Some(&b"KeyError"[..]));
    }
}
