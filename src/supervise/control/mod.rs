//! The control loop: signals, child exits, deadlines, registrations. It touches no destination and waits for nothing but
//! events, since a fork waits for its datagram to be taken.

mod admission;
mod sharing;

use crate::capture::gate::{Counted, Gate};
use crate::output::FdBudget;
use crate::plane::{Arrived, Level, Links, Lost, Order, ProcessId, Report};
use crate::supervise::family::{End, Family};
use crate::supervise::machine::{Action, Event, Machine, Policy};
use crate::supervise::registry::{Member, Registry, inode, raw};
use crate::supervise::signals::{Pending, Signals, name};
use crate::supervise::tree;
use crate::sys::signals::send;
use crate::sys::wait::{Exit, reap};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::signal::Signal;
use sharing::list;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The waker's token.
pub const WAKE: Token = Token(0);
const SIGNALS: Token = Token(1);
const GATE: Token = Token(2);
/// How many events one look takes.
const EVENTS: usize = 256;
/// The first token of a process's pidfd.
const PROCESSES: usize = 16;

/// What the control plane is made from.
#[derive(Debug)]
pub struct Parts {
    /// Its poll; the waker is registered with it already.
    pub poll: Poll,
    /// Where processes register; `None`: nothing is captured by pipes.
    pub gate: Option<Gate>,
    /// Between the planes.
    pub links: Links,
    /// Counts descriptors.
    pub budget: Arc<FdBudget>,
    /// Children that are not the server's.
    pub others: Vec<i32>,
    /// What the state machine needs to know.
    pub policy: Policy,
}

/// The main process, just started.
#[derive(Debug)]
pub struct Started {
    /// Its PID.
    pub pid: i32,
    /// Readable when it has ended.
    pub pidfd: Option<OwnedFd>,
    /// The read ends of its first pipes, with the streams' numbers.
    pub pipes: Vec<(u8, OwnedFd)>,
    /// Nothing can be preloaded into it, so that its children write to the same pipes.
    pub shared: bool,
}

/// The control plane.
#[derive(Debug)]
pub struct Control {
    parts: Parts,
    signals: Signals,
    machine: Machine,
    family: Family,
    registry: Registry,
    /// Nothing was left to read when last heard.
    quiet: bool,
    /// The server is gone; reading goes on.
    draining: bool,
    /// Watched processes that have ended and are not told of yet.
    ended: Vec<usize>,
    /// The next turn comes at once.
    again: bool,
    /// What could not be written, once the data plane has told.
    lost: Option<Lost>,
    shortage: admission::Shortage,
    sharing: sharing::Sharing,
    end: Option<i32>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The exit status.
    pub status: i32,
    /// What could not be written; `None`: the data plane hangs on a destination and has not told.
    pub lost: Option<Lost>,
}

impl Control {
    /// Takes over `server`. `signals` has caught everything since before it was started.
    pub fn new(parts: Parts, mut signals: Signals, server: Started) -> io::Result<Self> {
        parts
            .poll
            .registry()
            .register(signals.source(), SIGNALS, Interest::READABLE)?;
        if let Some(gate) = &parts.gate {
            parts.poll.registry().register(
                &mut SourceFd(&gate.raw_fd()),
                GATE,
                Interest::READABLE,
            )?;
        }
        let mut control = Self {
            machine: Machine::new(parts.policy),
            parts,
            signals,
            family: Family::new(server.pid),
            registry: Registry::default(),
            quiet: false,
            draining: false,
            ended: Vec::new(),
            again: false,
            lost: None,
            shortage: admission::Shortage::default(),
            sharing: sharing::Sharing::default(),
            end: None,
        };
        control.adopt(server);
        Ok(control)
    }

    /// Works until the end.
    pub fn run(mut self) -> io::Result<Ended> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let next = [self.machine.deadline(), self.sharing.deadline()]
                .into_iter()
                .flatten()
                .min();
            let wait = if std::mem::take(&mut self.again) {
                Some(Duration::ZERO)
            } else {
                next.map(|at| at.saturating_duration_since(Instant::now()))
            };
            match self.parts.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.turn(&events);
            if let Some(status) = self.end {
                return Ok(Ended {
                    status,
                    lost: self.lost,
                });
            }
        }
    }

    fn turn(&mut self, events: &Events) {
        self.note(events);
        // What a process sent before it ended is queued by now; taken first, it is known who ended.
        self.admit();
        for key in std::mem::take(&mut self.ended) {
            self.retire(key);
        }
        let Pending { caught, child } = self.signals.take();
        for signal in caught {
            self.happened(Event::Signal(signal));
            // Before its processes leave, or on request: who writes to another's pipe?
            if matches!(
                signal.signal,
                libc::SIGTERM | libc::SIGINT | libc::SIGQUIT | libc::SIGUSR1
            ) {
                self.sharing.look_at_all_soon(Instant::now());
            }
        }
        if child {
            self.reap();
        }
        while let Some(report) = self.parts.links.reports.take() {
            self.reported(report);
        }
        // What this turn closed may have made room.
        if self.parts.gate.as_ref().is_some_and(|gate| !gate.is_open()) {
            self.admit();
        }
        self.look_for_strangers();
        self.happened(Event::Tick);
    }

    /// Notes which processes have ended.
    fn note(&mut self, events: &Events) {
        for key in events
            .iter()
            .filter_map(|event| event.token().0.checked_sub(PROCESSES))
        {
            // A pidfd tells of the end and of the reaping; the key may be another's by then.
            if !self.ended.contains(&key) {
                self.ended.push(key);
            }
        }
    }

    /// Notes it afresh. What else has come meanwhile is looked at in the next turn, which comes at once.
    fn note_ended(&mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let polled = self.parts.poll.poll(&mut events, Some(Duration::ZERO));
            self.again |= !events.is_empty();
            self.note(&events);
            if polled.is_err() || events.iter().count() < EVENTS {
                return;
            }
        }
    }

    fn happened(&mut self, event: Event) {
        for action in self.machine.on(event, Instant::now()) {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Forward(signal) => self.forward(signal),
            Action::Reopen => self.parts.links.orders.send(Order::Reopen),
            Action::StopSelf(signal) => crate::sys::signals::stop_self(signal),
            Action::KillAll => self.kill_all(),
            Action::TermLeftovers => self.term_leftovers(),
            Action::TellLeftovers => {
                self.tell_leftovers(
                    &tree::descendants(&self.parts.others),
                    "they are left alone",
                );
            }
            Action::TellKill => self.say(
                Level::Warning,
                "the server has not ended by --stop-timeout: it is killed".into(),
            ),
            Action::Drain => {
                self.draining = true;
                self.parts.links.orders.send(Order::Drain);
            }
            Action::Count => self.look_whether_quiet(),
            Action::Finish(until) => self.parts.links.orders.send(Order::Finish(until)),
            Action::Exit(status) => self.end = Some(status),
        }
    }

    fn say(&mut self, level: Level, text: String) {
        self.parts.links.say(level, text);
    }

    fn forward(&mut self, signal: i32) {
        self.family.forwarded(signal);
        // By number: nix knows no real-time signals. The process is not reaped yet, so its PID is still its own.
        send(self.family.main(), signal);
    }

    // Processes

    /// The main process has its pipes from this program, not from a datagram.
    fn adopt(&mut self, server: Started) {
        let budget = Arc::clone(&self.parts.budget);
        let counted = |fd| Counted::new(fd, &budget);
        let pipes = server
            .pipes
            .into_iter()
            .map(|(number, fd)| (number, counted(fd)))
            .collect();
        let key = self.enter(server.pid, server.pidfd.map(counted));
        self.arrived(key, pipes, None, true, server.shared);
    }

    fn enter(&mut self, pid: i32, pidfd: Option<Counted>) -> usize {
        let key = self.registry.add(pid, pidfd);
        if let Some(pidfd) = self.registry.get(key).and_then(|m| m.pidfd.as_ref()) {
            let _ = self.parts.poll.registry().register(
                &mut SourceFd(&raw(pidfd)),
                Token(PROCESSES + key),
                Interest::READABLE,
            );
        }
        key
    }

    fn arrived(
        &mut self,
        key: usize,
        pipes: Vec<(u8, Counted)>,
        parent: Option<ProcessId>,
        main: bool,
        shared: bool,
    ) {
        let Some(member) = self.registry.get(key) else {
            return;
        };
        member.inodes = pipes.iter().map(|(_, fd)| inode(fd)).collect();
        let (id, pid, tracked) = (member.id, member.pid, member.pidfd.is_some());
        self.parts.links.orders.send(Order::Arrived(Arrived {
            id,
            pid,
            parent,
            pipes,
            main,
            tracked,
            shared,
        }));
    }

    /// A watched process has ended.
    fn retire(&mut self, key: usize) {
        let Some(member) = self.registry.remove(key) else {
            return;
        };
        if let Some(pidfd) = &member.pidfd {
            let _ = self
                .parts
                .poll
                .registry()
                .deregister(&mut SourceFd(&raw(pidfd)));
        }
        // The main process's end is taken with its status.
        if member.pid != self.family.main() {
            self.family.ended(member.pid);
        }
        self.parts.links.orders.send(Order::Gone(member.id));
    }

    /// Reaps until nothing is ready: the main process, its orphans, everything that came to this program as their last ancestor.
    fn reap(&mut self) {
        while let Some((pid, exit)) = reap() {
            self.reaped(pid, exit);
        }
        self.look_whether_quiet();
    }

    fn reaped(&mut self, pid: i32, exit: Exit) {
        if let Some(key) = self
            .registry
            .find(pid)
            .filter(|key| !self.registry.is_watched(*key))
        {
            self.retire(key);
        }
        match self.family.ended(pid) {
            End::Followed(heir) => self.followed(pid, heir),
            End::Server => {
                self.say(
                    Level::Info,
                    format!("the server (process {pid}) has ended: {}", describe(exit)),
                );
                self.happened(Event::Gone(exit));
            }
            End::Other => {}
        }
    }

    fn followed(&mut self, old: i32, heir: i32) {
        self.say(
            Level::Warning,
            format!("process {heir} follows {old} as the server's main process"),
        );
        if let Some(id) = self
            .registry
            .find(heir)
            .and_then(|key| self.registry.get(key))
            .map(|m| m.id)
        {
            self.parts.links.orders.send(Order::Main(id));
        }
        self.happened(Event::Followed);
    }

    // The end

    fn kill_all(&mut self) {
        // Those that are known first: without /proc no others can be found.
        if !self.draining {
            send(self.family.main(), libc::SIGKILL);
        }
        for member in self.registry.iter() {
            send(member.pid, libc::SIGKILL);
        }
        tree::kill_all(&self.parts.others);
    }

    fn reported(&mut self, report: Report) {
        match report {
            Report::Quiet { orders } => {
                let all_taken = self.admit();
                self.quiet = all_taken && self.parts.links.orders.sent() == orders;
                self.look_whether_quiet();
            }
            Report::Outlived { pid, inode } => self.sharing.suspect(inode, pid, Instant::now()),
            Report::Freed => {
                self.admit();
            }
            Report::Written(lost) => {
                self.lost = Some(lost);
                self.happened(Event::Written);
            }
        }
    }

    fn look_whether_quiet(&mut self) {
        if self.draining {
            let descendants = tree::descendants(&self.parts.others).len();
            self.happened(if self.quiet {
                Event::Quiet { descendants }
            } else {
                Event::Living { descendants }
            });
        }
    }

    fn term_leftovers(&mut self) {
        let left = tree::descendants(&self.parts.others);
        if !left.is_empty() {
            self.tell_leftovers(&left, "they are stopped");
            tree::signal_all(&left, Signal::SIGTERM);
            // A stopped process takes TERM when it goes on.
            tree::signal_all(&left, Signal::SIGCONT);
        }
    }

    fn tell_leftovers(&mut self, left: &[tree::Process], fate: &str) {
        if !left.is_empty() {
            let list = list(left.iter().map(|p| (p.pid, p.name.as_str())));
            self.say(
                Level::Warning,
                format!("processes outlived the server: {list}; {fate}"),
            );
        }
    }
}

fn describe(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit status {code}"),
        Exit::Signal(signal) => format!("killed by {}", name(signal)),
    }
}
