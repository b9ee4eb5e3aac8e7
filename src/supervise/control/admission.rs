//! Registrations: who is let in, and what is done when there is no room.

use super::processes::Newcomer;
use super::{Control, GATE};
use crate::capture::gate::{Arrival, Gate, Look};
use crate::capture::wire;
use crate::plane::Level;
use crate::supervise::tree;
use mio::Interest;
use mio::unix::SourceFd;
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Free descriptors that must be there before a closed gate opens again: room for some forks, or it would flap.
const REOPEN_AT: usize = 2 * wire::MAX_FDS;

/// How often it is told that descriptors ran out.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What is remembered of a gate that had to close.
#[derive(Debug, Default)]
pub(super) struct Shortage {
    /// Processes may have been forked unknown since the last search: records of all pipes are marked as shared.
    pub(super) unknown: bool,
    told: Option<Instant>,
}

impl Control {
    /// Takes all datagrams that are there. False: there may be more, and no descriptors to take them.
    pub(super) fn admit(&mut self) -> bool {
        let (arrivals, all_taken) = self.take_arrivals();
        let mut waiting: VecDeque<Arrival> = arrivals.into();
        while let Some(arrival) = waiting.pop_front() {
            // Before each: the one before may have ended too, and this may be its replacement.
            self.note_ended();
            self.retire_before(&arrival, &waiting);
            self.registered(arrival);
        }
        if all_taken {
            self.reopen_gate();
        } else {
            self.close_gate();
        }
        all_taken
    }

    fn take_arrivals(&mut self) -> (Vec<Arrival>, bool) {
        let mut arrivals = Vec::new();
        loop {
            let Some(gate) = &mut self.parts.gate else {
                return (arrivals, true);
            };
            match gate.look() {
                Ok(Look::Arrival(arrival)) => arrivals.push(arrival),
                Ok(Look::Refused(pid)) => self.say(
                    Level::Warning,
                    format!("refused a registration by process {pid}"),
                ),
                Ok(Look::Empty) => return (arrivals, true),
                Ok(Look::Full) => return (arrivals, false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.say(
                        Level::Error,
                        format!("cannot take a registration: {}", crate::cause(&error)),
                    );
                    return (arrivals, true);
                }
            }
        }
    }

    /// A process that ended before `arrival` was forked is told of before it, so that its last words stand before the first
    /// of its replacement. Not so one that executed a program and whose datagram still waits.
    fn retire_before(&mut self, arrival: &Arrival, waiting: &VecDeque<Arrival>) {
        let still_to_come =
            |pid: i32| arrival.pid == pid || waiting.iter().any(|other| other.pid == pid);
        let mut ended = std::mem::take(&mut self.ended);
        ended.retain(|key| {
            let stays = self
                .registry
                .get(*key)
                .is_some_and(|member| still_to_come(member.pid));
            if !stays {
                self.retire(*key);
            }
            stays
        });
        self.ended = ended;
    }

    fn registered(&mut self, arrival: Arrival) {
        let Arrival {
            hello,
            pid,
            streams,
            pidfd,
        } = arrival;
        // It has the token, and its pipes are its only output by now: it is told of, and read.
        if tree::is_descendant(pid) == Some(false) {
            self.say(
                Level::Warning,
                format!("process {pid} registered and does not descend from the server"),
            );
        }
        let executed = hello.event == wire::Event::Exec;
        let known = self
            .registry
            .find(pid)
            .filter(|key| executed && self.registry.is_same(*key, pidfd.as_ref()));
        let parent = match known {
            Some(_) => None,
            None => self
                .registry
                .find(hello.parent)
                .and_then(|key| self.registry.get(key))
                .map(|m| m.id),
        };
        let key = known.unwrap_or_else(|| {
            if let Some(old) = self.registry.find(pid) {
                self.retire(old);
            }
            let instance = self.owner(hello.parent, &tree::process);
            let instance = instance.or_else(|| self.owner(pid, &tree::process));
            self.enter(pid, pidfd, instance)
        });
        if let Some(member) = self.registry.get(key) {
            member.executed |= executed;
        }
        let same = || same_executable(pid, hello.parent);
        let mut instances = self.instances.iter_mut();
        if executed && instances.any(|instance| instance.executed(pid, hello.parent, same)) {
            self.say(
                Level::Info,
                format!(
                    "process {pid} will follow the main process {}",
                    hello.parent
                ),
            );
        }
        self.arrived(Newcomer {
            key,
            pipes: streams,
            parent,
            main: None,
        });
    }

    /// No descriptors are left for more processes: they are turned away at once.
    fn close_gate(&mut self) {
        self.parts.links.wanted.store(true, Ordering::SeqCst);
        let Some(gate) = self.parts.gate.as_mut().filter(|gate| gate.is_open()) else {
            return;
        };
        self.parts.links.shortages.fetch_add(1, Ordering::SeqCst);
        if let Err(error) = gate.close() {
            self.say(
                Level::Error,
                format!(
                    "cannot shut the registration socket: {}",
                    crate::cause(&error)
                ),
            );
        }
        self.shortage.unknown = true;
        self.tell_shortage();
        // Descriptors that came free before `wanted` was set were not reported.
        if self.parts.budget.left() >= REOPEN_AT {
            self.admit();
        }
    }

    fn tell_shortage(&mut self) {
        let now = Instant::now();
        if self
            .shortage
            .told
            .is_none_or(|told| now.duration_since(told) >= TELL_EVERY)
        {
            self.shortage.told = Some(now);
            let text = "out of descriptors: processes forked from now on share their parent's pipe, until some are free again; \
                        raise the limit (ulimit -n)";
            self.say(Level::Warning, text.into());
        }
    }

    /// The socket is empty. Where it was closed, and there is room again, processes are let in again.
    fn reopen_gate(&mut self) {
        let enough = self.parts.budget.left() >= REOPEN_AT;
        if let Some(gate) = self
            .parts
            .gate
            .as_mut()
            .filter(|gate| !gate.is_open() && enough)
        {
            self.parts.links.wanted.store(false, Ordering::SeqCst);
            let registry = self.parts.poll.registry();
            let _ = registry.deregister(&mut SourceFd(&gate.raw_fd()));
            let reopened = gate.reopen();
            let registered =
                registry.register(&mut SourceFd(&gate.raw_fd()), GATE, Interest::READABLE);
            if let Err(error) = reopened.and(registered) {
                self.say(
                    Level::Error,
                    format!(
                        "cannot open the registration socket again: {}",
                        crate::cause(&error)
                    ),
                );
            }
        }
        self.search_after_shortage();
    }

    /// Finds the processes that were forked while the gate was closed; then only their pipes count as shared.
    fn search_after_shortage(&mut self) {
        if self.shortage.unknown && self.parts.gate.as_ref().is_some_and(Gate::is_open) {
            self.shortage.unknown = false;
            self.sharing.look_at_all_soon(Instant::now());
        }
    }
}

fn same_executable(one: i32, other: i32) -> bool {
    let executable =
        |pid: i32| -> Option<PathBuf> { std::fs::read_link(format!("/proc/{pid}/exe")).ok() };
    executable(one).is_some_and(|path| executable(other) == Some(path))
}
