//! Registrations: who is let in, and what is done when there is no room.

use super::processes::Newcomer;
use super::{Control, GATE};
use crate::capture::gate::{Arrival, Counted, Gate, Look};
use crate::capture::wire;
use crate::plane::Level;
use crate::supervise::tree;
use crate::sys::fd::pidfd_open;
use mio::Interest;
use mio::unix::SourceFd;
use std::collections::VecDeque;
use std::io;
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
    /// The gate could not be opened again when that was tried last.
    stuck: bool,
}

/// How many datagrams are taken before signals and deadlines have their turn: anybody on this machine may send some.
const AT_A_TIME: usize = 256;

/// How a look at the socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gathered {
    /// Nothing is left there.
    All,
    /// There may be more, and no descriptors to take them.
    Full,
    /// There may be more, for the next turn.
    Some,
}

/// How many refused datagrams are told of in each [`TELL_EVERY`]: whoever sends more must not fill the log.
const REFUSALS: u32 = 30;

/// Datagrams that were none of ours.
#[derive(Debug, Default)]
pub(super) struct Refused {
    since: Option<Instant>,
    told: u32,
    untold: u64,
}

impl Refused {
    /// One more, by `pid`; what is to be told of it.
    fn add(&mut self, pid: i32, now: Instant) -> Option<String> {
        if self.since.is_none_or(|since| now - since >= TELL_EVERY) {
            self.since = Some(now);
            self.told = 0;
        }
        if self.told == REFUSALS {
            self.untold += 1;
            return None;
        }
        self.told += 1;
        Some(match std::mem::take(&mut self.untold) {
            0 => format!("refused a registration by process {pid}"),
            more => format!("refused a registration by process {pid}, and {more} before it"),
        })
    }
}

impl Control {
    /// Takes the datagrams that are there. Whether it has taken all.
    pub(super) fn admit(&mut self) -> bool {
        let mut waiting = VecDeque::new();
        let mut gathered = self.gather_arrivals(&mut waiting);
        while let Some(arrival) = waiting.pop_front() {
            // Before each: the one before may have ended too, and this may be its replacement.
            self.note_ended();
            if !self.ended.is_empty() && gathered == Gathered::All {
                // Whose end shows has sent its datagrams before.
                gathered = self.gather_arrivals(&mut waiting);
            }
            self.retire_before(&arrival, &waiting);
            self.registered(arrival);
        }
        match gathered {
            Gathered::All => self.reopen_gate(),
            Gathered::Full => self.close_gate(),
            Gathered::Some => self.again = true,
        }
        gathered == Gathered::All
    }

    fn gather_arrivals(&mut self, arrivals: &mut VecDeque<Arrival>) -> Gathered {
        for _ in 0..AT_A_TIME {
            let Some(gate) = &mut self.parts.gate else {
                return Gathered::All;
            };
            match gate.look() {
                Ok(Look::Arrival(arrival)) => arrivals.push_back(arrival),
                Ok(Look::Refused(pid)) => {
                    if let Some(text) = self.refused.add(pid, Instant::now()) {
                        self.say(Level::Warning, text);
                    }
                }
                Ok(Look::Empty) => return Gathered::All,
                Ok(Look::Full) => return Gathered::Full,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.say(
                        Level::Error,
                        format!("cannot take a registration: {}", crate::cause(&error)),
                    );
                    return Gathered::All;
                }
            }
        }
        Gathered::Some
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
        let pidfd = pidfd.or_else(|| self.watch_descendant(pid));
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
        let same = || tree::same_program(pid, hello.parent);
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

    /// A pidfd for a process that could not send its own: it had no descriptor left, or a filter of system calls. `None` where
    /// the kernel has none, or it has ended.
    fn watch_descendant(&self, pid: i32) -> Option<Counted> {
        let budget = &self.parts.budget;
        if !budget.try_take(1) {
            return None;
        }
        let Ok(pidfd) = pidfd_open(pid) else {
            budget.give(1);
            return None;
        };
        let pidfd = Counted::new(pidfd, budget);
        // Asked afterwards: a descendant is the sender, or has its PID.
        (tree::is_descendant(pid) == Some(true)).then_some(pidfd)
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
            match reopened.and(registered) {
                Ok(()) => self.shortage.stuck = false,
                Err(error) if !std::mem::replace(&mut self.shortage.stuck, true) => self.say(
                    Level::Error,
                    format!(
                        "cannot open the registration socket again: {}; it is tried again, and until then no further process is captured",
                        crate::cause(&error)
                    ),
                ),
                Err(_) => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_counted() {
        let mut refused = Refused::default();
        let now = Instant::now();
        let told = (0..1000).filter_map(|_| refused.add(7, now)).count();
        assert_eq!(told, REFUSALS as usize);
        let later = refused.add(8, now + TELL_EVERY).unwrap();
        assert_eq!(
            later,
            "refused a registration by process 8, and 970 before it"
        );
        assert!(!refused.add(8, now + TELL_EVERY).unwrap().contains("before"));
    }
}
