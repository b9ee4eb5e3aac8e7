//! One open destination with its batch: what is written when, and what follows from each result.

use super::batch::Batch;
use super::budget::FdBudget;
use super::delays::Delays;
use super::destinations::{Dropping, Locking, Moving, Syncing};
use super::format::{Encoder, OpenLine};
use super::open::{FileId, Kind, Open, There, Way};
use super::settings::WhenFull;
use crate::output::Origin;
use crate::record::Record;
use nix::errno::Errno;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two tries after a failure.
const DELAYS: Delays = Delays {
    first: Duration::from_millis(100),
    longest: Duration::from_secs(1),
};

/// How long somebody who moved a file away has to make a new one: logrotate's `create` takes less than a millisecond, and
/// fails where there is one already.
const MAKING: Duration = Duration::from_millis(250);

/// What one call of write(2) or its like means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// So many bytes are out.
    Took(usize),
    /// A signal came first: try again at once.
    Again,
    /// No room: wait for the reader.
    Full,
    /// This way of writing is not supported here.
    Unsupported,
    /// An error that can pass: keep the bytes and try later.
    Failed(Errno),
    /// Nobody will ever read it.
    Gone,
}

/// Reads the result of one call. Pure.
pub(super) fn judge(kind: Kind, way: Way, result: Result<usize, Errno>) -> Step {
    match result {
        Ok(0) => Step::Failed(Errno::EIO),
        Ok(written) => Step::Took(written),
        Err(Errno::EINTR) => Step::Again,
        Err(Errno::EAGAIN) if way != Way::Plain => Step::Full,
        Err(Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENOSYS) if way == Way::Nowait => {
            Step::Unsupported
        }
        // ENXIO: a pipe was opened without a reader. EBADF: no descriptor to write to. Neither passes.
        Err(
            Errno::EPIPE
            | Errno::ECONNRESET
            | Errno::ENOTCONN
            | Errno::ECONNREFUSED
            | Errno::ENXIO
            | Errno::EBADF,
        ) => Step::Gone,
        // A terminal that hung up stays so.
        Err(Errno::EIO) if kind == Kind::Terminal => Step::Gone,
        Err(other) => Step::Failed(other),
    }
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All is out.
    Done,
    /// The rest waits for the reader.
    Full,
    /// The rest waits for a better time.
    Failed(Errno),
    /// The rest can never be written.
    Gone,
    /// The rest goes into the next file: this one has its size.
    Over,
}

/// Whether a sink may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    /// An event for its token says when.
    AwaitEvent,
    /// Not before this time; `None`: the time is set at the next flush, which knows the clock.
    AwaitTime(Option<Instant>),
    /// Its reader is gone for good.
    Gone,
}

/// Whose file it is: when that is gone, the file is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// No template: opened at start, never closed.
    Fixed,
    /// A template without `{pid}` and `{slot}`: closed only to make room for others.
    Common,
    Pid(i32),
    Slot(u32),
}

/// One destination, open or not.
#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
pub(super) struct Sink {
    /// Its name in messages.
    pub(super) label: String,
    /// `None`: inherited; it cannot be opened again.
    pub(super) path: Option<PathBuf>,
    pub(super) open: Option<Open>,
    /// Which file was open last, also when it has been closed to make room.
    pub(super) last_id: Option<FileId>,
    /// The descriptor of which the event loop tells when there is room.
    pub(super) registered: Option<RawFd>,
    pub(super) batch: Batch,
    pub(super) state: State,
    /// The delay after the last failure; `None`: nothing failed.
    delay: Option<Duration>,
    /// Whether a failure was told; `waiting` is then the most that has waited.
    pub(super) failing: bool,
    pub(super) waiting: usize,
    /// Whether it was told that the file could not be opened again.
    pub(super) reopen_failing: bool,
    /// Open again as soon as no record is cut by it.
    pub(super) want_reopen: bool,
    pub(super) owner: Owner,
    /// Its owner is gone: close when all is written.
    pub(super) closing: bool,
    /// Position in the order of use; 0: not in it.
    pub(super) used: u64,
    /// Whether it has been written to since memory was last given back.
    pub(super) active: bool,
    /// Whether it stands in the list of those that have work.
    pub(super) queued: bool,
    /// What of it is in the totals: bytes pending, bytes held, whether it is congested.
    pub(super) counted: (usize, usize, bool),
    /// Its files: where the keeper of old ones knows them; `None`: not a path.
    pub(super) place: Option<usize>,
    pub(super) when_full: WhenFull,
    pub(super) moving: Moving,
    /// Since when nothing lies at its path, although the file is still somewhere.
    missing: Option<Instant>,
    pub(super) locking: Locking,
    pub(super) dropping: Dropping,
    pub(super) syncing: Syncing,
    /// The line that the last record left open.
    tail: Option<OpenLine>,
    /// The last byte written to what is open; a file must not be left inside a line.
    last_written: u8,
}

impl Sink {
    pub(super) fn new(label: String, path: Option<PathBuf>, owner: Owner) -> Self {
        Self {
            label,
            path,
            open: None,
            last_id: None,
            registered: None,
            batch: Batch::default(),
            state: State::Ready,
            delay: None,
            failing: false,
            waiting: 0,
            reopen_failing: false,
            want_reopen: false,
            owner,
            closing: false,
            used: 0,
            active: false,
            queued: false,
            counted: (0, 0, false),
            place: None,
            when_full: WhenFull::default(),
            moving: Moving::default(),
            missing: None,
            locking: Locking::default(),
            dropping: Dropping::default(),
            syncing: Syncing::default(),
            tail: None,
            last_written: b'\n',
        }
    }

    /// Adds one record. A line that was left open is closed first, unless this record goes on with it.
    pub(super) fn add(&mut self, encoder: &mut Encoder, origin: &Origin, record: &Record<'_>) {
        let left = self.tail.take();
        let closing = left.filter(|open| !encoder.continues(open, origin, record));
        self.batch.add(|out| {
            if let Some(open) = closing {
                out.extend_from_slice(&open.closing);
            }
            encoder.encode(origin, record, out);
        });
        self.tail = encoder.left_open(origin, record);
        self.active = true;
    }

    /// Adds whole records, each of which is one line.
    pub(super) fn add_lines(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let left = self.tail.take();
        self.batch.add_lines(|out| {
            if let Some(open) = left {
                out.extend_from_slice(&open.closing);
            }
            encode(out);
        });
        self.active = true;
    }

    /// Whether writing may be tried now; `None`: the time is not known, so nothing that waits for one.
    pub(super) fn may_write(&self, now: Option<Instant>) -> bool {
        match self.state {
            State::Ready => true,
            State::AwaitEvent | State::Gone => false,
            State::AwaitTime(at) => at.zip(now).is_some_and(|(at, now)| now >= at),
        }
    }

    /// Whether the path has to be opened before the next write: it is closed, or the file was moved away or deleted
    /// (logrotate's `create`), or a signal asked for it. No record is cut in two and no line left open by it, but in a
    /// file that has lost its last name: there the record in hand is written anew.
    ///
    /// A path where nothing lies gets a new file only after a while: who moved the old one away may be about to make it.
    pub(super) fn must_open(&mut self, now: Option<Instant>) -> bool {
        let whole = self.is_whole();
        let (Some(open), Some(path)) = (&mut self.open, &self.path) else {
            return self.open.is_none();
        };
        let seen = open.look(path);
        if seen != There::Nothing || open.is_deleted() {
            self.missing = None;
        } else if !self.want_reopen && !self.failing {
            let since = self.missing.or(now);
            self.missing = since;
            if since
                .zip(now)
                .is_none_or(|(since, now)| now < since + MAKING)
            {
                return false;
            }
        }
        let moved = seen != There::Itself;
        if !moved && !self.want_reopen {
            return false;
        }
        if !whole && moved && open.is_deleted() {
            self.batch.rewind();
            return true;
        }
        whole
    }

    /// Whether what is written ends with a record and a line, so that the file may end here.
    pub(super) fn is_whole(&self) -> bool {
        !self.batch.mid_record() && self.last_written == b'\n'
    }

    /// Whether there is anything to do but to wait.
    pub(super) fn has_work(&self) -> bool {
        self.batch.pending() > 0 || self.want_reopen || self.moving.wanted
    }

    /// The line that is open will not go on here, although parts of its record may still come.
    pub(super) fn break_line(&mut self) {
        if let Some(open) = &mut self.tail {
            // No source has this number: they are counted from 0.
            open.source = u64::MAX;
        }
    }

    /// Somebody else has written to the file, and this is its last byte now. True: inside a line.
    pub(super) fn follow(&mut self, last: u8) -> bool {
        self.last_written = last;
        let inside = last != b'\n';
        if inside {
            self.batch.put_newline_first();
        }
        inside
    }

    /// Takes what has been opened for its path. True: the file ended inside a line that was not ours. With `lock` that is
    /// known only when the lock is held: the line may be another program's that goes on.
    pub(super) fn opened(&mut self, open: Open, lock: bool) -> bool {
        let same = self.last_id == Some(open.id);
        self.last_id = Some(open.id);
        self.want_reopen = false;
        self.reopen_failing = false;
        let foreign_line = open.inside_line && !same && !lock;
        self.missing = None;
        if !same {
            // Whoever put another file there has done what was wanted.
            self.moving.wanted = false;
            // A file that ends inside a line is not to be left before that has its newline.
            self.last_written = if foreign_line { 0 } else { b'\n' };
        }
        self.locking.opened(same);
        self.open = Some(open);
        if foreign_line {
            self.batch.put_newline_first();
        }
        foreign_line
    }

    /// Writes the batch, as far as it goes. With a limit: whole records, until a further one would make the file larger
    /// than so many bytes.
    pub(super) fn pump(&mut self, budget: &Arc<FdBudget>, limit: Option<u64>) -> Outcome {
        loop {
            let whole = self.is_whole();
            let Some(open) = &mut self.open else {
                return Outcome::Failed(Errno::EBADF);
            };
            let bytes = match limit {
                None => self.batch.unwritten(),
                Some(limit) => {
                    let room = limit.saturating_sub(open.size);
                    self.batch.up_to(room, open.size == 0 || !whole)
                }
            };
            if bytes.is_empty() {
                let all = self.batch.pending() == 0;
                return if all { Outcome::Done } else { Outcome::Over };
            }
            match judge(open.kind, open.way, open.write(bytes)) {
                Step::Took(written) => {
                    self.last_written = bytes[written - 1];
                    self.batch.advance(written);
                    self.syncing.dirty = true;
                }
                Step::Again => {}
                Step::Full => return Outcome::Full,
                Step::Failed(errno) => return Outcome::Failed(errno),
                Step::Gone => return Outcome::Gone,
                Step::Unsupported => {
                    if open.leave_description(budget).is_err() {
                        return Outcome::Gone;
                    }
                }
            }
        }
    }

    /// Waits for room: for the event, where one will come.
    pub(super) fn wait_for_room(&mut self, now: Option<Instant>) {
        // A kernel may say EAGAIN to RWF_NOWAIT for another reason than a full pipe. Then there would be no event.
        let full = self.open.as_ref().is_some_and(|open| !open.has_room());
        if self.registered.is_some() && full {
            self.state = State::AwaitEvent;
        } else {
            self.wait_for_time(now);
        }
    }

    /// Waits for the delay, which doubles.
    pub(super) fn wait_for_time(&mut self, now: Option<Instant>) {
        let delay = DELAYS.after(self.delay);
        self.state = State::AwaitTime(now.map(|now| now + delay));
        if now.is_some() {
            self.delay = Some(delay);
        }
    }

    /// All is written: failures are over.
    pub(super) fn recovered(&mut self) {
        self.state = State::Ready;
        self.delay = None;
        self.failing = false;
        self.waiting = 0;
    }

    /// Whether its descriptor can be closed and opened later without a loss: all is written to a regular file.
    pub(super) fn can_make_room(&self) -> bool {
        let regular = self
            .open
            .as_ref()
            .is_some_and(|open| open.kind == Kind::Regular);
        regular && self.path.is_some() && self.batch.pending() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_has_its_meaning() {
        use Kind::{Pipe, Regular, Socket, Terminal};
        use Way::{Nonblocking, Nowait, Plain, Polled, Send};
        for (kind, way, result, step) in [
            (Regular, Plain, Ok(7), Step::Took(7)),
            (Regular, Plain, Ok(0), Step::Failed(Errno::EIO)),
            (Regular, Plain, Err(Errno::EINTR), Step::Again),
            (
                Regular,
                Plain,
                Err(Errno::ENOSPC),
                Step::Failed(Errno::ENOSPC),
            ),
            (
                Regular,
                Plain,
                Err(Errno::EDQUOT),
                Step::Failed(Errno::EDQUOT),
            ),
            (Regular, Plain, Err(Errno::EIO), Step::Failed(Errno::EIO)),
            (
                Regular,
                Plain,
                Err(Errno::EROFS),
                Step::Failed(Errno::EROFS),
            ),
            (
                Regular,
                Plain,
                Err(Errno::EINVAL),
                Step::Failed(Errno::EINVAL),
            ),
            (
                Regular,
                Plain,
                Err(Errno::EAGAIN),
                Step::Failed(Errno::EAGAIN),
            ),
            (Pipe, Nowait, Err(Errno::EAGAIN), Step::Full),
            (Pipe, Nowait, Err(Errno::EOPNOTSUPP), Step::Unsupported),
            (Pipe, Nowait, Err(Errno::EINVAL), Step::Unsupported),
            (Pipe, Nowait, Err(Errno::ENOSYS), Step::Unsupported),
            (Pipe, Nowait, Err(Errno::EPIPE), Step::Gone),
            (Pipe, Nonblocking, Err(Errno::EAGAIN), Step::Full),
            (Pipe, Polled(4096), Err(Errno::EAGAIN), Step::Full),
            (Pipe, Polled(4096), Err(Errno::EINTR), Step::Again),
            (Socket, Send, Err(Errno::EAGAIN), Step::Full),
            (Socket, Send, Err(Errno::ECONNRESET), Step::Gone),
            (
                Socket,
                Send,
                Err(Errno::ENOBUFS),
                Step::Failed(Errno::ENOBUFS),
            ),
            (Terminal, Nonblocking, Err(Errno::EIO), Step::Gone),
            (Terminal, Nonblocking, Err(Errno::EAGAIN), Step::Full),
        ] {
            assert_eq!(
                judge(kind, way, result),
                step,
                "{kind:?} {way:?} {result:?}"
            );
        }
    }

    #[test]
    fn the_delay_doubles_to_a_second() {
        let now = Instant::now();
        let mut sink = Sink::new("x".into(), None, Owner::Fixed);
        let mut delays = Vec::new();
        for _ in 0..6 {
            sink.wait_for_time(Some(now));
            let State::AwaitTime(Some(at)) = sink.state else {
                panic!("{:?}", sink.state)
            };
            assert!(!sink.may_write(Some(now + (at - now) / 2)));
            assert!(!sink.may_write(None));
            assert!(sink.may_write(Some(at)));
            delays.push((at - now).as_millis());
        }
        assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
        sink.recovered();
        sink.wait_for_time(Some(now));
        assert_eq!(sink.state, State::AwaitTime(Some(now + DELAYS.first)));
    }

    /// Whether the path is to be opened when nobody makes a new file any more.
    fn must_open(sink: &mut Sink) -> bool {
        let now = Instant::now();
        sink.must_open(Some(now)) || sink.must_open(Some(now + MAKING))
    }

    /// A sink on a file, of whose batch of two records so many bytes are written.
    fn half_written(path: &std::path::Path, written: usize) -> Sink {
        let mut sink = Sink::new("x".into(), Some(path.to_owned()), Owner::Fixed);
        sink.opened(Open::path(path).unwrap(), false);
        for record in ["aa\nbb\n", "cc\n"] {
            sink.batch
                .add(|out| out.extend_from_slice(record.as_bytes()));
        }
        let rest = sink.batch.unwritten()[written..].to_vec();
        // As after a short write.
        std::fs::write(path, &sink.batch.unwritten()[..written]).unwrap();
        sink.batch.advance(written);
        assert_eq!(sink.batch.unwritten(), rest);
        assert!(!must_open(&mut sink));
        sink
    }

    #[test]
    fn a_record_that_is_half_written_stays_in_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("log"), dir.path().join("log.1"));
        let budget = Arc::new(FdBudget::new(1));
        // The cut is after a newline, but inside the record.
        let mut sink = half_written(&path, 3);
        std::fs::rename(&path, &moved).unwrap();
        assert!(!must_open(&mut sink));
        assert_eq!(sink.pump(&budget, None), Outcome::Done);
        assert_eq!(std::fs::read(&moved).unwrap(), b"aa\nbb\ncc\n");
        assert!(must_open(&mut sink));
    }

    #[test]
    fn a_record_that_is_half_written_to_a_deleted_file_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut sink = half_written(&path, 3);
        std::fs::remove_file(&path).unwrap();
        assert!(must_open(&mut sink));
        assert_eq!(sink.batch.unwritten(), b"aa\nbb\ncc\n");
        // What is whole is not written again.
        let mut sink = half_written(&path, 7);
        std::fs::remove_file(&path).unwrap();
        assert!(must_open(&mut sink));
        assert_eq!(sink.batch.unwritten(), b"cc\n");
    }

    #[test]
    fn a_record_half_written_in_mid_line_is_finished_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut sink = half_written(&path, 7);
        sink.want_reopen = true;
        assert!(!must_open(&mut sink));
        sink.pump(&Arc::new(FdBudget::new(1)), None);
        assert!(must_open(&mut sink));
    }
}
