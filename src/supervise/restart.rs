//! Whether and when a server that has ended is started again. Pure: ends and `now` in, verdicts out.

use crate::sys::wait::Exit;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A run of at least this length ends a series of failures: the next delay is the first again.
pub const HEALTHY: Duration = Duration::from_secs(60);

/// `--restart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum When {
    /// Never.
    #[default]
    No,
    /// After an end that is no success.
    OnFailure,
    /// After any end.
    Always,
}

/// `--restart-limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// So many starts, the first one too, are allowed…
    pub starts: usize,
    /// …in any span of this length.
    pub within: Duration,
}

/// `--exit-codes`: what counts as success besides status 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Success {
    /// Exit statuses, as this program would end with them: 143 stands for a death by TERM too.
    pub statuses: Vec<i32>,
    /// Signals that may end the server.
    pub signals: Vec<i32>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `--restart`.
    pub when: When,
    /// `--restart-delay`: before the first restart of a series; each further one takes twice as long.
    pub delay: Duration,
    /// `--restart-max-delay`: the longest delay.
    pub max_delay: Duration,
    /// `--restart-limit`.
    pub limit: Option<Limit>,
    /// `--exit-codes`.
    pub success: Success,
}

/// How a run of the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its main process ended.
    Exit(Exit),
    /// It could not be started; the status that tells it.
    Unstarted(i32),
}

impl Outcome {
    /// The exit status that tells it.
    pub fn status(self) -> i32 {
        match self {
            Self::Exit(exit) => exit.status(),
            Self::Unstarted(status) => status,
        }
    }
}

impl Success {
    /// Whether this end is one that the user calls good.
    pub fn is(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Exit(exit) => {
                let by_signal = matches!(exit, Exit::Signal(s) if self.signals.contains(&s));
                exit == Exit::Code(0) || by_signal || self.statuses.contains(&exit.status())
            }
            Outcome::Unstarted(_) => false,
        }
    }
}

/// What follows from an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The server is not wanted again.
    Over,
    /// It is started again.
    Again {
        /// When.
        at: Instant,
        /// How long that is from now.
        delay: Duration,
        /// Which run of the series it will be; the one that came first is 1.
        attempt: u32,
    },
    /// It would be, but `--restart-limit` is reached.
    GivenUp,
}

/// The series of runs of one server.
#[derive(Debug)]
pub struct Series {
    policy: Policy,
    /// When the last run was started.
    started: Option<Instant>,
    /// The last starts, at most as many as the limit allows.
    starts: VecDeque<Instant>,
    /// Runs that ended, since the last healthy one.
    ends: u32,
}

impl Series {
    /// A server that was never started.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            started: None,
            starts: VecDeque::new(),
            ends: 0,
        }
    }

    /// It is started.
    pub fn started(&mut self, now: Instant) {
        self.started = Some(now);
        if let Some(limit) = self.policy.limit {
            self.starts.push_back(now);
            while self.starts.len() > limit.starts {
                self.starts.pop_front();
            }
        }
    }

    /// Somebody asked for a restart: it counts neither as a failure nor against the limit.
    pub fn asked(&mut self) {
        self.ends = 0;
        self.starts.clear();
    }

    /// It has ended. `hopeless`: its status says that trying again soon is of no use.
    pub fn ended(&mut self, outcome: Outcome, hopeless: bool, now: Instant) -> Verdict {
        let wanted = match self.policy.when {
            When::No => false,
            When::OnFailure => !self.policy.success.is(outcome),
            When::Always => true,
        };
        if !wanted {
            return Verdict::Over;
        }
        if self.started.is_some_and(|at| now >= at + HEALTHY) {
            self.ends = 0;
        }
        self.ends = self.ends.saturating_add(1);
        let delay = if hopeless {
            self.policy.max_delay
        } else {
            self.doubled()
        };
        let at = now + delay;
        if self.is_beyond_the_limit(at) {
            return Verdict::GivenUp;
        }
        Verdict::Again {
            at,
            delay,
            attempt: self.ends.saturating_add(1),
        }
    }

    fn doubled(&self) -> Duration {
        let factor = 1u32.checked_shl(self.ends - 1).unwrap_or(u32::MAX);
        let delay = self.policy.delay.checked_mul(factor);
        delay.map_or(self.policy.max_delay, |d| d.min(self.policy.max_delay))
    }

    /// Whether a start at `at` would be one too many.
    fn is_beyond_the_limit(&self, at: Instant) -> bool {
        self.policy.limit.is_some_and(|limit| {
            let recent = |start: &&Instant| at.duration_since(**start) < limit.within;
            self.starts.iter().filter(recent).count() >= limit.starts
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn policy(when: When) -> Policy {
        Policy {
            when,
            delay: S,
            max_delay: 60 * S,
            limit: None,
            success: Success::default(),
        }
    }

    fn code(code: i32) -> Outcome {
        Outcome::Exit(Exit::Code(code))
    }

    /// Runs of this length that fail, one after the other; the delays between them.
    fn delays(series: &mut Series, mut now: Instant, length: Duration, count: usize) -> Vec<u64> {
        let mut delays = Vec::new();
        for _ in 0..count {
            series.started(now);
            match series.ended(code(1), false, now + length) {
                Verdict::Again { at, delay, attempt } => {
                    assert_eq!(at, now + length + delay);
                    assert_eq!(attempt as usize, delays.len() + 2);
                    delays.push(delay.as_secs());
                    now = at;
                }
                other => panic!("{other:?}"),
            }
        }
        delays
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let mut series = Series::new(policy(When::OnFailure));
        let found = delays(&mut series, Instant::now(), Duration::ZERO, 40);
        assert_eq!(found[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(found[8..].iter().all(|delay| *delay == 60));
    }

    #[test]
    fn a_healthy_minute_begins_anew() {
        let mut series = Series::new(policy(When::OnFailure));
        let now = Instant::now();
        assert_eq!(delays(&mut series, now, 59 * S, 3), [1, 2, 4]);
        series.started(now);
        let Verdict::Again { delay, attempt, .. } = series.ended(code(1), false, now + HEALTHY)
        else {
            panic!("no restart");
        };
        assert_eq!((delay, attempt), (S, 2));
    }

    #[test]
    fn who_is_started_again() {
        let success = Success {
            statuses: vec![7, 143],
            signals: vec![libc::SIGINT],
        };
        let signal = |number| Outcome::Exit(Exit::Signal(number));
        let table = [
            (code(0), true),
            (code(7), true),
            (code(8), false),
            (code(143), true),
            (signal(libc::SIGTERM), true),
            (signal(libc::SIGINT), true),
            (code(130), false),
            (signal(libc::SIGKILL), false),
            (Outcome::Unstarted(0), false),
        ];
        for (outcome, good) in table {
            assert_eq!(success.is(outcome), good, "{outcome:?}");
            for (when, again) in [
                (When::No, false),
                (When::OnFailure, !good),
                (When::Always, true),
            ] {
                let mut series = Series::new(Policy {
                    success: success.clone(),
                    ..policy(when)
                });
                let now = Instant::now();
                series.started(now);
                let verdict = series.ended(outcome, false, now);
                let found = matches!(verdict, Verdict::Again { .. });
                assert_eq!(found, again, "{outcome:?} {when:?}");
            }
        }
    }

    #[test]
    fn what_is_hopeless_waits_as_long_as_may_be() {
        let mut series = Series::new(policy(When::Always));
        let now = Instant::now();
        series.started(now);
        assert_eq!(
            series.ended(code(3), true, now),
            Verdict::Again {
                at: now + 60 * S,
                delay: 60 * S,
                attempt: 2
            }
        );
    }

    #[test]
    fn one_start_more_than_the_limit_allows_is_not_made() {
        let limited = |within| {
            Series::new(Policy {
                limit: Some(Limit { starts: 3, within }),
                ..policy(When::Always)
            })
        };
        let now = Instant::now();
        let mut series = limited(100 * S);
        assert_eq!(delays(&mut series, now, Duration::ZERO, 2), [1, 2]);
        series.started(now + 3 * S);
        assert_eq!(series.ended(code(1), false, now + 3 * S), Verdict::GivenUp);
        // The same ends, when the first start is out of the span by then.
        let mut series = limited(7 * S);
        assert_eq!(delays(&mut series, now, Duration::ZERO, 6).len(), 6);
    }

    #[test]
    fn a_restart_that_was_asked_for_does_not_count() {
        let mut series = Series::new(Policy {
            limit: Some(Limit {
                starts: 1,
                within: 100 * S,
            }),
            ..policy(When::Always)
        });
        let now = Instant::now();
        series.started(now);
        series.asked();
        assert!(matches!(
            series.ended(code(1), false, now),
            Verdict::Again { attempt: 2, .. }
        ));
    }
}
