//! The control loop: signals, child exits, deadlines, registrations. It touches no destination and waits for nothing but
//! events, since a fork waits for its datagram to be taken.

mod admission;
mod clients;
mod end;
mod instances;
mod leftovers;
mod outcomes;
mod paced;
mod processes;
mod rollout;
mod seeking;
mod sharing;
mod status;
mod tasks;

use super::launch::{Launch, Started};
use super::machine::{self, Machine};
use super::pid_file::PidFile;
use super::restart::{self, Series};
use super::rolling;
use super::signal_map::SignalMap;
use crate::capture::gate::Gate;
use crate::output::FdBudget;
use crate::plane::{Level, Links, Lost, Outbox, Report};
use crate::supervise::ending::{self, Ending, Finished};
use crate::supervise::registry::Registry;
use crate::supervise::remote::{self, Remote, Socket};
use crate::supervise::signals::{Pending, Signals};
use instances::Instance;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use seeking::Seeking;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The waker's token.
pub const WAKE: Token = Token(0);
const SIGNALS: Token = Token(1);
const GATE: Token = Token(2);
/// How many events one look takes.
const EVENTS: usize = 256;
/// The first token of the control socket.
const REMOTE: usize = 3;
/// The first token of a process's pidfd.
const PROCESSES: usize = REMOTE + remote::TOKENS;

/// What the control plane is made from.
#[derive(Debug)]
pub struct Parts {
    /// Its poll; the waker is registered with it already.
    pub poll: Poll,
    /// Where processes register; `None`: nothing is captured by pipes.
    pub gate: Option<Gate>,
    /// Between the planes.
    pub links: Links,
    /// To this plane, for its threads that search.
    pub own: Outbox<Report>,
    /// Counts descriptors.
    pub budget: Arc<FdBudget>,
    /// Children that are not the server's.
    pub others: Vec<i32>,
    /// Starts the server.
    pub launch: Launch,
    /// `--server-pid-file`.
    pub pid_file: Option<PidFile>,
    /// What is asked for.
    pub settings: Settings,
    /// Where clients are let in.
    pub remote: Option<Remote>,
    /// `--name`.
    pub name: String,
}

/// What the decisions rest on.
#[derive(Debug)]
pub struct Settings {
    /// What signals mean.
    pub signals: SignalMap,
    /// How a server is stopped.
    pub stop: machine::Policy,
    /// Whether and when it is started again.
    pub restart: restart::Policy,
    /// `--instances`.
    pub instances: usize,
    /// How workers are replaced.
    pub rolling: rolling::Settings,
    /// Whether a destination has a path, so that there is something to rotate.
    pub files: bool,
}

/// The control plane.
#[derive(Debug)]
pub struct Control {
    parts: Parts,
    signals: Signals,
    instances: Vec<Instance>,
    /// Instances that have ended for good, in that order.
    finished: Vec<Finished>,
    ending: Ending,
    registry: Registry,
    /// Nothing was left to read when last heard.
    quiet: bool,
    /// Of that has been heard in this turn.
    heard: bool,
    /// Watched processes that have ended and are not told of yet.
    ended: Vec<usize>,
    /// PIDs of processes that were told of in this turn.
    departed: Vec<i32>,
    /// What is still to be done to leftovers in this turn.
    duties: leftovers::Duties,
    /// The next turn comes at once.
    again: bool,
    /// What could not be written, once the data plane has told.
    lost: Option<Lost>,
    shortage: admission::Shortage,
    refused: admission::Refused,
    sharing: sharing::Sharing,
    rollout: Option<rollout::Rollout>,
    paced: paced::Paced,
    waiting: clients::Waiting,
    /// `Some` while somebody waits for a restart.
    restart: Option<outcomes::Restart>,
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

/// Lets clients in at `socket`, whose descriptor is counted already.
pub fn remote(socket: Socket, poll: &Poll, budget: &Arc<FdBudget>) -> io::Result<Remote> {
    Remote::new(socket, poll.registry(), REMOTE, Arc::clone(budget))
}

impl Control {
    /// Takes over `server`, the first instance; the others are started by [`Control::run`]. `signals` has caught everything
    /// since before it was started.
    pub fn new(parts: Parts, signals: Signals, server: Started) -> io::Result<Self> {
        watch(&parts.poll, signals.raw_fd(), SIGNALS)?;
        if let Some(gate) = &parts.gate {
            watch(&parts.poll, gate.raw_fd(), GATE)?;
        }
        let (settings, now) = (&parts.settings, Instant::now());
        let series = || Series::new(settings.restart.clone());
        let first = Machine::running(settings.stop, series(), now);
        let others =
            (1..settings.instances).map(|_| Machine::waiting(settings.stop, series(), now));
        let mut control = Self {
            instances: std::iter::once(first)
                .chain(others)
                .map(Instance::new)
                .collect(),
            finished: Vec::new(),
            ending: Ending::new(settings.stop),
            parts,
            signals,
            registry: Registry::default(),
            quiet: false,
            heard: false,
            ended: Vec::new(),
            departed: Vec::new(),
            duties: leftovers::Duties::default(),
            again: false,
            lost: None,
            shortage: admission::Shortage::default(),
            refused: admission::Refused::default(),
            sharing: sharing::Sharing::default(),
            rollout: None,
            paced: paced::Paced::default(),
            waiting: clients::Waiting::default(),
            restart: None,
            end: None,
        };
        control.adopt(0, server);
        Ok(control)
    }

    /// Works until the end.
    pub fn run(mut self) -> io::Result<Ended> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let wait = if std::mem::take(&mut self.again) {
                Some(Duration::ZERO)
            } else {
                self.deadline()
                    .map(|at| at.saturating_duration_since(Instant::now()))
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

    fn deadline(&self) -> Option<Instant> {
        let machines = self.instances.iter().filter_map(|i| i.machine.deadline());
        let seeking = self.instances.iter().filter_map(|i| i.seeking.as_ref());
        let program = [
            self.ending.deadline(),
            self.sharing.deadline(),
            self.rollout.as_ref().map(rollout::Rollout::deadline),
            self.paced.deadline(),
            self.clients_deadline(),
        ];
        machines
            .chain(seeking.map(Seeking::deadline))
            .chain(program.into_iter().flatten())
            .min()
    }

    fn turn(&mut self, events: &Events) {
        self.note(events);
        // What a process sent before it ended is queued by now; taken first, it is known who ended.
        self.admit();
        for key in std::mem::take(&mut self.ended) {
            self.retire(key);
        }
        let Pending { arrivals, child } = self.signals.take();
        // First, or a signal would go to an old main process that has ended, and not to the one that follows it.
        if child {
            self.reap();
        }
        for arrival in arrivals {
            self.caught(arrival);
        }
        self.forget_departed();
        while let Some(report) = self.parts.links.reports.take() {
            self.reported(report);
        }
        // Once for all reports of it, since it takes a look at every process.
        if std::mem::take(&mut self.heard) {
            self.look_whether_quiet();
        }
        // What this turn closed may have made room.
        if self.parts.gate.as_ref().is_some_and(|gate| !gate.is_open()) {
            self.admit();
        }
        self.look_for_strangers();
        self.give_up_seeking();
        self.roll();
        self.send_paced();
        self.serve_clients();
        for at in 0..self.instances.len() {
            self.step(at, machine::Event::Tick);
        }
        self.do_duties();
        self.happened(ending::Event::Tick);
    }

    /// Notes which processes have ended, and which clients have stirred.
    fn note(&mut self, events: &Events) {
        for event in events {
            let Some(key) = event.token().0.checked_sub(PROCESSES) else {
                if let Some(remote) = &mut self.parts.remote {
                    remote.note(event);
                }
                continue;
            };
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

    fn say(&mut self, level: Level, text: String) {
        self.parts.links.say(level, text);
    }

    fn reported(&mut self, report: Report) {
        match report {
            Report::Quiet { orders } => {
                let all_taken = self.admit();
                self.quiet = all_taken && self.parts.links.orders.sent() == orders;
                self.heard = true;
            }
            Report::Outlived { pid, inode } => self.sharing.suspect(inode, pid, Instant::now()),
            Report::Silent(id) => self.forget(id),
            Report::Strangers(found) => self.found_strangers(&found),
            Report::Named(pid) => self.named(pid),
            Report::Tallies(tallies) => self.tallied(&tallies),
            Report::Lines {
                client,
                lines,
                last,
            } => self.lines(client, &lines, last),
            Report::Freed => {
                self.admit();
            }
            Report::Recognized(server) => {
                let name = server.profile().name;
                self.say(Level::Info, format!("by its output the server is {name}"));
                self.parts.settings.signals.server = server;
            }
            Report::Written(lost) => {
                self.lost = Some(lost);
                self.happened(ending::Event::Written);
            }
        }
    }
}

fn watch(poll: &Poll, fd: i32, token: Token) -> io::Result<()> {
    poll.registry()
        .register(&mut SourceFd(&fd), token, Interest::READABLE)
}
