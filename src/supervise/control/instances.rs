//! The instances of the server: what their machines ask for is done here.

use super::Control;
use super::seeking::Seeking;
use crate::plane::{Level, Order};
use crate::supervise::ending::{Finished, status_of};
use crate::supervise::exits::hopeless;
use crate::supervise::family::{End, Family};
use crate::supervise::machine::{Action, Event, Fate, Machine};
use crate::supervise::restart::Outcome;
use crate::supervise::signals::name;
use crate::supervise::{ending, machine};
use crate::sys::signals::{Value, send, send_value};
use crate::sys::wait::Exit;
use std::time::Instant;

/// One instance.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) machine: Machine,
    /// The main process and its heirs; `None`: none was ever started.
    family: Option<Family>,
    /// The process that was started last: it leads the process group of this run.
    pub(super) leader: Option<i32>,
    /// Its main process has ended, and another is looked for.
    pub(super) seeking: Option<Seeking>,
    /// When the last run began.
    pub(super) since: Option<Instant>,
    /// How often it was started.
    pub(super) starts: u64,
    /// How the last run ended, in words, and whether that is to be told in any case.
    end: (Level, String),
}

impl Instance {
    pub(super) fn new(machine: Machine) -> Self {
        Self {
            machine,
            family: None,
            leader: None,
            seeking: None,
            since: None,
            starts: 0,
            end: (Level::Info, String::new()),
        }
    }

    pub(super) fn started(&mut self, pid: i32) {
        self.follow(pid);
        self.leader = Some(pid);
        self.since = Some(Instant::now());
        self.starts += 1;
    }

    /// The main process is this one from now on.
    pub(super) fn follow(&mut self, pid: i32) {
        self.family = Some(Family::new(pid));
    }

    /// The main process, while there is one.
    pub(super) fn main(&self) -> Option<i32> {
        let lives = self.machine.serves() && self.seeking.is_none();
        self.family.as_ref().filter(|_| lives).map(Family::main)
    }

    /// A process has ended. A main process's end is taken with its status, when it is reaped.
    pub(super) fn lost(&mut self, pid: i32) {
        if let Some(family) = self.family.as_mut().filter(|f| f.main() != pid) {
            family.ended(pid);
        }
    }

    /// See [`Family::executed`].
    pub(super) fn executed(&mut self, pid: i32, parent: i32, same: impl FnOnce() -> bool) -> bool {
        let family = self.family.as_mut();
        family.is_some_and(|family| family.executed(pid, parent, same))
    }

    fn reaped(&mut self, pid: i32) -> End {
        let lives = self.machine.serves() && self.seeking.is_none();
        let family = self.family.as_mut().filter(|_| lives);
        family.map_or(End::Other, |family| family.ended(pid))
    }
}

impl Control {
    /// Tells instance `at` what happened, and does what follows.
    pub(super) fn step(&mut self, at: usize, event: Event) {
        for action in self.instances[at].machine.on(event, Instant::now()) {
            self.act(at, action);
        }
    }

    fn act(&mut self, at: usize, action: Action) {
        match action {
            Action::Start => self.start(at),
            Action::Forward(signal) => self.forward(at, signal, None),
            Action::Kill | Action::KillLeftovers => self.duties.kill(at),
            Action::TellKill => {
                let text = format!(
                    "{} has not ended by --stop-timeout: it is killed",
                    self.called(at)
                );
                self.say(Level::Warning, text);
            }
            Action::Tell(fate) => self.tell(at, fate),
            Action::StopLeftovers => self.duties.stop(at),
            Action::TellLeftovers => self.tell_left_alone(at),
            Action::Ended(outcome) => self.finished(at, outcome),
        }
    }

    /// `the server`, or which one of several.
    pub(super) fn called(&self, at: usize) -> String {
        match self.instances.len() {
            1 => "the server".to_owned(),
            _ => format!("instance {at} of the server"),
        }
    }

    fn start(&mut self, at: usize) {
        self.finished.retain(|finished| finished.instance != at);
        match self.parts.launch.start(at) {
            Ok(started) => {
                let text = format!("{} is started: process {}", self.called(at), started.pid);
                self.say(Level::Info, text);
                self.adopt(at, started);
                // While it was started, others may have forked.
                self.admit();
            }
            Err(error) => {
                let outcome = Outcome::Unstarted(error.status());
                self.instances[at].end = (Level::Warning, error.to_string());
                self.gone(at, outcome, false);
            }
        }
    }

    /// Sends a signal to the main process, if there is one.
    pub(super) fn forward(&mut self, at: usize, signal: i32, value: Option<Value>) {
        let instance = &mut self.instances[at];
        let Some(main) = instance.main() else { return };
        if let Some(family) = &mut instance.family {
            family.forwarded(signal);
        }
        // The process is not reaped yet, so its PID is still its own.
        match value {
            Some(value) => send_value(main, signal, value),
            None => send(main, signal),
        }
    }

    /// A child has ended and is reaped.
    pub(super) fn reaped(&mut self, pid: i32, exit: Exit) {
        for at in 0..self.instances.len() {
            match self.instances[at].reaped(pid) {
                End::Followed(heir) => self.followed(at, pid, heir),
                End::Server if self.seek(at, pid, exit) => {}
                End::Server => self.ended(at, pid, exit),
                End::Other => {}
            }
        }
    }

    pub(super) fn ended(&mut self, at: usize, pid: i32, exit: Exit) {
        let outcome = Outcome::Exit(exit);
        let meaning = hopeless(self.parts.settings.signals.server, outcome);
        let mut text = format!(
            "{} (process {pid}) has ended: {}",
            self.called(at),
            describe(exit)
        );
        if let Some(meaning) = meaning {
            text = format!("{text}, which means that {meaning}");
        }
        let level = meaning.map_or(Level::Info, |_| Level::Warning);
        self.instances[at].end = (level, text);
        self.gone(at, outcome, meaning.is_some());
    }

    fn gone(&mut self, at: usize, outcome: Outcome, hopeless: bool) {
        let others = self.instances.iter().enumerate().filter(|(n, _)| *n != at);
        let last = others.into_iter().all(|(_, other)| other.machine.is_over());
        self.step(
            at,
            Event::Gone {
                outcome,
                hopeless,
                last,
            },
        );
    }

    pub(super) fn followed(&mut self, at: usize, old: i32, heir: i32) {
        let text = format!("process {heir} follows {old} as the server's main process");
        self.say(Level::Warning, text);
        let key = self.registry.find(heir);
        if let Some(id) = key.and_then(|key| self.registry.get(key)).map(|m| m.id) {
            self.parts.links.orders.send(Order::Main(id, at as u32));
        }
        self.step(at, Event::Followed);
    }

    fn tell(&mut self, at: usize, fate: Fate) {
        let (level, end) = self.instances[at].end.clone();
        let (level, text) = match fate {
            Fate::Over => (level, end),
            Fate::Restarted => (level, format!("{end}; it is started again, as asked")),
            Fate::Again { delay, attempt } => {
                let delay = humantime::format_duration(delay);
                let text = format!("{end}; it is started again in {delay} (attempt {attempt})");
                (Level::Warning, text)
            }
            Fate::GivenUp => {
                let limit = self
                    .parts
                    .settings
                    .restart
                    .limit
                    .map_or_else(String::new, |l| {
                        format!("{}/{}", l.starts, humantime::format_duration(l.within))
                    });
                let text =
                    format!("{end}; it is not started again: --restart-limit {limit} is reached");
                (Level::Warning, text)
            }
        };
        self.say(level, text);
    }

    fn finished(&mut self, at: usize, outcome: Outcome) {
        self.finished.push(Finished {
            instance: at,
            status: outcome.status(),
            good: self.parts.settings.restart.success.is(outcome),
        });
        if self.instances.iter().all(|i| i.machine.is_over()) {
            self.happened(ending::Event::Over(status_of(&self.finished)));
        }
    }

    /// Tells all instances.
    pub(super) fn step_all(&mut self, event: machine::Event) {
        for at in 0..self.instances.len() {
            self.step(at, event);
        }
    }
}

fn describe(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit status {code}"),
        Exit::Signal(signal) => format!("killed by {}", name(signal)),
    }
}
