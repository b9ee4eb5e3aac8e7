//! Reading the pipes, and handing the bytes to the assemblers.

use super::feed::Feed;
use super::pipe::{Pipe, origin};
use super::{Counts, InHand, Plane, READ, TURN};
use crate::output::{Destinations, Origin};
use crate::plane::{ProcessId, Report, Written};
use crate::record::{Assembler, Record, Sink, Stamp, lines};
use crate::supervise::recognize::Watch;
use crate::supervise::registry::inode;
use crate::wall_us;
use mio::unix::SourceFd;
use std::cmp::Reverse;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// While there is still room, a stream that holds less is not cut: little would be gained, and a record broken.
const WORTH_CUTTING: usize = 64 << 10;

/// How a read ended.
pub(super) enum ReadEnd {
    /// Nothing is there now.
    Empty,
    /// No writer is left.
    Closed,
    /// There may be more.
    More,
}

/// Whether a read of so many bytes has emptied the pipe, so that what comes later is an event of its own: it gave less than was
/// asked for. A small one may be a packet with others behind it (O_DIRECT, pipe(7)).
fn emptied_by(read: usize) -> bool {
    (libc::PIPE_BUF + 1..READ).contains(&read)
}

impl Plane {
    pub(super) fn list(&mut self, key: usize) {
        if let Some(pipe) = self.pipes.get_mut(key)
            && !pipe.listed
        {
            pipe.listed = true;
            self.ready.push_back(key);
        }
    }

    pub(super) fn read_round(&mut self) {
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop_front() else {
                return;
            };
            if let Some(pipe) = self.pipes.get_mut(key) {
                pipe.listed = false;
                self.read_turn(key);
            }
            if self.paused() {
                return;
            }
        }
    }

    /// Reads a pipe until it is empty or has had its share.
    pub(super) fn read_turn(&mut self, key: usize) {
        let mut share = TURN;
        loop {
            match self.read_once(key, READ) {
                (ReadEnd::Empty, _) => return self.emptied(key),
                (ReadEnd::Closed, _) => return self.close(key),
                (ReadEnd::More, read) if emptied_by(read) && !self.hung_up(key) => {
                    return self.emptied(key);
                }
                (ReadEnd::More, read) => share = share.saturating_sub(read),
            }
            if share == 0 {
                return self.list(key);
            }
        }
    }

    /// Whether the end of a pipe has to be looked for: at its writers' end, and after its process's, when others may hold it.
    fn hung_up(&self, key: usize) -> bool {
        self.pipes.get(key).is_some_and(|pipe| {
            pipe.hung_up || self.processes.get(&pipe.process).is_none_or(|p| p.gone)
        })
    }

    /// Reads once, at most `limit` bytes, and assembles.
    pub(super) fn read_once(&mut self, key: usize, limit: usize) -> (ReadEnd, usize) {
        self.carry_over(key);
        let Some(pipe) = self.pipes.get_mut(key) else {
            return (ReadEnd::Empty, 0);
        };
        match nix::unistd::read(pipe.fd.as_fd(), &mut self.buffer[..limit.min(READ)]) {
            Ok(0) => (ReadEnd::Closed, 0),
            Ok(len) => {
                pipe.large = pipe.large || self.room.grow(pipe.fd.as_fd(), len);
                self.take(key, len);
                (ReadEnd::More, len)
            }
            Err(nix::errno::Errno::EINTR) => (ReadEnd::More, 0),
            // EAGAIN; a pipe has no other error that could pass.
            Err(_) => (ReadEnd::Empty, 0),
        }
    }

    /// Gives the first `len` bytes of the buffer to the assembler of pipe `key`.
    pub(super) fn take(&mut self, key: usize, len: usize) {
        let Some(pipe) = self.pipes.get(key) else {
            return;
        };
        let Some(process) = self.processes.get_mut(&pipe.process) else {
            return;
        };
        if process.slot.is_none() {
            process.slot = Some(self.slots.take());
        }
        self.counts.bytes += len as u64;
        process.written.bytes += len as u64;
        self.gather.took(len);
        let stamp = Stamp {
            wall_us: wall_us(),
            at: Instant::now(),
        };
        self.assemble(key, len, |assembler, bytes, sink| {
            assembler.push(bytes, stamp, sink);
            #[cfg(test)]
            super::tests::broken(bytes);
        });
        self.settle(key);
    }

    /// Lets records leave that no further byte is needed for.
    pub(super) fn release(&mut self, key: usize, how: impl FnOnce(&mut Assembler, &mut dyn Sink)) {
        self.assemble(key, 0, |assembler, _, sink| how(assembler, sink));
        self.settle(key);
    }

    /// Lets the assembler of pipe `key` work, on the first `given` bytes of the buffer, and its records go to the destinations.
    fn assemble(
        &mut self,
        key: usize,
        given: usize,
        work: impl FnOnce(&mut Assembler, &[u8], &mut dyn Sink),
    ) {
        let unknown = self.unknown();
        let Some(pipe) = self.pipes.get_mut(key) else {
            return;
        };
        let Some(process) = self.processes.get_mut(&pipe.process) else {
            return;
        };
        let from = origin(pipe, process, unknown);
        self.in_hand = Some(InHand { key, given });
        let mut way = Way {
            destinations: &mut self.parts.destinations,
            counts: &mut self.counts,
            feed: &mut self.feed,
            written: &mut process.written,
            watch: &mut self.watch,
            from: &from,
        };
        work(&mut pipe.assembler, &self.buffer[..given], &mut way);
        self.in_hand = None;
    }

    /// Brings the pipe's memory and timer up to date.
    pub(super) fn settle(&mut self, key: usize) {
        let Some(pipe) = self.pipes.get_mut(key) else {
            return;
        };
        let held = pipe.assembler.held();
        self.held = self.held + held - pipe.held;
        pipe.held = held;
        pipe.doubtful &= !pipe.assembler.is_empty();
        if let Some(at) = pipe.assembler.deadline()
            && pipe.timer.is_none_or(|timer| at < timer)
        {
            pipe.timer = Some(at);
            self.timers.push(Reverse((at, key)));
        }
        // Half of the memory is the assemblers'. From three quarters of it on long records are cut, at its end any.
        let share = self.parts.max_memory / 2;
        if self.held > share / 4 * 3 {
            self.cut_the_largest(if self.held > share { 1 } else { WORTH_CUTTING });
        }
        if self.parts.destinations.held() > self.parts.max_memory / 2 {
            self.parts.destinations.give_back();
        }
    }

    /// The ceiling of memory: the largest open record leaves as a part.
    fn cut_the_largest(&mut self, at_least: usize) {
        let largest = self.pipes.iter().max_by_key(|(_, pipe)| pipe.held);
        let Some((key, held)) = largest.map(|(key, pipe)| (key, pipe.held)) else {
            return;
        };
        if held < at_least {
            return;
        }
        self.assemble(key, 0, |assembler, _, sink| assembler.cut(sink));
        // By hand, since `settle` would come back here.
        if let Some(pipe) = self.pipes.get_mut(key) {
            pipe.held = pipe.assembler.held();
            self.held = self.held + pipe.held - held;
        }
    }

    /// A fresh read found nothing. After the death of its process that is the end of the stream, whoever else holds the pipe.
    pub(super) fn emptied(&mut self, key: usize) {
        let Some(pipe) = self.pipes.get_mut(key) else {
            return;
        };
        let Some(process) = self.processes.get(&pipe.process) else {
            return;
        };
        if !process.gone {
            return self.settle(key);
        }
        if !std::mem::replace(&mut pipe.outlived, true) {
            let (pid, inode) = (process.pid, inode(&pipe.fd));
            self.parts.reports.send(Report::Outlived { pid, inode });
        }
        self.release(key, |assembler, sink| assembler.end(sink));
    }

    /// Deadlines act only after a fresh read found nothing: after a stalled write every one is overdue while the pipes are full.
    pub(super) fn look_at_silence(&mut self) {
        let now = Instant::now();
        let mut due = Vec::new();
        while let Some(Reverse((at, key))) = self
            .timers
            .peek()
            .copied()
            .filter(|Reverse((at, _))| *at <= now)
        {
            self.timers.pop();
            if let Some(pipe) = self
                .pipes
                .get_mut(key)
                .filter(|pipe| pipe.timer == Some(at))
            {
                pipe.timer = None;
                due.push(key);
            }
        }
        for key in due {
            let overdue = |pipe: &Pipe| pipe.assembler.deadline().is_some_and(|at| at <= now);
            match self.pipes.get(key) {
                // It will be read first, and settled then.
                Some(pipe) if pipe.listed => {}
                Some(pipe) if overdue(pipe) && pipe.ended => {
                    self.release(key, |assembler, sink| assembler.silent(now, sink));
                    self.close(key);
                }
                Some(pipe) if overdue(pipe) => match self.read_once(key, READ) {
                    (ReadEnd::Empty, _) => {
                        self.release(key, |assembler, sink| assembler.silent(now, sink));
                    }
                    (ReadEnd::Closed, _) => self.close(key),
                    (ReadEnd::More, _) => self.list(key),
                },
                Some(_) => self.settle(key),
                None => {}
            }
        }
    }

    /// The end of a pipe. While its process lives, what is held waits: an exec may have closed it, and the half line goes on in
    /// the next pipe.
    pub(super) fn close(&mut self, key: usize) {
        if let Some(new) = self.pipes.get(key).and_then(|pipe| pipe.after) {
            self.carry_over(new);
            // Its own end is still to be dealt with, and the kernel tells of it once.
            return self.list(key);
        }
        if self.goes_on(key) {
            return self.settle(key);
        }
        self.release(key, |assembler, sink| assembler.end(sink));
        let Some(pipe) = self.pipes.try_remove(key) else {
            return;
        };
        self.held -= pipe.held;
        if pipe.large {
            self.room.give();
        }
        let _ = self
            .parts
            .poll
            .registry()
            .deregister(&mut SourceFd(&pipe.fd.as_fd().as_raw_fd()));
        if let Some(process) = self.processes.get_mut(&pipe.process) {
            process.open -= 1;
            process.current.retain(|(_, current)| *current != key);
        }
        self.forget_if_over(pipe.process);
        drop(pipe);
        if self.parts.wanted.load(Ordering::SeqCst) {
            self.parts.reports.send(Report::Freed);
        }
    }

    /// Whether the stream of a pipe that is at its end may go on, and if so, keeps it.
    fn goes_on(&mut self, key: usize) -> bool {
        let Some(pipe) = self.pipes.get_mut(key) else {
            return false;
        };
        let lives = self
            .processes
            .get(&pipe.process)
            .is_some_and(|p| p.tracked && !p.gone);
        let current = self
            .processes
            .get(&pipe.process)
            .is_some_and(|p| p.current.iter().any(|(_, c)| *c == key));
        if !lives || !current || pipe.assembler.is_empty() {
            return false;
        }
        if !std::mem::replace(&mut pipe.ended, true) {
            let _ = self
                .parts
                .poll
                .registry()
                .deregister(&mut SourceFd(&pipe.fd.as_fd().as_raw_fd()));
        }
        true
    }

    /// A process that is gone and whose pipes are at their end frees its slot and its files.
    pub(super) fn forget_if_over(&mut self, id: ProcessId) {
        let over = |p: &super::Process| p.open == 0 && (p.gone || !p.tracked);
        if !self.processes.get(&id).is_some_and(over) {
            return;
        }
        if let Some(process) = self.processes.remove(&id) {
            if !process.tracked {
                self.parts.reports.send(Report::Silent(id));
            }
            self.parts
                .destinations
                .process_ended(process.pid, process.slot);
            let Some(slot) = process.slot else { return };
            self.slots.give(slot);
            if let Some(main) = self.next_mains.remove(&slot) {
                self.main(main, slot);
            }
        }
    }
}

/// Where records go.
struct Way<'a> {
    destinations: &'a mut Destinations,
    counts: &'a mut Counts,
    feed: &'a mut Feed,
    written: &'a mut Written,
    watch: &'a mut Watch,
    from: &'a Origin,
}

impl Way<'_> {
    /// The first records of the main process may say which server it is.
    fn watches(&self) -> bool {
        self.from.slot == 0 && !self.watch.is_over()
    }
}

/// Counts records and hands them over.
impl Sink for Way<'_> {
    fn record(&mut self, record: &Record<'_>) {
        if self.watches() {
            self.watch.record(record.bytes);
        }
        let whole = record.part.is_none_or(|p| p.last);
        self.counts.records += u64::from(whole);
        self.counts.parts += u64::from(record.part.is_some());
        self.written.records += u64::from(whole);
        self.written.last_us = record.wall_us;
        self.counts.faults += self.destinations.write(self.from, record);
        // Of its own: a fault in here must not have the record written twice.
        let _ = catch_unwind(AssertUnwindSafe(|| self.feed.take(self.from, record)));
    }

    fn lines(&mut self, bytes: &[u8], count: usize, wall_us: u64) -> bool {
        self.counts.faults += self.destinations.write_lines(self.from, bytes, wall_us);
        if self.watches() {
            lines(bytes).for_each(|line| self.watch.record(line));
        }
        self.counts.records += count as u64;
        self.written.records += count as u64;
        self.written.last_us = wall_us;
        let _ = catch_unwind(AssertUnwindSafe(|| {
            self.feed.take_lines(self.from, bytes, count, wall_us);
        }));
        true
    }
}
