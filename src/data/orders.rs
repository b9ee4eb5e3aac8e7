//! What control says: processes that come and go.

use super::pipe::{Pipe, Process};
use super::reading::ReadEnd;
use super::{FORK_COUNTS_AS, PIPES, Plane};
use crate::capture::gate::Counted;
use crate::plane::{Arrived, Level, Order, ProcessId, Report, Written};
use crate::record::Assembler;
use crate::supervise::registry::inode;
use crate::sys::fd::unread;
use mio::unix::SourceFd;
use mio::{Events, Interest, Token};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Plane {
    pub(super) fn carry_out_orders(&mut self, events: &mut Events) {
        while let Some(order) = self.parts.orders.take() {
            self.orders += 1;
            match order {
                Order::Arrived(arrived) => {
                    // What was written before this process registered is listed before it, and so read before it: a worker's
                    // last words stand before its replacement's first.
                    self.poll(events, Some(Duration::ZERO));
                    self.arrived(arrived);
                }
                Order::Gone(id) => self.gone(id),
                Order::Main(id, slot) => self.main(id, slot),
                Order::Shared { pipes, others } => self.shared(&pipes, others),
                Order::Say(level, text) => {
                    self.parts.messages.leave();
                    self.say(level, &text);
                }
                Order::Known(shortages) => self.soon_known = Some(shortages),
                Order::Tally => {
                    let tallies = Box::new(self.tallies());
                    self.parts.reports.send(Report::Tallies(tallies));
                }
                Order::Listen(listen) => {
                    let answer = self.feed.ask(listen);
                    self.parts.reports.send(answer.into());
                }
                Order::Reopen => self.parts.destinations.reopen(Instant::now()),
                Order::Rotate => self.parts.destinations.rotate(Instant::now()),
                Order::Drain => self.quiet = Some(0),
                Order::Finish(until) => self.finish = Some(until),
            }
        }
    }

    pub(super) fn arrived(&mut self, arrived: Arrived) {
        let Arrived {
            id,
            pid,
            parent,
            pipes,
            main,
            tracked,
            shared,
        } = arrived;
        let counts = &mut self.counts;
        self.processes.entry(id).or_insert_with(|| {
            counts.processes += 1;
            Process {
                pid,
                slot: main,
                open: 0,
                gone: false,
                tracked,
                current: Vec::new(),
                since: Instant::now(),
                written: Written::default(),
            }
        });
        for (number, fd) in pipes {
            self.open(id, number, fd, shared);
        }
        if let Some(parent) = parent {
            self.forked(parent);
        }
    }

    /// A process that forks has written its line: a short wait for more of it is over, so that the line stands before
    /// those of the child. A longer wait, for a traceback, goes on.
    pub(super) fn forked(&mut self, parent: ProcessId) {
        if self.paused() {
            return;
        }
        let current = self
            .processes
            .get(&parent)
            .map(|p| p.current.clone())
            .unwrap_or_default();
        for (_, key) in current {
            self.read_what_is_there(key);
            let soon = Instant::now() + FORK_COUNTS_AS;
            if self
                .pipes
                .get(key)
                .is_some_and(|p| p.assembler.deadline().is_some_and(|at| at <= soon))
            {
                self.release(key, |assembler, sink| assembler.silent(soon, sink));
            }
        }
    }

    /// Takes a pipe into the loop. Where the process had one for this stream, it executed another program, and what it wrote
    /// before comes first: see [`Plane::carry_over`].
    pub(super) fn open(&mut self, id: ProcessId, number: u8, fd: Counted, shared: bool) {
        let current = self.processes.get(&id).map_or(&[][..], |p| &p.current);
        let old = current
            .iter()
            .find(|(n, _)| *n == number)
            .map(|(_, key)| *key);
        self.sources += 1;
        let new = self.enter(Pipe {
            fd,
            process: id,
            number,
            assembler: Assembler::new(Arc::clone(&self.parts.rules)),
            source: self.sources,
            shared,
            outlived: false,
            before: old,
            after: None,
            ended: false,
            hung_up: false,
            large: false,
            doubtful: false,
            listed: false,
            timer: None,
            held: 0,
        });
        if let Some(old) = old.and_then(|old| self.pipes.get_mut(old)) {
            old.after = Some(new);
        }
    }

    /// Before the first byte of a pipe that the process got at an exec: its earlier pipe is read to the end of what is there, and
    /// the half line goes on in the new one. Not sooner, since reading may have to pause for a destination.
    pub(super) fn carry_over(&mut self, new: usize) {
        let Some(old) = self.pipes.get_mut(new).and_then(|pipe| pipe.before.take()) else {
            return;
        };
        self.read_what_is_there(old);
        if let Some((before, after)) = self.pipes.get2_mut(old, new) {
            before.after = None;
            std::mem::swap(&mut after.assembler, &mut before.assembler);
            std::mem::swap(&mut after.source, &mut before.source);
            std::mem::swap(&mut after.held, &mut before.held);
            // Whoever writes there from now on is another process: the exec was not over before this one had the new pipe.
            before.shared = true;
        }
        self.settle(new);
        if self.pipes.get(old).is_some_and(|pipe| pipe.ended) {
            self.close(old);
        }
    }

    fn enter(&mut self, pipe: Pipe) -> usize {
        let (id, number, raw) = (pipe.process, pipe.number, pipe.fd.as_fd().as_raw_fd());
        // The read end's description is this program's alone, so the flag leaks to nobody.
        let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
        let _ = nix::fcntl::fcntl(pipe.fd.as_fd(), flags);
        let key = self.pipes.insert(pipe);
        let token = Token(PIPES + key);
        if let Err(error) =
            self.parts
                .poll
                .registry()
                .register(&mut SourceFd(&raw), token, Interest::READABLE)
        {
            self.say(
                Level::Error,
                &format!("cannot watch a pipe: {}", crate::cause(&error)),
            );
        }
        if let Some(process) = self.processes.get_mut(&id) {
            process.open += 1;
            process.current.retain(|(n, _)| *n != number);
            process.current.push((number, key));
        }
        self.list(key);
        key
    }

    /// Reads what a pipe holds now, and no more: a child that writes on could keep this going for ever.
    pub(super) fn read_what_is_there(&mut self, key: usize) {
        let Some(pipe) = self.pipes.get(key) else {
            return;
        };
        let mut left = unread(pipe.fd.as_fd()).unwrap_or(0);
        while left > 0 {
            match self.read_once(key, left) {
                (ReadEnd::More, read) => left -= read.min(left),
                _ => return,
            }
        }
    }

    pub(super) fn gone(&mut self, id: ProcessId) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.gone = true;
        }
        let keys: Vec<usize> = self
            .pipes
            .iter()
            .filter(|(_, p)| p.process == id)
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            self.list(key);
        }
        self.forget_if_over(id);
    }

    /// A process became a main one: its slot is its own as soon as the one before has freed it.
    pub(super) fn main(&mut self, id: ProcessId, slot: u32) {
        if self.processes.values().any(|p| p.slot == Some(slot)) {
            self.next_mains.insert(slot, id);
        } else if let Some(process) = self.processes.get_mut(&id) {
            let before = process.slot.replace(slot);
            self.parts.destinations.process_ended(process.pid, before);
            self.slots.give(before.unwrap_or(slot));
        }
    }

    /// Who was turned away is marked by now, but what one wrote who has ended since lies in its parent's pipe: that is read
    /// first, and a record that is open keeps the doubt.
    pub(super) fn get_to_know(&mut self) {
        let Some(shortages) = self.soon_known else {
            return;
        };
        let keys: Vec<usize> = self.pipes.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.read_what_is_there(key);
        }
        if self.paused() {
            return;
        }
        self.soon_known = None;
        // Without a shortage since the last look nobody was turned away, and an open record is its process's own.
        if std::mem::replace(&mut self.known, shortages) == shortages {
            return;
        }
        for (_, pipe) in &mut self.pipes {
            pipe.doubtful = !pipe.assembler.is_empty();
        }
    }

    pub(super) fn shared(&mut self, inodes: &[u64], others: usize) {
        self.counts.shared += others as u64;
        for (_, pipe) in &mut self.pipes {
            pipe.shared |= inodes.contains(&inode(&pipe.fd));
        }
    }
}
