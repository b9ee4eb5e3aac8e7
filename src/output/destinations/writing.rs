//! Batches go out; failures are told, waited for and overcome; totals and memory are kept.

use super::dropping::BOUND;
use super::{Destinations, Notice};
use crate::output::open::Cause;
use crate::output::settings::WhenFull;
use crate::output::sink::{Outcome, State};
use std::time::{Duration, Instant};

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
        if !sink.may_write(now) || !sink.has_work() {
            return;
        }
        while self.write_to_file(id, now) {}
    }

    /// Writes to the file that is open, or the one that is opened now, as long as it is not over. True: it is, and there is
    /// more to be done.
    fn write_to_file(&mut self, id: usize, now: Option<Instant>) -> bool {
        if !self.open_at_need(id, now) {
            return false;
        }
        self.look_at_file(id);
        if self.rotate_at_need(id, now) {
            return true;
        }
        let limit = self.limit(id, now);
        let sink = &mut self.sinks[id];
        sink.waiting = sink.waiting.max(sink.batch.pending());
        let outcome = sink.pump(&self.budget, limit);
        self.register(id);
        self.unlock(id);
        match outcome {
            Outcome::Done => {
                self.done(id);
                return now.is_some() && self.can_go_on(id, now);
            }
            Outcome::Full => self.sinks[id].wait_for_room(now),
            Outcome::Failed(errno) => self.failed(id, "write to", errno.desc(), now),
            Outcome::Gone => self.gone(id),
            Outcome::Over => return true,
        }
        false
    }

    /// Whether a new file was asked for, and what is written allows it now.
    fn can_go_on(&self, id: usize, now: Option<Instant>) -> bool {
        let Some(sink) = self.sinks.get(id) else {
            return false;
        };
        sink.is_whole() && (sink.want_reopen || (sink.moving.wanted && sink.may_move(now)))
    }

    /// Opens what is to be written to, and locks it where that was asked for. False: nothing can be written now.
    fn open_at_need(&mut self, id: usize, now: Option<Instant>) -> bool {
        loop {
            if self.sinks[id].open.is_some() && !self.lock(id, now) {
                return false;
            }
            // Looked at under the lock: whoever had it before may have moved the file.
            if !self.sinks[id].must_open(now) {
                return true;
            }
            if let Err(cause) = self.open_path(id) {
                return self.goes_on_without(id, &cause, now);
            }
            if !self.settings.lock {
                return true;
            }
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
        let locked = self.had_lock(id);
        let dropped = self.dropped_text(id);
        let sink = &mut self.sinks[id];
        sink.recovered();
        if sink.closing {
            self.remove(id);
        } else {
            self.touch(id);
        }
        for text in [recovered, locked].into_iter().flatten() {
            self.tell(false, text);
        }
        if let Some(text) = dropped {
            self.tell(true, text);
        }
    }

    pub(super) fn failed(&mut self, id: usize, operation: &str, cause: &str, now: Option<Instant>) {
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
        self.dropped.add(records as u64, bytes as u64);
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
        // One that drops what it cannot take holds nobody back.
        let congested = pending > BOUND && sink.when_full == WhenFull::Block;
        let new = (pending, held, congested);
        let old = std::mem::replace(&mut sink.counted, new);
        self.pending = self.pending - old.0 + new.0;
        self.held = self.held - old.1 + new.1;
        self.congested = self.congested - usize::from(old.2) + usize::from(new.2);
        if sink.queued && !sink.has_work() {
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
