//! What a caught signal means: `--signal`, `--stop-signal`, and who sent it. Pure.

use super::profile::Server;
use super::task::Task;
use std::collections::BTreeMap;

/// A signal that came to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caught {
    /// Its number.
    pub signal: i32,
    /// Whether the kernel sent it (`si_code` SI_KERNEL): then the terminal did, to the whole foreground process group.
    pub by_kernel: bool,
}

/// TO of `--signal FROM=TO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Send this one to the server instead.
    Signal(i32),
    /// Do nothing.
    Ignore,
    /// Do this.
    Task(Task),
}

/// What is to be done about a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The servers are to end, and this program with them.
    Stop {
        /// By this signal.
        signal: i32,
        /// Whether the terminal has sent it to the server already.
        from_terminal: bool,
        /// It came as INT.
        interrupt: bool,
    },
    /// Send this signal to the main processes.
    Forward(i32),
    /// Do this.
    Task(Task),
    /// Open this program's own logs again.
    Reopen,
    /// Stop this program by this signal, as the terminal asked; it goes on with CONT.
    StopSelf(i32),
}

/// The signals that mean the end.
pub const STOPS: [i32; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT];

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct SignalMap {
    /// `--signal`.
    pub targets: BTreeMap<i32, Target>,
    /// `--stop-signal`: what TERM, INT and QUIT are forwarded as.
    pub stop_signal: Option<i32>,
    /// The server, as far as it is known: it says what TERM, INT and QUIT are forwarded as where `--stop-signal` does not.
    pub server: Server,
    /// Whether there is a controlling terminal: then the server is in this program's process group, and the terminal's signals reach it by themselves.
    pub terminal: bool,
    /// Whether this program leads its session: then a hang-up comes to it alone.
    pub leads_session: bool,
}

impl SignalMap {
    /// What `caught` means; nothing where the terminal has done all.
    pub fn meanings(&self, caught: Caught) -> Vec<Meaning> {
        match self.targets.get(&caught.signal) {
            // As without any profile.
            Some(Target::Signal(same)) if *same == caught.signal => self.plain(caught, *same),
            Some(Target::Signal(to)) if STOPS.contains(&caught.signal) => {
                vec![Meaning::Stop {
                    signal: *to,
                    from_terminal: false,
                    interrupt: false,
                }]
            }
            Some(Target::Signal(to)) => vec![Meaning::Forward(*to)],
            Some(Target::Ignore) => Vec::new(),
            Some(Target::Task(task)) => vec![Meaning::Task(*task)],
            None => {
                let profile = self.server.profile();
                let stop = self.stop_signal;
                self.plain(
                    caught,
                    stop.unwrap_or_else(|| profile.stop_for(caught.signal)),
                )
            }
        }
    }

    /// The signal that ends the server where nobody sent one.
    pub fn stop_signal(&self) -> i32 {
        self.stop_signal.unwrap_or(self.server.profile().stop)
    }

    /// `stop`: what the signal is forwarded as, if it is a stop.
    fn plain(&self, caught: Caught, stop: i32) -> Vec<Meaning> {
        let from_terminal = self.terminal && caught.by_kernel;
        match caught.signal {
            signal if STOPS.contains(&signal) => vec![Meaning::Stop {
                signal: stop,
                from_terminal,
                interrupt: signal == libc::SIGINT,
            }],
            // The terminal stopped the whole group; this program catches the signal and must stop by itself.
            libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU if from_terminal => {
                vec![Meaning::StopSelf(caught.signal)]
            }
            libc::SIGTSTP if self.terminal => vec![
                Meaning::Forward(caught.signal),
                Meaning::StopSelf(caught.signal),
            ],
            libc::SIGWINCH if from_terminal => Vec::new(),
            libc::SIGHUP if from_terminal && !self.leads_session => Vec::new(),
            libc::SIGUSR1 => vec![Meaning::Reopen, Meaning::Forward(caught.signal)],
            other => vec![Meaning::Forward(other)],
        }
    }
}

/// Whether a signal is left that ends this program.
pub fn can_be_stopped(targets: &BTreeMap<i32, Target>) -> bool {
    let stops = |signal: &i32| matches!(targets.get(signal), None | Some(Target::Signal(_)));
    let asked = |target: &Target| *target == Target::Task(Task::Stop);
    STOPS.iter().any(stops) || targets.values().any(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(signal: i32) -> Caught {
        Caught {
            signal,
            by_kernel: false,
        }
    }

    fn kernel(signal: i32) -> Caught {
        Caught {
            signal,
            by_kernel: true,
        }
    }

    fn stop(signal: i32) -> Meaning {
        Meaning::Stop {
            signal,
            from_terminal: false,
            interrupt: false,
        }
    }

    fn on_terminal() -> SignalMap {
        SignalMap {
            terminal: true,
            ..SignalMap::default()
        }
    }

    fn mapping(targets: &[(i32, Target)]) -> SignalMap {
        SignalMap {
            targets: targets.iter().copied().collect(),
            ..SignalMap::default()
        }
    }

    #[test]
    fn all_but_the_stops_are_forwarded_and_usr1_reopens_too() {
        let map = SignalMap::default();
        for signal in 1..=64 {
            let meanings = map.meanings(user(signal));
            match signal {
                libc::SIGTERM | libc::SIGQUIT => assert_eq!(meanings, [stop(signal)]),
                libc::SIGINT => assert!(matches!(
                    meanings[..],
                    [Meaning::Stop {
                        signal: libc::SIGINT,
                        from_terminal: false,
                        interrupt: true
                    }]
                )),
                libc::SIGUSR1 => {
                    assert_eq!(meanings, [Meaning::Reopen, Meaning::Forward(signal)]);
                }
                other => assert_eq!(meanings, [Meaning::Forward(other)]),
            }
        }
    }

    #[test]
    fn the_stop_signal_stands_for_all_three() {
        let map = SignalMap {
            stop_signal: Some(libc::SIGWINCH),
            ..SignalMap::default()
        };
        for signal in STOPS {
            assert!(matches!(
                map.meanings(user(signal))[..],
                [Meaning::Stop {
                    signal: libc::SIGWINCH,
                    ..
                }]
            ));
        }
    }

    #[test]
    fn the_server_says_what_a_stop_is_unless_the_user_does() {
        let apache = SignalMap {
            server: Server::Apache,
            ..SignalMap::default()
        };
        assert_eq!(apache.stop_signal(), libc::SIGWINCH);
        let stops = |map: &SignalMap| {
            let signals = STOPS.map(|signal| map.meanings(user(signal)));
            signals.map(|meanings| match meanings[..] {
                [Meaning::Stop { signal, .. }] => signal,
                _ => panic!("{meanings:?}"),
            })
        };
        assert_eq!(
            stops(&apache),
            [libc::SIGWINCH, libc::SIGTERM, libc::SIGTERM]
        );
        let asked = SignalMap {
            stop_signal: Some(libc::SIGHUP),
            ..apache.clone()
        };
        assert_eq!(stops(&asked), [libc::SIGHUP; 3]);
        let mapped = SignalMap {
            targets: STOPS.map(|signal| (signal, Target::Signal(signal))).into(),
            ..apache
        };
        assert_eq!(stops(&mapped), STOPS);
    }

    #[test]
    fn what_a_terminal_sent_to_the_group_is_not_sent_twice() {
        let map = on_terminal();
        for signal in [libc::SIGWINCH, libc::SIGHUP] {
            assert_eq!(map.meanings(kernel(signal)), []);
        }
        for signal in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
            assert_eq!(map.meanings(kernel(signal)), [Meaning::StopSelf(signal)]);
        }
        let interrupt = Meaning::Stop {
            signal: libc::SIGINT,
            from_terminal: true,
            interrupt: true,
        };
        assert_eq!(map.meanings(kernel(libc::SIGINT)), [interrupt]);
    }

    #[test]
    fn what_a_process_sent_is_forwarded_on_a_terminal_too() {
        let map = on_terminal();
        for signal in [libc::SIGTTIN, libc::SIGTTOU, libc::SIGCONT, libc::SIGHUP] {
            assert_eq!(map.meanings(user(signal)), [Meaning::Forward(signal)]);
        }
        assert_eq!(
            map.meanings(user(libc::SIGTSTP)),
            [
                Meaning::Forward(libc::SIGTSTP),
                Meaning::StopSelf(libc::SIGTSTP)
            ]
        );
    }

    #[test]
    fn without_a_terminal_nothing_stops_this_program() {
        let map = SignalMap::default();
        for signal in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
            for caught in [user(signal), kernel(signal)] {
                assert_eq!(map.meanings(caught), [Meaning::Forward(signal)]);
            }
        }
    }

    #[test]
    fn a_hang_up_reaches_the_server_of_a_session_leader() {
        let map = SignalMap {
            leads_session: true,
            ..on_terminal()
        };
        assert_eq!(
            map.meanings(kernel(libc::SIGHUP)),
            [Meaning::Forward(libc::SIGHUP)]
        );
    }

    #[test]
    fn each_form_of_a_mapping() {
        let map = mapping(&[
            (libc::SIGHUP, Target::Signal(libc::SIGUSR2)),
            (libc::SIGTERM, Target::Signal(libc::SIGQUIT)),
            (libc::SIGINT, Target::Ignore),
            (libc::SIGQUIT, Target::Task(Task::Restart)),
            (libc::SIGUSR1, Target::Signal(libc::SIGUSR1)),
            (libc::SIGUSR2, Target::Task(Task::Stop)),
        ]);
        assert_eq!(
            map.meanings(user(libc::SIGHUP)),
            [Meaning::Forward(libc::SIGUSR2)]
        );
        // A stop that is mapped to a signal stays a stop.
        assert_eq!(map.meanings(user(libc::SIGTERM)), [stop(libc::SIGQUIT)]);
        assert_eq!(map.meanings(user(libc::SIGINT)), []);
        assert_eq!(
            map.meanings(user(libc::SIGQUIT)),
            [Meaning::Task(Task::Restart)]
        );
        assert_eq!(
            map.meanings(user(libc::SIGUSR1)),
            [Meaning::Reopen, Meaning::Forward(libc::SIGUSR1)]
        );
        assert_eq!(
            map.meanings(user(libc::SIGUSR2)),
            [Meaning::Task(Task::Stop)]
        );
    }

    #[test]
    fn one_stop_must_be_left() {
        let ignored = |signals: &[i32]| signals.iter().map(|s| (*s, Target::Ignore)).collect();
        let mut targets: BTreeMap<i32, Target> = ignored(&STOPS[..2]);
        assert!(can_be_stopped(&targets));
        targets = ignored(&STOPS);
        assert!(!can_be_stopped(&targets));
        targets.insert(libc::SIGHUP, Target::Task(Task::Stop));
        assert!(can_be_stopped(&targets));
    }
}
