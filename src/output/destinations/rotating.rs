//! When a log is moved aside, and what follows.

use super::Destinations;
use crate::output::delays::Delays;
use crate::output::open::{Kind, id_at};
use crate::output::rotate::aside::{is_cut_short, move_aside};
use crate::output::sink::Sink;
use nix::sys::stat::FileStat;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// After a log could not be moved aside.
const DELAYS: Delays = Delays {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
};

/// How long to wait where another program has the file's lock, or has moved it.
const BUSY: Duration = Duration::from_millis(100);

/// A sink's part in rotation.
#[derive(Debug, Default)]
pub(in crate::output) struct Moving {
    /// Whatever its size: a signal asked for it, or its time is over.
    pub(in crate::output) wanted: bool,
    /// Not before this time.
    retry: Option<Instant>,
    /// It failed when the time was not known: not before it is.
    later: bool,
    /// The delay after the last failure; `None`: nothing failed.
    delay: Option<Duration>,
    /// When it was last moved aside (µs since 1970): names of one log never go back in time.
    last: u64,
    /// What the next file has its rights and owners from.
    before: Option<Box<FileStat>>,
}

/// The turns of `--rotate-every`.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The next one, in µs since 1970.
    next: Option<u64>,
    /// The same, as far as the clocks agree.
    at: Option<Instant>,
}

/// What became of a try to move a log aside.
enum Moved {
    /// The path is free, or has another file.
    Away,
    /// Another program has the lock, or is moving the file itself.
    Busy,
}

impl Destinations {
    /// Moves every log aside that is not empty, as `rotate` asks. Records are never cut by it.
    pub fn rotate(&mut self, now: Instant) {
        for id in self.logs() {
            self.sinks[id].moving.wanted = true;
            self.sinks[id].moving.retry = None;
            self.queue(id);
            self.write_out(id, Some(now));
            self.settle(id);
        }
    }

    /// The sinks that have paths.
    pub(super) fn logs(&self) -> Vec<usize> {
        let logs = self.sinks.iter().filter(|(_, sink)| sink.path.is_some());
        logs.map(|(id, _)| id).collect()
    }

    /// At a turn of `--rotate-every` all logs are over.
    pub(super) fn turn(&mut self, now: Instant) {
        let Some(period) = self.settings.rotation.every else {
            return;
        };
        let wall = (self.wall)();
        if self.turns.next.is_some_and(|next| wall >= next) {
            self.turns.next = None;
            for id in self.logs() {
                // One that is closed shows by its time how old it is.
                let sink = &mut self.sinks[id];
                sink.moving.wanted |= sink.open.is_some();
                self.queue(id);
            }
        }
        let next = *self
            .turns
            .next
            .get_or_insert_with(|| period.next(wall, &self.zone));
        let wait = Duration::from_micros(next.saturating_sub(wall));
        self.turns.at = now.checked_add(wait);
    }

    /// When the next turn comes, or a log that could not be moved aside is tried again.
    pub(super) fn next_turn(&self) -> Option<Instant> {
        let retries = self.work.iter().filter_map(|&id| {
            let moving = &self.sinks[id].moving;
            moving.retry.filter(|_| moving.wanted)
        });
        retries.chain(self.turns.at).min()
    }

    /// A file that was found at its path may be over already: it is from before the last turn, or was being moved aside
    /// when the program died.
    pub(super) fn found(&mut self, id: usize) {
        let wall = (self.wall)();
        let sink = &mut self.sinks[id];
        let (Some(open), Some(path)) = (&sink.open, &sink.path) else {
            return;
        };
        if open.kind != Kind::Regular {
            return;
        }
        if open.size == 0 {
            if let Some(before) = sink.moving.before.take() {
                open.take_after(&before);
            }
            return;
        }
        let every = self.settings.rotation.every;
        let old = every.is_some_and(|every| every.next(open.modified, &self.zone) <= wall);
        let cut_short = open.links > 1 && is_cut_short(&real(path), open.id);
        if old || cut_short {
            sink.moving.wanted = true;
            self.queue(id);
        }
    }

    /// The size that the log of a sink may have, in bytes.
    pub(super) fn limit(&self, id: usize, now: Option<Instant>) -> Option<u64> {
        let limit = self.settings.rotation.size?;
        self.sinks[id].may_move(now).then_some(limit)
    }

    /// Moves the log of a sink aside, if it is over. True: there is a new file to be opened.
    pub(super) fn rotate_at_need(&mut self, id: usize, now: Option<Instant>) -> bool {
        let limit = self.limit(id, now);
        let sink = &mut self.sinks[id];
        if !sink.may_move(now) || !sink.is_over(limit) {
            return false;
        }
        match self.move_sink(id) {
            Ok(Moved::Away) => {
                self.moved(id);
                true
            }
            Ok(Moved::Busy) => {
                self.sinks[id].moving.again(now, BUSY);
                false
            }
            Err(error) => {
                self.not_moved(id, &error, now);
                false
            }
        }
    }

    fn move_sink(&mut self, id: usize) -> io::Result<Moved> {
        let wall = (self.wall)();
        let sink = &mut self.sinks[id];
        let (Some(open), Some(path)) = (&sink.open, &sink.path) else {
            return Ok(Moved::Busy);
        };
        let path = real(path);
        // Two programs that move the same file aside would take each other's new one away. Where there are no locks, the
        // look at the path must do.
        if !sink.locking.held && matches!(open.try_lock(), Ok(false)) {
            return Ok(Moved::Busy);
        }
        let stamp = wall.max(sink.moving.last + 1);
        let result = if id_at(&path) == Some(open.id) {
            sink.moving.before = open.stat().ok().map(Box::new);
            move_aside(&path, open.id, stamp).map(|_| Moved::Away)
        } else {
            Ok(Moved::Busy)
        };
        if !sink.locking.held {
            open.unlock();
        }
        sink.moving.last = stamp;
        result
    }

    fn moved(&mut self, id: usize) {
        let sink = &mut self.sinks[id];
        sink.moving.wanted = false;
        sink.moving.retry = None;
        sink.moving.later = false;
        // Nobody else makes the new file.
        sink.want_reopen = true;
        let failed = sink.moving.delay.take().is_some();
        let place = sink.place;
        if failed {
            let text = format!("{} is rotated again", sink.label);
            self.tell(false, text);
        }
        self.sync_file(id);
        self.tidy(place);
    }

    fn not_moved(&mut self, id: usize, error: &io::Error, now: Option<Instant>) {
        let moving = &mut self.sinks[id].moving;
        let first = moving.delay.is_none();
        let delay = DELAYS.after(moving.delay);
        moving.delay = Some(delay);
        moving.again(now, delay);
        if first {
            let (label, cause) = (&self.sinks[id].label, crate::cause(error));
            let text =
                format!("cannot rotate {label}: {cause}; it is written further and tried again");
            self.tell(true, text);
        }
    }

    /// There are new old files at this place.
    pub(super) fn tidy(&mut self, place: Option<usize>) {
        if let (Some(keeper), Some(place)) = (&mut self.keeper, place) {
            keeper.tidy(place);
        }
    }
}

impl Moving {
    /// To be tried again after a delay.
    fn again(&mut self, now: Option<Instant>, delay: Duration) {
        self.retry = now.map(|now| now + delay);
        self.later = now.is_none();
    }
}

impl Sink {
    /// Whether moving its log aside may be tried now.
    pub(super) fn may_move(&self, now: Option<Instant>) -> bool {
        let regular = |open: &crate::output::open::Open| open.kind == Kind::Regular;
        let waits = match (self.moving.retry, now) {
            (None, Some(_)) => false,
            (None, None) => self.moving.later,
            (Some(at), Some(now)) => now < at,
            (Some(_), None) => true,
        };
        self.path.is_some() && self.open.as_ref().is_some_and(regular) && !waits
    }

    /// Whether its log is over: asked for, or the next record would make it too large.
    fn is_over(&mut self, limit: Option<u64>) -> bool {
        let size = self.open.as_ref().map_or(0, |open| open.size);
        if size == 0 {
            // Nothing would be moved; what comes from now on belongs to the next turn.
            self.moving.wanted = false;
            return false;
        }
        let full = limit.is_some_and(|limit| {
            let room = limit.saturating_sub(size);
            self.batch.pending() > 0 && self.batch.up_to(room, false).is_empty()
        });
        self.is_whole() && (self.moving.wanted || full)
    }
}

/// Where the log itself lies; its old files lie beside it.
fn real(path: &std::path::Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
