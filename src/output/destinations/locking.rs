//! `--lock`: a file is written to while its lock is held, and by nobody else who asks for it.
//!
//! The lock is tried for, never waited for: whoever has it may be stopped for ever. Meanwhile records wait.

use super::Destinations;
use crate::output::delays::Delays;
use crate::output::open::{Cause, Kind};
use crate::output::sink::State;
use nix::errno::Errno;
use std::time::{Duration, Instant};

/// Before a lock is tried for again: at first about as long as a batch of another program takes.
const DELAYS: Delays = Delays {
    first: Duration::from_millis(1),
    longest: Duration::from_millis(64),
};

/// A lock that nobody else gives back for so long is told of.
const LONG: Duration = Duration::from_secs(5);

/// A sink's part in `--lock`.
#[derive(Debug, Default)]
pub(in crate::output) struct Locking {
    /// Whether the file's lock is held.
    pub(in crate::output) held: bool,
    /// The size of the file when it was last written to: where it is another now, somebody else wrote. `None`: not known.
    size: Option<u64>,
    /// Since when the lock is wanted.
    since: Option<Instant>,
    delay: Option<Duration>,
    told: bool,
}

impl Locking {
    /// A file was opened; the lock went with the one before.
    pub(in crate::output) fn opened(&mut self, same: bool) {
        self.held = false;
        self.size = self.size.filter(|_| same);
    }
}

impl Destinations {
    /// Where `--lock` asks for it: whether the file can be locked at all, which not every file system offers.
    pub(super) fn may_lock(&mut self, id: usize) -> Result<(), Cause> {
        let open = self.sinks[id].open.as_ref();
        let regular = open.filter(|open| open.kind == Kind::Regular);
        if let Some(open) = regular.filter(|_| self.settings.lock) {
            let locked = open.try_lock().map_err(|error| {
                Cause::Lock(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
            })?;
            if locked {
                self.sinks[id].locking.held = true;
                self.look_at_file(id);
                self.unlock(id);
            }
        }
        Ok(())
    }

    /// Takes the lock of a regular file. False: somebody else has it, and writing has to wait.
    pub(super) fn lock(&mut self, id: usize, now: Option<Instant>) -> bool {
        let sink = &mut self.sinks[id];
        let Some(open) = sink.open.as_ref().filter(|open| open.kind == Kind::Regular) else {
            return true;
        };
        if !self.settings.lock || sink.locking.held {
            return true;
        }
        match open.try_lock() {
            Ok(true) => {
                sink.locking.held = true;
                true
            }
            Ok(false) => {
                self.locked_out(id, now);
                false
            }
            Err(error) => {
                self.failed(id, "lock", &crate::cause(&error), now);
                false
            }
        }
    }

    fn locked_out(&mut self, id: usize, now: Option<Instant>) {
        // Without a time the next flush, which comes in this round, tries again.
        let Some(now) = now else {
            return;
        };
        let sink = &mut self.sinks[id];
        let delay = DELAYS.after(sink.locking.delay);
        sink.locking.delay = Some(delay);
        sink.state = State::AwaitTime(Some(now + delay));
        let since = *sink.locking.since.get_or_insert(now);
        if now >= since + LONG && !sink.locking.told {
            sink.locking.told = true;
            let label = &sink.label;
            let text = format!(
                "{label} is locked by another program; its records are kept and tried again"
            );
            self.tell(true, text);
        }
    }

    /// The lock is held and the file is the one at the path: what others did to it since.
    pub(super) fn look_at_file(&mut self, id: usize) {
        let sink = &mut self.sinks[id];
        sink.locking.since = None;
        sink.locking.delay = None;
        let Some(open) = sink.open.as_ref().filter(|_| sink.locking.held) else {
            return;
        };
        let open_size = open.size;
        // A program that was killed may have left half a line.
        if sink.locking.size != Some(open.size)
            && !sink.batch.mid_record()
            && let Some(last) = open.last_byte()
            && sink.follow(last)
        {
            // Not again before it is written.
            sink.locking.size = Some(open_size);
            self.tell_closed(id);
        }
    }

    /// Gives the lock back, but not inside a record: a full disk must let nobody else in there.
    pub(super) fn unlock(&mut self, id: usize) {
        let Some(sink) = self.sinks.get_mut(id) else {
            return;
        };
        if let Some(open) = &sink.open {
            sink.locking.size = Some(open.size);
            if sink.locking.held && !sink.batch.mid_record() {
                open.unlock();
                sink.locking.held = false;
            }
        }
    }

    /// After the lock was had again: what is to be told.
    pub(super) fn had_lock(&mut self, id: usize) -> Option<String> {
        let sink = &mut self.sinks[id];
        let told = std::mem::take(&mut sink.locking.told);
        told.then(|| {
            let (label, waiting) = (&sink.label, sink.waiting);
            format!("{label} is not locked any more, {waiting} bytes were waiting")
        })
    }
}
