//! One instance of the server, from its first start to its last end. Pure: events and `now` in, actions out.
//!
//! | phase | stop | restart | its main process is gone | no leftover lives | its time is up |
//! |---|---|---|---|---|---|
//! | `Running` | forward; `Stopping` | forward; `Stopping` | `Over`, or `Clearing` | – | – |
//! | `Stopping` | forward; no start after it | – | `Over`, or `Clearing` | – | kill; `Killing` |
//! | `Killing` | forward; no start after it | – | `Over`, or `Clearing` | – | kill again |
//! | `Clearing` | `Over` | start without delay | – | `Delayed`, start, or `Over` | kill them; `Sweeping` |
//! | `Sweeping` | `Over` | start without delay | – | `Delayed`, start, or `Over` | kill again, 1 s in all |
//! | `Delayed` | `Over` | start | – | – | start |
//! | `Over` | – | start | – | – | – |
//!
//! Leftovers are stopped before a restart, since they hold the port. When this was the last instance, they are not stopped here
//! but by [`super::ending`], which lets them write their last words first.

use super::restart::{Outcome, Series, Verdict};
use crate::config::Leftovers;
use crate::sys::wait::Exit;
use std::time::{Duration, Instant};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The server is to end.
    Stop {
        /// By this signal.
        signal: i32,
        /// Whether it must be sent; otherwise the terminal has done that.
        forward: bool,
    },
    /// The server is to end at once.
    Kill,
    /// The server is to end by this signal, and to be started again.
    Restart {
        /// The signal.
        signal: i32,
    },
    /// The main process is gone, and another has taken its place.
    Followed,
    /// The main process is gone, and none took its place; or it could not be started.
    Gone {
        /// How.
        outcome: Outcome,
        /// Its status says that trying again soon is of no use.
        hopeless: bool,
        /// All other instances are over.
        last: bool,
    },
    /// So many processes that the instance left live still: the answer to [`Action::StopLeftovers`], and news of it.
    Leftovers(usize),
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Start the server; a failure is told by [`Event::Gone`].
    Start,
    /// Send this signal to the main process.
    Forward(i32),
    /// KILL to the main process and everything below it.
    Kill,
    /// The stop deadline has passed.
    TellKill,
    /// Tell of the end, and what follows.
    Tell(Fate),
    /// TERM to what the instance left; say how many live.
    StopLeftovers,
    /// KILL to what the instance left.
    KillLeftovers,
    /// Tell of what the instance left, and that it may stay.
    TellLeftovers,
    /// The server is not started again, unless by request.
    Ended(Outcome),
}

/// What follows an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Over,
    /// It is started again after this time.
    Again {
        /// From the end to the start.
        delay: Duration,
        /// See [`Verdict::Again`].
        attempt: u32,
    },
    /// It is started again, as was asked for.
    Restarted,
    /// `--restart-limit` is reached.
    GivenUp,
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// `--stop-timeout`.
    pub stop_timeout: Duration,
    /// `--drain-timeout`.
    pub drain_timeout: Duration,
    /// `--leftovers`.
    pub leftovers: Leftovers,
}

/// How often KILL is repeated while what was killed does not end.
pub const KILL_AGAIN: Duration = Duration::from_millis(200);

/// How long killed leftovers are waited for: one that hangs in the kernel must not keep the server down for ever.
const SWEEP: Duration = Duration::from_secs(1);

/// What follows a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    End,
    Start,
}

/// What follows when no leftover lives any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    End,
    StartAt(Instant),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping {
        kill_at: Instant,
        then: Then,
    },
    Killing {
        again: Instant,
        then: Then,
    },
    Clearing {
        kill_at: Instant,
        next: Next,
    },
    Sweeping {
        again: Instant,
        until: Instant,
        next: Next,
    },
    Delayed {
        at: Instant,
    },
    Over,
}

/// How far an instance is, for those who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The server runs.
    Running,
    /// It was told to end.
    Stopping,
    /// It has ended, and what it left is being stopped.
    Clearing,
    /// It is started again then.
    Delayed(Instant),
    /// It has ended for good.
    Over,
}

/// One instance.
#[derive(Debug)]
pub struct Machine {
    policy: Policy,
    series: Series,
    phase: Phase,
    /// The signal by which the server was last told to stop.
    stop_sent: Option<i32>,
    /// How the last run ended.
    last: Outcome,
}

impl Machine {
    /// An instance that runs since `now`.
    pub fn running(policy: Policy, mut series: Series, now: Instant) -> Self {
        series.started(now);
        Self {
            phase: Phase::Running,
            ..Self::waiting(policy, series, now)
        }
    }

    /// An instance that is to be started at the first tick.
    pub fn waiting(policy: Policy, series: Series, now: Instant) -> Self {
        Self {
            policy,
            series,
            phase: Phase::Delayed { at: now },
            stop_sent: None,
            last: Outcome::Exit(Exit::Code(0)),
        }
    }

    /// When [`Event::Tick`] is due; an earlier one does no harm.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running | Phase::Over => None,
            Phase::Stopping { kill_at, .. } | Phase::Clearing { kill_at, .. } => Some(kill_at),
            Phase::Killing { again, .. } | Phase::Sweeping { again, .. } => Some(again),
            Phase::Delayed { at } => Some(at),
        }
    }

    /// Whether there is a main process to send signals to.
    pub fn serves(&self) -> bool {
        matches!(self.state(), State::Running | State::Stopping)
    }

    /// Whether the server has ended for good, though its leftovers may live.
    pub fn is_over(&self) -> bool {
        self.state() == State::Over
    }

    /// Whether [`Event::Leftovers`] is waited for.
    pub fn clears(&self) -> bool {
        matches!(self.phase, Phase::Clearing { .. } | Phase::Sweeping { .. })
    }

    /// How far it is.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Running => State::Running,
            Phase::Stopping { .. } | Phase::Killing { .. } => State::Stopping,
            Phase::Clearing { next, .. } | Phase::Sweeping { next, .. } => match next {
                Next::End => State::Over,
                Next::StartAt(_) => State::Clearing,
            },
            Phase::Delayed { at } => State::Delayed(at),
            Phase::Over => State::Over,
        }
    }

    /// What follows from `event`.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match event {
            Event::Stop { signal, forward } => self.stop(signal, forward, now),
            Event::Kill => self.kill_now(now),
            Event::Restart { signal } => self.restart(signal, now),
            // The stop was meant for the server, not for the process that led it.
            Event::Followed => self.stop_sent.map(Action::Forward).into_iter().collect(),
            Event::Gone {
                outcome,
                hopeless,
                last,
            } => self.gone(outcome, hopeless, last, now),
            Event::Leftovers(0) => self.cleared(now),
            Event::Tick if self.deadline().is_some_and(|due| now >= due) => self.time_is_up(now),
            Event::Leftovers(_) | Event::Tick => Vec::new(),
        }
    }

    fn stop(&mut self, signal: i32, forward: bool, now: Instant) -> Vec<Action> {
        match &mut self.phase {
            Phase::Running => {
                let kill_at = now + self.policy.stop_timeout;
                self.phase = Phase::Stopping {
                    kill_at,
                    then: Then::End,
                };
            }
            Phase::Stopping { then, .. } | Phase::Killing { then, .. } => *then = Then::End,
            Phase::Clearing { next, .. } | Phase::Sweeping { next, .. } if *next == Next::End => {
                return Vec::new();
            }
            Phase::Clearing { .. } | Phase::Sweeping { .. } | Phase::Delayed { .. } => {
                self.phase = Phase::Over;
                return vec![Action::Ended(self.last)];
            }
            Phase::Over => return Vec::new(),
        }
        self.stop_sent = Some(signal);
        forward
            .then_some(Action::Forward(signal))
            .into_iter()
            .collect()
    }

    fn kill_now(&mut self, now: Instant) -> Vec<Action> {
        if self.serves() {
            self.kill(Then::End, now)
        } else {
            Vec::new()
        }
    }

    fn kill(&mut self, then: Then, now: Instant) -> Vec<Action> {
        self.phase = Phase::Killing {
            again: now + KILL_AGAIN,
            then,
        };
        vec![Action::Kill]
    }

    fn restart(&mut self, signal: i32, now: Instant) -> Vec<Action> {
        match &mut self.phase {
            Phase::Running => {
                let kill_at = now + self.policy.stop_timeout;
                self.phase = Phase::Stopping {
                    kill_at,
                    then: Then::Start,
                };
                self.stop_sent = Some(signal);
                vec![Action::Forward(signal)]
            }
            // Whoever stopped it wants it stopped.
            Phase::Stopping { .. } | Phase::Killing { .. } => Vec::new(),
            Phase::Clearing { next, .. } | Phase::Sweeping { next, .. } => {
                *next = Next::StartAt(now);
                self.series.asked();
                Vec::new()
            }
            Phase::Delayed { .. } | Phase::Over => {
                self.series.asked();
                self.start(now)
            }
        }
    }

    fn start(&mut self, now: Instant) -> Vec<Action> {
        self.phase = Phase::Running;
        self.stop_sent = None;
        self.series.started(now);
        vec![Action::Start]
    }

    fn gone(&mut self, outcome: Outcome, hopeless: bool, last: bool, now: Instant) -> Vec<Action> {
        let (fate, next) = match self.phase {
            Phase::Running => self.judged(outcome, hopeless, now),
            Phase::Stopping { then, .. } | Phase::Killing { then, .. } => match then {
                Then::End => (Fate::Over, Next::End),
                Then::Start => {
                    self.series.asked();
                    (Fate::Restarted, Next::StartAt(now))
                }
            },
            // There was no process that could end.
            Phase::Clearing { .. }
            | Phase::Sweeping { .. }
            | Phase::Delayed { .. }
            | Phase::Over => return Vec::new(),
        };
        self.last = outcome;
        let mut actions = vec![Action::Tell(fate)];
        if next == Next::End && last {
            self.phase = Phase::Over;
        } else {
            actions.extend(self.clear(next, now));
        }
        if next == Next::End {
            actions.push(Action::Ended(outcome));
        }
        actions
    }

    /// What the restart policy says.
    fn judged(&mut self, outcome: Outcome, hopeless: bool, now: Instant) -> (Fate, Next) {
        match self.series.ended(outcome, hopeless, now) {
            Verdict::Over => (Fate::Over, Next::End),
            Verdict::Again { at, delay, attempt } => {
                (Fate::Again { delay, attempt }, Next::StartAt(at))
            }
            Verdict::GivenUp => (Fate::GivenUp, Next::End),
        }
    }

    fn clear(&mut self, next: Next, now: Instant) -> Vec<Action> {
        match self.policy.leftovers {
            Leftovers::Stop => {
                let kill_at = now + self.policy.drain_timeout;
                self.phase = Phase::Clearing { kill_at, next };
                vec![Action::StopLeftovers]
            }
            Leftovers::Leave => {
                let mut actions = vec![Action::TellLeftovers];
                actions.extend(self.go_on(next, now));
                actions
            }
        }
    }

    fn cleared(&mut self, now: Instant) -> Vec<Action> {
        match self.phase {
            Phase::Clearing { next, .. } | Phase::Sweeping { next, .. } => self.go_on(next, now),
            Phase::Running
            | Phase::Stopping { .. }
            | Phase::Killing { .. }
            | Phase::Delayed { .. }
            | Phase::Over => Vec::new(),
        }
    }

    fn go_on(&mut self, next: Next, now: Instant) -> Vec<Action> {
        match next {
            Next::End => {
                self.phase = Phase::Over;
                Vec::new()
            }
            Next::StartAt(at) if at <= now => self.start(now),
            Next::StartAt(at) => {
                self.phase = Phase::Delayed { at };
                Vec::new()
            }
        }
    }

    fn time_is_up(&mut self, now: Instant) -> Vec<Action> {
        match self.phase {
            Phase::Running | Phase::Over => Vec::new(),
            Phase::Stopping { then, .. } => {
                let mut actions = vec![Action::TellKill];
                actions.extend(self.kill(then, now));
                actions
            }
            Phase::Killing { then, .. } => self.kill(then, now),
            Phase::Clearing { next, .. } => self.sweep(now + SWEEP, next, now),
            Phase::Sweeping { until, next, .. } if now < until => self.sweep(until, next, now),
            Phase::Sweeping { next, .. } => self.go_on(next, now),
            Phase::Delayed { .. } => self.start(now),
        }
    }

    fn sweep(&mut self, until: Instant, next: Next, now: Instant) -> Vec<Action> {
        self.phase = Phase::Sweeping {
            again: now + KILL_AGAIN,
            until,
            next,
        };
        vec![Action::KillLeftovers]
    }
}

#[cfg(test)]
mod tests;
