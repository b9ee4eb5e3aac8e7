//! The end of the whole program, when the last server has ended. Pure: events and `now` in, actions out.
//!
//! | phase | a stop signal | the last server is gone | its time is up |
//! |---|---|---|---|
//! | `Serving` | from when on everything must be over | `Draining` | – |
//! | `Draining` | leftovers are stopped now, less time | – | some live: stop them, `Leftovers`; or `Finishing` |
//! | `Leftovers` | kill them now (from a terminal: the third) | – | kill them; `Finishing` |
//! | `Finishing` | – | – | exit |
//!
//! In `Draining` and `Leftovers`, quiet (no pipe, no datagram, no message is left) goes on at once; in `Finishing`, the data plane's word that all is written.

use super::machine::Policy;
use crate::config::Leftovers;
use std::time::{Duration, Instant};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A stop was asked for.
    Stop {
        /// By the terminal, which sent it to the server too.
        from_terminal: bool,
        /// It was INT.
        interrupt: bool,
    },
    /// The last server is gone; the exit status is this.
    Over(i32),
    /// Nothing is left to read, and this many descendants live.
    Quiet {
        /// Living descendants.
        descendants: usize,
    },
    /// The answer to [`Action::Count`], and news of it: this many descendants live.
    Living {
        /// Living descendants.
        descendants: usize,
    },
    /// The data plane has written everything, or counted what it could not.
    Written,
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Kill all servers: whoever sits at the terminal will not wait.
    KillServers,
    /// The servers are gone: read on, and say when it is quiet.
    Drain,
    /// Count the living descendants.
    Count,
    /// TERM to all descendants that are left.
    TermLeftovers,
    /// Tell which descendants are left alive.
    TellLeftovers,
    /// KILL to all descendants.
    KillAll,
    /// Write out what is there, by then.
    Finish(Instant),
    /// End with this status.
    Exit(i32),
}

/// After the stop deadline, how long reading and writing may still take in all.
const AFTER_KILL: Duration = Duration::from_secs(1);

/// How long the data plane may write when reading has ended.
const LAST_WRITES: Duration = Duration::from_millis(500);

/// How long control waits for the data plane's last word beyond that.
const LAST_WORD: Duration = Duration::from_millis(250);

/// How many INTs from a terminal kill.
const IMPATIENCE: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining { until: Instant },
    Leftovers { kill_at: Instant },
    Finishing { until: Instant },
}

/// How far the program is from its end.
#[derive(Debug)]
pub struct Ending {
    policy: Policy,
    phase: Phase,
    /// When everything must be over, once a stop was asked for.
    last_call: Option<Instant>,
    /// The exit status, once the servers are gone.
    status: i32,
    /// INTs that the terminal sent.
    interrupts: u32,
    /// TERM was sent to what outlived the servers.
    leftovers_told: bool,
}

impl Ending {
    /// The servers run.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            phase: Phase::Serving,
            last_call: None,
            status: 0,
            interrupts: 0,
            leftovers_told: false,
        }
    }

    /// Whether the last server is still to end.
    pub fn is_serving(&self) -> bool {
        self.phase == Phase::Serving
    }

    /// Whether the program was told to end: nothing is started any more.
    pub fn is_stopping(&self) -> bool {
        self.last_call.is_some() || !self.is_serving()
    }

    /// When [`Event::Tick`] is due; an earlier one does no harm.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Serving => None,
            Phase::Leftovers { kill_at } => Some(kill_at),
            Phase::Draining { until } | Phase::Finishing { until } => Some(until),
        }
    }

    /// What follows from `event`.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match event {
            Event::Stop {
                from_terminal,
                interrupt,
            } => self.stop(from_terminal, interrupt, now),
            Event::Over(status) => self.over(status, now),
            Event::Quiet { descendants } => self.quiet(descendants, now),
            Event::Living { descendants } => self.living(descendants, now),
            Event::Written => self.written(),
            Event::Tick if self.deadline().is_some_and(|due| now >= due) => self.time_is_up(now),
            Event::Tick => Vec::new(),
        }
    }

    fn stop(&mut self, from_terminal: bool, interrupt: bool, now: Instant) -> Vec<Action> {
        let impatient = interrupt && from_terminal && {
            self.interrupts += 1;
            self.interrupts >= IMPATIENCE
        };
        let last_call = *self
            .last_call
            .get_or_insert(now + self.policy.stop_timeout + AFTER_KILL);
        match self.phase {
            Phase::Serving if impatient => {
                self.last_call = Some(now + AFTER_KILL);
                vec![Action::KillServers]
            }
            Phase::Draining { until } => {
                self.phase = Phase::Draining {
                    until: until.min(last_call),
                };
                self.tell_leftovers().into_iter().collect()
            }
            Phase::Leftovers { .. } if impatient || !from_terminal => {
                self.phase = Phase::Leftovers { kill_at: now };
                Vec::new()
            }
            Phase::Serving | Phase::Leftovers { .. } | Phase::Finishing { .. } => Vec::new(),
        }
    }

    fn over(&mut self, status: i32, now: Instant) -> Vec<Action> {
        self.status = status;
        let mut until = now + self.policy.drain_timeout;
        if let Some(last_call) = self.last_call {
            until = until.min(last_call.max(now + AFTER_KILL));
        }
        self.phase = Phase::Draining { until };
        let mut actions = vec![Action::Drain];
        if self.last_call.is_some() {
            actions.extend(self.tell_leftovers());
        }
        actions
    }

    /// TERM to what outlived the servers, once, where that is wanted.
    fn tell_leftovers(&mut self) -> Option<Action> {
        let due = self.policy.leftovers == Leftovers::Stop && !self.leftovers_told;
        self.leftovers_told |= due;
        due.then_some(Action::TermLeftovers)
    }

    fn quiet(&mut self, descendants: usize, now: Instant) -> Vec<Action> {
        match self.phase {
            Phase::Draining { .. } if descendants > 0 => self.leave_or_stop(now),
            Phase::Leftovers { .. } if descendants > 0 => Vec::new(),
            Phase::Draining { until } | Phase::Leftovers { kill_at: until } => {
                self.finish(until.max(now + LAST_WRITES))
            }
            Phase::Serving | Phase::Finishing { .. } => Vec::new(),
        }
    }

    /// Pipes may be open still: a destination that is stuck keeps them so when nobody writes any more.
    fn living(&mut self, descendants: usize, now: Instant) -> Vec<Action> {
        match self.phase {
            Phase::Draining { until } if now < until => Vec::new(),
            Phase::Draining { .. } if descendants > 0 => self.leave_or_stop(now),
            Phase::Draining { .. } => self.finish(now + LAST_WRITES),
            Phase::Leftovers { .. } if descendants == 0 => self.finish(now + LAST_WRITES),
            Phase::Leftovers { .. } | Phase::Serving | Phase::Finishing { .. } => Vec::new(),
        }
    }

    /// Reading has come to its end, and descendants live.
    fn leave_or_stop(&mut self, now: Instant) -> Vec<Action> {
        match self.policy.leftovers {
            Leftovers::Leave => {
                let mut actions = vec![Action::TellLeftovers];
                actions.extend(self.finish(now + LAST_WRITES));
                actions
            }
            Leftovers::Stop => {
                let mut kill_at = now + self.policy.drain_timeout;
                if let Some(last_call) = self.last_call {
                    kill_at = kill_at.min(last_call);
                }
                self.phase = Phase::Leftovers { kill_at };
                self.tell_leftovers().into_iter().collect()
            }
        }
    }

    fn finish(&mut self, until: Instant) -> Vec<Action> {
        // The data plane's word of what it could not write comes at `until`.
        self.phase = Phase::Finishing {
            until: until + LAST_WORD,
        };
        vec![Action::Finish(until)]
    }

    fn written(&mut self) -> Vec<Action> {
        match self.phase {
            Phase::Finishing { .. } => vec![Action::Exit(self.status)],
            Phase::Serving | Phase::Draining { .. } | Phase::Leftovers { .. } => Vec::new(),
        }
    }

    fn time_is_up(&mut self, now: Instant) -> Vec<Action> {
        match self.phase {
            Phase::Serving => Vec::new(),
            Phase::Draining { .. } => vec![Action::Count],
            Phase::Leftovers { .. } => {
                let mut actions = vec![Action::KillAll];
                actions.extend(self.finish(now + LAST_WRITES));
                actions
            }
            // The data plane hangs on a destination; what it holds is lost, and said to be.
            Phase::Finishing { .. } => vec![Action::Exit(self.status)],
        }
    }
}

/// An instance that has ended for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Which.
    pub instance: usize,
    /// The status of its last run.
    pub status: i32,
    /// Whether that counts as success.
    pub good: bool,
}

/// The exit status of a program whose instances ended in this order: one instance's own; of several the first that failed, else 0.
pub fn status_of(finished: &[Finished]) -> i32 {
    match finished {
        [only] => only.status,
        several => several
            .iter()
            .find(|one| !one.good)
            .map_or(0, |one| one.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    const QUIET: Event = Event::Quiet { descendants: 0 };

    const TERM: Event = Event::Stop {
        from_terminal: false,
        interrupt: false,
    };

    const CTRL_C: Event = Event::Stop {
        from_terminal: true,
        interrupt: true,
    };

    fn policy() -> Policy {
        Policy {
            stop_timeout: 90 * S,
            drain_timeout: 5 * S,
            leftovers: Leftovers::Stop,
        }
    }

    fn ending() -> Ending {
        Ending::new(policy())
    }

    #[test]
    fn a_stop_ends_with_the_servers_status() {
        let now = Instant::now();
        let mut ending = ending();
        assert_eq!(ending.on(TERM, now), []);
        assert!(ending.is_stopping() && ending.is_serving());
        assert_eq!(
            ending.on(Event::Over(3), now),
            [Action::Drain, Action::TermLeftovers]
        );
        assert!(matches!(ending.on(QUIET, now)[..], [Action::Finish(_)]));
        assert_eq!(ending.on(Event::Written, now), [Action::Exit(3)]);
    }

    #[test]
    fn a_stop_that_came_to_its_deadline_is_over_soon_after() {
        let now = Instant::now();
        let mut ending = ending();
        ending.on(TERM, now);
        ending.on(TERM, now + 80 * S);
        let late = now + 91 * S;
        ending.on(Event::Over(137), late);
        assert_eq!(ending.deadline(), Some(late + AFTER_KILL));
    }

    #[test]
    fn the_third_ctrl_c_kills_and_interrupts_by_kill_never_do() {
        let now = Instant::now();
        let mut ending = ending();
        for _ in 0..9 {
            let sent = Event::Stop {
                from_terminal: false,
                interrupt: true,
            };
            assert_eq!(ending.on(sent, now), []);
        }
        assert_eq!(ending.on(CTRL_C, now), []);
        assert_eq!(ending.on(CTRL_C, now), []);
        assert_eq!(ending.on(CTRL_C, now), [Action::KillServers]);
    }

    #[test]
    fn leftovers_get_the_drain_to_end_by_themselves_then_term_then_kill() {
        let now = Instant::now();
        let mut ending = ending();
        assert_eq!(ending.on(Event::Over(137), now), [Action::Drain]);
        let late = now + 5 * S;
        assert_eq!(ending.on(Event::Living { descendants: 1 }, now), []);
        assert_eq!(ending.on(Event::Tick, late), [Action::Count]);
        assert_eq!(
            ending.on(Event::Living { descendants: 1 }, late),
            [Action::TermLeftovers]
        );
        assert_eq!(ending.on(Event::Quiet { descendants: 1 }, late), []);
        let end = ending.on(Event::Tick, now + 10 * S);
        assert!(matches!(end[..], [Action::KillAll, Action::Finish(_)]));
        assert_eq!(ending.on(Event::Written, now + 11 * S), [Action::Exit(137)]);
    }

    #[test]
    fn leftovers_without_pipes_are_stopped_at_once_and_waited_for() {
        let now = Instant::now();
        let mut ending = ending();
        ending.on(Event::Over(0), now);
        assert_eq!(
            ending.on(Event::Quiet { descendants: 2 }, now),
            [Action::TermLeftovers]
        );
        assert!(matches!(ending.on(QUIET, now)[..], [Action::Finish(_)]));
    }

    #[test]
    fn leftovers_may_be_left() {
        let now = Instant::now();
        let mut ending = Ending::new(Policy {
            leftovers: Leftovers::Leave,
            ..policy()
        });
        ending.on(Event::Over(0), now);
        ending.on(Event::Tick, now + 5 * S);
        let actions = ending.on(Event::Living { descendants: 1 }, now + 5 * S);
        assert!(matches!(
            actions[..],
            [Action::TellLeftovers, Action::Finish(_)]
        ));
    }

    #[test]
    fn a_stuck_destination_costs_the_drain_once() {
        let now = Instant::now();
        let mut ending = ending();
        ending.on(Event::Over(0), now);
        let late = now + 5 * S;
        assert_eq!(ending.on(Event::Tick, late), [Action::Count]);
        assert_eq!(
            ending.on(Event::Living { descendants: 0 }, late),
            [Action::Finish(late + LAST_WRITES)]
        );
    }

    #[test]
    fn leftovers_that_end_are_not_waited_for() {
        let now = Instant::now();
        let mut ending = ending();
        ending.on(Event::Over(0), now);
        let late = now + 5 * S;
        ending.on(Event::Tick, late);
        ending.on(Event::Living { descendants: 1 }, late);
        assert_eq!(
            ending.on(Event::Living { descendants: 0 }, late + S),
            [Action::Finish(late + S + LAST_WRITES)]
        );
    }

    #[test]
    fn a_stop_during_the_drain_stops_leftovers_at_once() {
        let now = Instant::now();
        let mut ending = ending();
        ending.on(Event::Over(1), now);
        assert_eq!(ending.on(TERM, now), [Action::TermLeftovers]);
        ending.on(Event::Tick, now + 5 * S);
        ending.on(Event::Living { descendants: 1 }, now + 5 * S);
        ending.on(TERM, now + 5 * S);
        assert!(matches!(
            ending.on(Event::Tick, now + 5 * S)[..],
            [Action::KillAll, Action::Finish(_)]
        ));
    }

    #[test]
    fn a_data_plane_that_hangs_does_not_keep_the_program() {
        let now = Instant::now();
        let mut ending = ending();
        ending.on(Event::Over(7), now);
        ending.on(QUIET, now);
        assert_eq!(ending.on(Event::Tick, now + 5 * S), []);
        assert_eq!(
            ending.on(Event::Tick, now + 5 * S + LAST_WORD),
            [Action::Exit(7)]
        );
    }

    #[test]
    fn the_status_is_the_only_ones_or_the_first_failures() {
        let one = |instance, status, good| Finished {
            instance,
            status,
            good,
        };
        assert_eq!(status_of(&[one(0, 143, true)]), 143);
        assert_eq!(status_of(&[one(1, 143, true), one(0, 0, true)]), 0);
        assert_eq!(
            status_of(&[one(2, 0, true), one(1, 3, false), one(0, 4, false)]),
            3
        );
    }
}
