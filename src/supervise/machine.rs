//! What is done about signals, the server's end and the deadlines. Pure: events and `now` in, actions out.
//!
//! | phase | a stop signal | another signal | the server is gone | its time is up |
//! |---|---|---|---|---|
//! | `Running` | forward; `Stopping` | forward | `Draining` | – |
//! | `Stopping` | forward | forward | `Draining` | kill all; `Killing` |
//! | `Killing` | forward | forward | `Draining` | kill all again |
//! | `Draining` | leftovers are stopped now, less time | – | – | some live: stop them, `Leftovers`; or `Finishing` |
//! | `Leftovers` | kill them now (from a terminal: the third) | – | – | kill them; `Finishing` |
//! | `Finishing` | – | – | – | exit |
//!
//! In `Draining` and `Leftovers`, quiet (no pipe, no datagram, no message is left) goes on at once; in `Finishing`, the data plane's word that all is written.

use crate::config::Leftovers;
use crate::sys::wait::Exit;
use std::time::{Duration, Instant};

/// A signal that came to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caught {
    /// Its number.
    pub signal: i32,
    /// Whether the kernel sent it (`si_code` SI_KERNEL): then the terminal did, to the whole foreground process group.
    pub by_kernel: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A signal came.
    Signal(Caught),
    /// The main process is gone, and another has taken its place.
    Followed,
    /// The main process is gone, and none took its place.
    Gone(Exit),
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
    /// Send this signal to the main process.
    Forward(i32),
    /// Open the logs again.
    Reopen,
    /// Stop this program by this signal, as the terminal asked; it goes on with CONT.
    StopSelf(i32),
    /// KILL to all descendants.
    KillAll,
    /// TERM to all descendants that are left.
    TermLeftovers,
    /// The main process is gone: read on, and say when it is quiet.
    Drain,
    /// Tell which descendants are left alive.
    TellLeftovers,
    /// Count the living descendants.
    Count,
    /// Write out what is there, by then.
    Finish(Instant),
    /// End with this status.
    Exit(i32),
    /// The stop deadline has passed.
    TellKill,
}

/// What the machine needs to know of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// `--stop-signal`.
    pub stop_signal: Option<i32>,
    /// `--stop-timeout`.
    pub stop_timeout: Duration,
    /// `--drain-timeout`.
    pub drain_timeout: Duration,
    /// `--leftovers`.
    pub leftovers: Leftovers,
    /// Whether there is a controlling terminal: then the server is in this program's process group, and the terminal's signals reach it by themselves.
    pub terminal: bool,
    /// Whether this program leads its session: then a hang-up comes to it alone.
    pub leads_session: bool,
}

/// After the stop deadline, how long reading and writing may still take in all.
const AFTER_KILL: Duration = Duration::from_secs(1);

/// How often KILL is repeated while the server does not end.
const KILL_AGAIN: Duration = Duration::from_millis(200);

/// How long the data plane may write when reading has ended.
const LAST_WRITES: Duration = Duration::from_millis(500);

/// How long control waits for the data plane's last word beyond that.
const LAST_WORD: Duration = Duration::from_millis(250);

/// How many INTs from a terminal kill.
const IMPATIENCE: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping { kill_at: Instant },
    Killing { again: Instant },
    Draining { until: Instant },
    Leftovers { kill_at: Instant },
    Finishing { until: Instant },
}

/// The state of one supervised server.
#[derive(Debug)]
pub struct Machine {
    policy: Policy,
    phase: Phase,
    /// When everything must be over, once a stop was asked for.
    last_call: Option<Instant>,
    /// The server's exit status, once it is gone.
    status: i32,
    /// The signal by which the server was last told to stop.
    stop_sent: Option<i32>,
    /// INTs that the terminal sent.
    interrupts: u32,
    /// TERM was sent to what outlived the server.
    leftovers_told: bool,
}

impl Machine {
    /// A server that runs.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            phase: Phase::Running,
            last_call: None,
            status: 0,
            stop_sent: None,
            interrupts: 0,
            leftovers_told: false,
        }
    }

    /// When [`Event::Tick`] is due; an earlier one does no harm.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running => None,
            Phase::Stopping { kill_at } | Phase::Leftovers { kill_at } => Some(kill_at),
            Phase::Killing { again } => Some(again),
            Phase::Draining { until } | Phase::Finishing { until } => Some(until),
        }
    }

    /// What follows from `event`.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match event {
            Event::Signal(caught) => self.signal(caught, now),
            // The stop was meant for the server, not for the process that led it.
            Event::Followed => self.stop_sent.map(Action::Forward).into_iter().collect(),
            Event::Gone(exit) => self.gone(exit, now),
            Event::Quiet { descendants } => self.quiet(descendants, now),
            Event::Living { descendants } => self.living(descendants, now),
            Event::Written => self.written(),
            Event::Tick if self.deadline().is_some_and(|due| now >= due) => self.time_is_up(now),
            Event::Tick => Vec::new(),
        }
    }

    fn signal(&mut self, caught: Caught, now: Instant) -> Vec<Action> {
        let from_terminal = self.policy.terminal && caught.by_kernel;
        match caught.signal {
            libc::SIGTERM | libc::SIGINT | libc::SIGQUIT => {
                self.stop(caught.signal, from_terminal, now)
            }
            _ if !self.serves() => Vec::new(),
            // The terminal stopped the whole group; this program catches the signal and must stop by itself.
            libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU if from_terminal => {
                vec![Action::StopSelf(caught.signal)]
            }
            libc::SIGTSTP if self.policy.terminal => {
                vec![
                    Action::Forward(caught.signal),
                    Action::StopSelf(caught.signal),
                ]
            }
            libc::SIGWINCH if from_terminal => Vec::new(),
            libc::SIGHUP if from_terminal && !self.policy.leads_session => Vec::new(),
            libc::SIGUSR1 => vec![Action::Reopen, Action::Forward(caught.signal)],
            other => vec![Action::Forward(other)],
        }
    }

    /// Whether there is a server to forward signals to.
    fn serves(&self) -> bool {
        matches!(
            self.phase,
            Phase::Running | Phase::Stopping { .. } | Phase::Killing { .. }
        )
    }

    fn stop(&mut self, signal: i32, from_terminal: bool, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        let sent = self.policy.stop_signal.unwrap_or(signal);
        if self.serves() {
            self.stop_sent = Some(sent);
        }
        if self.serves() && !from_terminal {
            actions.push(Action::Forward(sent));
        }
        let impatient = signal == libc::SIGINT && from_terminal && {
            self.interrupts += 1;
            self.interrupts >= IMPATIENCE
        };
        match self.phase {
            Phase::Running | Phase::Stopping { .. } if impatient => {
                self.last_call = Some(now + AFTER_KILL);
                actions.extend(self.kill(now));
            }
            Phase::Running => {
                let kill_at = now + self.policy.stop_timeout;
                self.last_call = Some(kill_at + AFTER_KILL);
                self.phase = Phase::Stopping { kill_at };
            }
            Phase::Draining { until } => {
                let last_call = *self
                    .last_call
                    .get_or_insert(now + self.policy.stop_timeout + AFTER_KILL);
                self.phase = Phase::Draining {
                    until: until.min(last_call),
                };
                actions.extend(self.tell_leftovers());
            }
            Phase::Leftovers { .. } if impatient || !from_terminal => {
                self.phase = Phase::Leftovers { kill_at: now }
            }
            Phase::Stopping { .. }
            | Phase::Killing { .. }
            | Phase::Leftovers { .. }
            | Phase::Finishing { .. } => {}
        }
        actions
    }

    fn kill(&mut self, now: Instant) -> Vec<Action> {
        self.phase = Phase::Killing {
            again: now + KILL_AGAIN,
        };
        vec![Action::KillAll]
    }

    fn gone(&mut self, exit: Exit, now: Instant) -> Vec<Action> {
        self.status = exit.status();
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

    /// TERM to what outlived the server, once, where that is wanted.
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
            Phase::Running
            | Phase::Stopping { .. }
            | Phase::Killing { .. }
            | Phase::Finishing { .. } => Vec::new(),
        }
    }

    /// Pipes may be open still: a destination that is stuck keeps them so when nobody writes any more.
    fn living(&mut self, descendants: usize, now: Instant) -> Vec<Action> {
        match self.phase {
            Phase::Draining { until } if now < until => Vec::new(),
            Phase::Draining { .. } if descendants > 0 => self.leave_or_stop(now),
            Phase::Draining { .. } => self.finish(now + LAST_WRITES),
            Phase::Leftovers { .. } if descendants == 0 => self.finish(now + LAST_WRITES),
            Phase::Leftovers { .. }
            | Phase::Running
            | Phase::Stopping { .. }
            | Phase::Killing { .. }
            | Phase::Finishing { .. } => Vec::new(),
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
            _ => Vec::new(),
        }
    }

    fn time_is_up(&mut self, now: Instant) -> Vec<Action> {
        match self.phase {
            Phase::Running => Vec::new(),
            Phase::Stopping { .. } => {
                let mut actions = vec![Action::TellKill];
                actions.extend(self.kill(now));
                actions
            }
            Phase::Killing { .. } => self.kill(now),
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

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn policy() -> Policy {
        Policy {
            stop_signal: None,
            stop_timeout: 90 * S,
            drain_timeout: 5 * S,
            leftovers: Leftovers::Stop,
            terminal: false,
            leads_session: false,
        }
    }

    fn user(signal: i32) -> Event {
        Event::Signal(Caught {
            signal,
            by_kernel: false,
        })
    }

    fn kernel(signal: i32) -> Event {
        Event::Signal(Caught {
            signal,
            by_kernel: true,
        })
    }

    const QUIET: Event = Event::Quiet { descendants: 0 };

    #[test]
    fn a_stop_is_forwarded_and_ends_with_the_servers_status() {
        let now = Instant::now();
        let mut machine = Machine::new(policy());
        assert_eq!(
            machine.on(user(libc::SIGTERM), now),
            [Action::Forward(libc::SIGTERM)]
        );
        assert_eq!(machine.deadline(), Some(now + 90 * S));
        assert_eq!(
            machine.on(Event::Gone(Exit::Code(3)), now),
            [Action::Drain, Action::TermLeftovers]
        );
        assert!(matches!(machine.on(QUIET, now)[..], [Action::Finish(_)]));
        assert_eq!(machine.on(Event::Written, now), [Action::Exit(3)]);
    }

    #[test]
    fn a_repeated_term_is_forwarded_and_moves_no_deadline() {
        let now = Instant::now();
        let mut machine = Machine::new(policy());
        machine.on(user(libc::SIGTERM), now);
        assert_eq!(
            machine.on(user(libc::SIGTERM), now + S),
            [Action::Forward(libc::SIGTERM)]
        );
        assert_eq!(machine.deadline(), Some(now + 90 * S));
    }

    #[test]
    fn at_the_stop_deadline_all_are_killed_again_and_again() {
        let now = Instant::now();
        let mut machine = Machine::new(policy());
        machine.on(user(libc::SIGINT), now);
        assert_eq!(machine.on(Event::Tick, now + 89 * S), []);
        let late = now + 90 * S;
        assert_eq!(
            machine.on(Event::Tick, late),
            [Action::TellKill, Action::KillAll]
        );
        assert_eq!(
            machine.on(Event::Tick, late + KILL_AGAIN),
            [Action::KillAll]
        );
        assert_eq!(
            machine.on(Event::Gone(Exit::Signal(9)), late + S)[0],
            Action::Drain
        );
        // However long the drain may be otherwise, a stop that came to its deadline is over soon after.
        assert_eq!(machine.deadline(), Some(late + S + AFTER_KILL));
    }

    #[test]
    fn a_stop_goes_on_to_the_process_that_follows() {
        let now = Instant::now();
        let mut machine = Machine::new(policy());
        assert_eq!(machine.on(Event::Followed, now), []);
        machine.on(user(libc::SIGTERM), now);
        assert_eq!(
            machine.on(Event::Followed, now),
            [Action::Forward(libc::SIGTERM)]
        );
    }

    #[test]
    fn the_stop_signal_stands_for_all_three() {
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT] {
            let mut machine = Machine::new(Policy {
                stop_signal: Some(libc::SIGWINCH),
                ..policy()
            });
            assert_eq!(
                machine.on(user(signal), Instant::now()),
                [Action::Forward(libc::SIGWINCH)]
            );
        }
    }

    #[test]
    fn other_signals_are_forwarded_and_usr1_reopens_too() {
        let mut machine = Machine::new(policy());
        let now = Instant::now();
        for signal in [
            libc::SIGHUP,
            libc::SIGUSR2,
            libc::SIGWINCH,
            libc::SIGTTIN,
            libc::SIGTTOU,
            libc::SIGCONT,
            40,
        ] {
            assert_eq!(machine.on(user(signal), now), [Action::Forward(signal)]);
        }
        assert_eq!(
            machine.on(user(libc::SIGUSR1), now),
            [Action::Reopen, Action::Forward(libc::SIGUSR1)]
        );
        assert_eq!(machine.deadline(), None);
    }

    #[test]
    fn what_a_terminal_sent_to_the_group_is_not_sent_twice() {
        let now = Instant::now();
        let mut machine = Machine::new(Policy {
            terminal: true,
            ..policy()
        });
        assert_eq!(machine.on(kernel(libc::SIGWINCH), now), []);
        assert_eq!(machine.on(kernel(libc::SIGHUP), now), []);
        assert_eq!(
            machine.on(kernel(libc::SIGTSTP), now),
            [Action::StopSelf(libc::SIGTSTP)]
        );
        assert_eq!(
            machine.on(kernel(libc::SIGTTIN), now),
            [Action::StopSelf(libc::SIGTTIN)]
        );
        assert_eq!(
            machine.on(user(libc::SIGTTIN), now),
            [Action::Forward(libc::SIGTTIN)]
        );
        assert_eq!(machine.on(kernel(libc::SIGINT), now), []);
        assert_eq!(machine.deadline(), Some(now + 90 * S));
        assert_eq!(machine.on(kernel(libc::SIGINT), now), []);
        assert_eq!(machine.on(kernel(libc::SIGINT), now), [Action::KillAll]);
    }

    #[test]
    fn a_hang_up_reaches_the_server_of_a_session_leader() {
        let mut machine = Machine::new(Policy {
            terminal: true,
            leads_session: true,
            ..policy()
        });
        assert_eq!(
            machine.on(kernel(libc::SIGHUP), Instant::now()),
            [Action::Forward(libc::SIGHUP)]
        );
    }

    #[test]
    fn interrupts_by_kill_never_escalate() {
        let mut machine = Machine::new(Policy {
            terminal: true,
            ..policy()
        });
        for _ in 0..9 {
            assert_eq!(
                machine.on(user(libc::SIGINT), Instant::now()),
                [Action::Forward(libc::SIGINT)]
            );
        }
    }

    #[test]
    fn leftovers_get_the_drain_to_end_by_themselves_then_term_then_kill() {
        let now = Instant::now();
        let mut machine = Machine::new(policy());
        assert_eq!(
            machine.on(Event::Gone(Exit::Signal(9)), now),
            [Action::Drain]
        );
        let late = now + 5 * S;
        assert_eq!(machine.on(Event::Living { descendants: 1 }, now), []);
        assert_eq!(machine.on(Event::Tick, late), [Action::Count]);
        assert_eq!(
            machine.on(Event::Living { descendants: 1 }, late),
            [Action::TermLeftovers]
        );
        assert_eq!(machine.on(Event::Quiet { descendants: 1 }, late), []);
        let end = machine.on(Event::Tick, now + 10 * S);
        assert!(matches!(end[..], [Action::KillAll, Action::Finish(_)]));
        assert_eq!(
            machine.on(Event::Written, now + 11 * S),
            [Action::Exit(137)]
        );
    }

    #[test]
    fn leftovers_without_pipes_are_stopped_at_once_and_waited_for() {
        let now = Instant::now();
        let mut machine = Machine::new(policy());
        machine.on(Event::Gone(Exit::Code(0)), now);
        assert_eq!(
            machine.on(Event::Quiet { descendants: 2 }, now),
            [Action::TermLeftovers]
        );
        assert!(matches!(machine.on(QUIET, now)[..], [Action::Finish(_)]));
    }

    #[test]
    fn leftovers_may_be_left() {
        let now = Instant::now();
        let mut machine = Machine::new(Policy {
            leftovers: Leftovers::Leave,
            ..policy()
        });
        machine.on(Event::Gone(Exit::Code(0)), now);
        machine.on(Event::Tick, now + 5 * S);
        let actions = machine.on(Event::Living { descendants: 1 }, now + 5 * S);
        assert!(matches!(
            actions[..],
            [Action::TellLeftovers, Action::Finish(_)]
        ));
    }

    #[test]
    fn a_stuck_destination_costs_the_drain_once() {
        let now = Instant::now();
        let mut machine = Machine::new(policy());
        machine.on(Event::Gone(Exit::Code(0)), now);
        let late = now + 5 * S;
        assert_eq!(machine.on(Event::Tick, late), [Action::Count]);
        assert_eq!(
            machine.on(Event::Living { descendants: 0 }, late),
            [Action::Finish(late + LAST_WRITES)]
        );
    }

    #[test]
    fn leftovers_that_end_are_not_waited_for() {
        let now = Instant::now();
        let mut machine = Machine::new(policy());
        machine.on(Event::Gone(Exit::Code(0)), now);
        let late = now + 5 * S;
        machine.on(Event::Tick, late);
        machine.on(Event::Living { descendants: 1 }, late);
        assert_eq!(
            machine.on(Event::Living { descendants: 0 }, late + S),
            [Action::Finish(late + S + LAST_WRITES)]
        );
    }

    #[test]
    fn a_stop_during_the_drain_stops_leftovers_at_once() {
        let now = Instant::now();
        let mut machine = Machine::new(policy());
        machine.on(Event::Gone(Exit::Code(1)), now);
        assert_eq!(
            machine.on(user(libc::SIGTERM), now),
            [Action::TermLeftovers]
        );
        machine.on(Event::Tick, now + 5 * S);
        machine.on(Event::Living { descendants: 1 }, now + 5 * S);
        machine.on(user(libc::SIGTERM), now + 5 * S);
        assert!(matches!(
            machine.on(Event::Tick, now + 5 * S)[..],
            [Action::KillAll, Action::Finish(_)]
        ));
    }

    #[test]
    fn a_data_plane_that_hangs_does_not_keep_the_program() {
        let now = Instant::now();
        let mut machine = Machine::new(policy());
        machine.on(Event::Gone(Exit::Code(7)), now);
        machine.on(QUIET, now);
        assert_eq!(machine.on(Event::Tick, now + 5 * S), []);
        assert_eq!(
            machine.on(Event::Tick, now + 5 * S + LAST_WORD),
            [Action::Exit(7)]
        );
    }
}
