//! `--when-full drop`: what a destination does not take is counted, and told when it takes something again.

use super::{Destinations, Dropped};
use crate::output::Origin;
use crate::output::settings::WhenFull;
use crate::output::sink::{Sink, State};
use crate::record::Record;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A destination with more than this pending is full, in bytes.
pub(super) const BOUND: usize = 1 << 20;

/// How many processes are counted by themselves, and named.
const NAMED: usize = 32;

/// What a destination has dropped since it was full.
#[derive(Debug, Default)]
pub(in crate::output) struct Dropping {
    all: Dropped,
    /// Records by process. What further processes lost is in `all` alone.
    by_pid: BTreeMap<i32, u64>,
    /// The last word is said: what tells it may be dropped itself.
    over: bool,
}

impl Dropping {
    /// One record more. True: the first one, of which is to be told.
    pub(in crate::output) fn add(&mut self, pid: i32, bytes: usize) -> bool {
        let first = self.all.records == 0 && !self.over;
        self.all.records += 1;
        self.all.bytes += bytes as u64;
        if self.by_pid.len() < NAMED || self.by_pid.contains_key(&pid) {
            *self.by_pid.entry(pid).or_default() += 1;
        }
        first
    }

    /// To be told when it begins.
    pub(in crate::output) fn begun(label: &str) -> String {
        format!("{label} takes no more; records for it are dropped until it does")
    }

    /// To be told when records are taken again.
    pub(in crate::output) fn ended(&mut self, label: &str) -> Option<String> {
        let text = self.take_text()?;
        Some(format!("{label} takes records again; {text}"))
    }

    /// The last word, before the end.
    pub(in crate::output) fn last_word(&mut self, label: &str) -> Option<String> {
        let text = self.take_text();
        self.over = true;
        let text = text?;
        Some(format!("{label} took no more until the end; {text}"))
    }

    /// `7 records (812 bytes) were dropped: 3 of process 12, 4 of process 13`, and starts anew; `None`: none were.
    fn take_text(&mut self) -> Option<String> {
        let Self { all, by_pid, over } = std::mem::take(self);
        self.over = over;
        if all.records == 0 || over {
            return None;
        }
        let mut text = format!("{} records ({} bytes) were dropped", all.records, all.bytes);
        let mut separator = ':';
        for (pid, records) in &by_pid {
            // Writing to a String cannot fail.
            let _ = write!(text, "{separator} {records} of process {pid}");
            separator = ',';
        }
        let others = all.records - by_pid.values().sum::<u64>();
        if others > 0 {
            let _ = write!(text, ", {others} of others");
        }
        Some(text)
    }
}

impl Sink {
    /// Whether a further record is to be dropped: this one is full, or takes nothing while all destinations together have more
    /// than `most` bytes pending, below which those that hold readers back have room of their own.
    pub(super) fn drops(&self, all_pending: usize, most: usize) -> bool {
        let pending = self.batch.pending();
        let short = all_pending > most && self.state != State::Ready && pending > 0;
        self.when_full == WhenFull::Drop && (pending > BOUND || short)
    }
}

impl Destinations {
    /// Drops a record for one sink.
    pub(super) fn drop_record(&mut self, id: usize, origin: &Origin, record: &Record<'_>) {
        let bytes = record.bytes.len();
        self.dropped.add(1, bytes as u64);
        let sink = &mut self.sinks[id];
        let first = sink.dropping.add(origin.pid, bytes);
        sink.break_line();
        if first {
            let text = Dropping::begun(&sink.label);
            self.tell(true, text);
        }
    }

    /// Adds a record to a receiver's queue, or drops it.
    pub(super) fn send(&mut self, receiver: usize, origin: &Origin, record: &Record<'_>) {
        if !self.receivers.push(receiver, origin, record) {
            self.dropped.add(1, record.bytes.len() as u64);
        }
    }

    /// What a sink has dropped, to be told now that it takes records again.
    pub(super) fn dropped_text(&mut self, id: usize) -> Option<String> {
        let sink = &mut self.sinks[id];
        sink.dropping.ended(&sink.label)
    }

    /// Before the end: what was dropped where nothing could be written since. As notices.
    pub fn tell_dropped(&mut self) {
        let ids: Vec<usize> = self.sinks.iter().map(|(id, _)| id).collect();
        for id in ids {
            let sink = &mut self.sinks[id];
            if let Some(text) = sink.dropping.last_word(&sink.label) {
                self.tell(true, text);
            }
        }
        self.receivers.tell_dropped();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_beyond_the_named_ones_are_counted_together() {
        let mut dropping = Dropping::default();
        assert_eq!(dropping.take_text(), None);
        for pid in 1..=40 {
            dropping.add(pid, 10);
            dropping.add(pid, 10);
        }
        let text = dropping.take_text().unwrap();
        assert!(
            text.starts_with(
                "80 records (800 bytes) were dropped: 2 of process 1, 2 of process 2,"
            ),
            "{text}"
        );
        assert!(text.ends_with("2 of process 32, 16 of others"), "{text}");
        assert_eq!(dropping.take_text(), None);
    }
}
