//! Batches go out; failures are told, waited for and overcome; totals and memory are kept.

use super::{Destinations, Notice};
use crate::output::open::Cause;
use crate::output::sink::{Outcome, State};
use std::time::{Duration, Instant};

/// A destination with more than this pending is congested, in bytes.
const BOUND: usize = 1 << 20;

/// How long a destination must be idle before its buffer is given back.
const IDLE: Duration = Duration::from_secs(1);

/// Notices kept until they are fetched; further ones are counted only.
const MOST_NOTICES: usize = 256;

/// Buffers of all destinations together that are kept although they are idle, in bytes.
const KEEP: usize = 256 << 10;

impl Destinations {
    /// Writes the batch of one sink, if it may write now. The totals are brought up to date by [`Self::settle`].
    pub(super) fn write_out(&mut self, id: usize, now: Option<Instant>) {
        let Some(sink) = self.sinks.get_mut(id) else {
            return;
        };
        if let (State::AwaitTime(None), Some(_)) = (sink.state, now) {
            sink.wait_for_time(now);
        }
        if !sink.may_write(now) || !(sink.batch.pending() > 0 || sink.want_reopen) {
            return;
        }
        if sink.must_open()
            && let Err(cause) = self.open_path(id)
            && !self.goes_on_without(id, &cause, now)
        {
            return;
        }
        let sink = &mut self.sinks[id];
        sink.waiting = sink.waiting.max(sink.batch.pending());
        let outcome = sink.pump(&self.budget);
        self.register(id);
        match outcome {
            Outcome::Done => self.done(id),
            Outcome::Full => self.sinks[id].wait_for_room(now),
            Outcome::Failed(errno) => self.failed(id, "write to", errno.desc(), now),
            Outcome::Gone => self.gone(id),
        }
    }

    /// After a failure to open: true where an older file is still open and is written further.
    fn goes_on_without(&mut self, id: usize, cause: &Cause, now: Option<Instant>) -> bool {
        let sink = &mut self.sinks[id];
        if sink.open.is_none() {
            self.failed(id, "open", &cause.to_string(), now);
            return false;
        }
        sink.want_reopen = false;
        if !sink.reopen_failing {
            sink.reopen_failing = true;
            let label = &sink.label;
            let text = format!(
                "cannot open {label} again: {cause}; the file that was there is written further"
            );
            self.tell(true, text);
        }
        true
    }

    fn done(&mut self, id: usize) {
        let sink = &mut self.sinks[id];
        let recovered = sink.failing.then(|| {
            let (label, waiting) = (&sink.label, sink.waiting);
            format!("{label} is writable again, {waiting} bytes were waiting")
        });
        sink.recovered();
        if sink.closing {
            self.remove(id);
        } else {
            self.touch(id);
        }
        if let Some(text) = recovered {
            self.tell(false, text);
        }
    }

    fn failed(&mut self, id: usize, operation: &str, cause: &str, now: Option<Instant>) {
        let sink = &mut self.sinks[id];
        sink.wait_for_time(now);
        if !sink.failing {
            sink.failing = true;
            let label = &sink.label;
            let text = format!(
                "cannot {operation} {label}: {cause}; its records are kept and tried again"
            );
            self.tell(true, text);
        }
    }

    fn gone(&mut self, id: usize) {
        let sink = &mut self.sinks[id];
        sink.state = State::Gone;
        let (bytes, records) = sink.batch.discard();
        sink.batch.shrink();
        self.dropped.bytes += bytes as u64;
        self.dropped.records += records as u64;
        let text = format!(
            "{}: its reader is gone; what would be written there is dropped",
            sink.label
        );
        self.tell(true, text);
    }

    pub(super) fn tell(&mut self, error: bool, text: String) {
        if self.notices.len() < MOST_NOTICES {
            self.notices.push(Notice { error, text });
        } else {
            self.notices_left_out += 1;
        }
    }

    pub(super) fn queue(&mut self, id: usize) {
        let sink = &mut self.sinks[id];
        if !sink.queued {
            sink.queued = true;
            self.work.insert(id);
        }
    }

    /// Brings the totals up to date after a change of one sink.
    pub(super) fn settle(&mut self, id: usize) {
        let Some(sink) = self.sinks.get_mut(id) else {
            return;
        };
        let (pending, held) = (sink.batch.pending(), sink.batch.held());
        let new = (pending, held, pending > BOUND);
        let old = std::mem::replace(&mut sink.counted, new);
        self.pending = self.pending - old.0 + new.0;
        self.held = self.held - old.1 + new.1;
        self.congested = self.congested - usize::from(old.2) + usize::from(new.2);
        if sink.queued && pending == 0 && !sink.want_reopen {
            sink.queued = false;
            self.work.remove(&id);
        }
    }

    /// Gives the buffers back of those that have been idle for a while. One deadline serves all, and there is none while
    /// all buffers together are small.
    pub(super) fn trim(&mut self, now: Instant) {
        if self.trim_at.is_some_and(|at| now < at) {
            return;
        }
        let due = self.trim_at.take().is_some();
        if self.held - self.pending <= KEEP {
            return;
        }
        let ids: Vec<usize> = self.sinks.iter().map(|(id, _)| id).collect();
        for id in ids {
            let sink = &mut self.sinks[id];
            if due && !sink.active {
                sink.batch.shrink();
                self.settle(id);
            } else {
                sink.active = false;
            }
        }
        if self.held - self.pending > KEEP {
            self.trim_at = Some(now + IDLE);
        }
    }
}
