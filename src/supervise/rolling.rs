//! `restart-workers`: worker after worker is replaced by the server. Pure: what lives and `now` in, steps out.
//!
//! A worker is asked to end by the profile's signal; its main process starts another in its place, as every pre-fork server does.
//! The next one's turn comes when the replacement has lived for `--rolling-wait`. Whatever goes wrong ends it, with all
//! other workers untouched.
//!
//! A turn: `Ending` (asked to end, later killed) → `Gone` (no replacement yet) → `Young` (the replacement lives) → over.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

/// How often the children are looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a server may take to replace a worker. uWSGI and puma hold back for some seconds when workers end often.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The same for a server that may have no need of one: Apache looks once a second, and starts the more the longer it was short.
pub const SHORT_PATIENCE: Duration = Duration::from_secs(2);

/// How long a killed worker may take to end: one that hangs in the kernel is not waited for.
const AFTER_KILL: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// `--rolling`: how many may be in their turn at the same time; at least 1.
    pub at_once: usize,
    /// `--rolling-wait`: how long a replacement must live before the next one's turn.
    pub wait: Duration,
}

/// A child of the main process; or, of a server with several instances, the main process of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Child {
    /// When it was born, on any clock that all have in common.
    pub born: u64,
    /// Its PID.
    pub pid: i32,
}

/// A child that lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub child: Child,
    /// Whether it is a worker by all that is known: not one that executed another program, for example.
    pub worker: bool,
}

/// How it is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// What asks a worker to end.
    pub signal: i32,
    /// How many at once, and how long each replacement is watched.
    pub settings: Settings,
    /// `--stop-timeout`: when a worker is killed that was asked to end.
    pub kill_after: Duration,
    /// How long a replacement may take to come.
    pub patience: Duration,
    /// Whether one must come at all.
    pub replaces: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this signal to this worker.
    Signal(i32, i32),
    /// This worker has not ended in time: KILL.
    Kill(i32),
    /// A worker's turn is over; the second is its replacement, if there is one.
    Replaced(i32, Option<i32>),
    /// All have had their turn; the last step.
    Done,
    /// It cannot go on, for this reason; the last step.
    Failed(String),
}

#[derive(Debug)]
enum Stage {
    Ending {
        until: Instant,
        killed: bool,
    },
    Gone {
        since: Instant,
        until: Instant,
    },
    Young {
        child: Child,
        since: Instant,
        /// When its worker was gone.
        gone: Instant,
    },
}

type Spare = VecDeque<(Child, Instant)>;

#[derive(Debug)]
struct Turn {
    worker: Child,
    /// It has ended by itself: it may have been on its way out, with its replacement there already.
    by_itself: bool,
    stage: Stage,
}

/// A rolling restart under way.
#[derive(Debug)]
pub struct Rolling {
    order: Order,
    waiting: VecDeque<Child>,
    turns: Vec<Turn>,
    /// Workers that were seen before.
    known: HashSet<Child>,
    /// Workers that were born while one was missing or young, and are nobody's replacement yet; with the time of the look.
    spare: Spare,
    look_at: Instant,
    count: usize,
    done: usize,
}

impl Rolling {
    /// Begins with the first turns; the oldest worker comes first. Without any worker it fails.
    pub fn begin(order: Order, seen: &[Seen], now: Instant) -> (Self, Vec<Step>) {
        let mut workers: Vec<Child> = workers(seen).collect();
        workers.sort_unstable();
        let mut rolling = Self {
            order,
            known: workers.iter().copied().collect(),
            count: workers.len(),
            waiting: workers.into(),
            turns: Vec::new(),
            spare: VecDeque::new(),
            look_at: now,
            done: 0,
        };
        let steps = if rolling.count == 0 {
            vec![Step::Failed("the server has no workers".into())]
        } else {
            rolling.look(seen, now)
        };
        (rolling, steps)
    }

    /// When [`Rolling::look`] is due.
    pub fn deadline(&self) -> Instant {
        self.look_at
    }

    /// How many workers there were, and how many turns are over.
    pub fn progress(&self) -> (usize, usize) {
        (self.count, self.done)
    }

    /// What follows from the children that live now.
    pub fn look(&mut self, seen: &[Seen], now: Instant) -> Vec<Step> {
        self.look_at = now + LOOK_EVERY;
        let mut steps = Vec::new();
        self.note_ends(seen, now);
        self.note_births(seen, now);
        if let Err(reason) = self.advance(seen, now, &mut steps) {
            steps.push(Step::Failed(reason));
            return steps;
        }
        while self.turns.len() < self.order.settings.at_once
            && let Some(worker) = self.waiting.pop_front()
        {
            steps.push(Step::Signal(worker.pid, self.order.signal));
            self.turns.push(Turn {
                worker,
                by_itself: false,
                stage: Stage::Ending {
                    until: now + self.order.kill_after,
                    killed: false,
                },
            });
        }
        if self.turns.is_empty() {
            steps.push(Step::Done);
        }
        steps
    }

    /// Workers that are gone: in their turn, or by themselves before it, which makes it their turn.
    fn note_ends(&mut self, seen: &[Seen], now: Instant) {
        let until = now + self.order.patience;
        for turn in &mut self.turns {
            if matches!(turn.stage, Stage::Ending { .. }) && !lives(seen, turn.worker) {
                turn.stage = Stage::Gone { since: now, until };
            }
        }
        let turns = &mut self.turns;
        self.waiting.retain(|worker| {
            let stays = lives(seen, *worker);
            if !stays {
                turns.push(Turn {
                    worker: *worker,
                    by_itself: true,
                    stage: Stage::Gone { since: now, until },
                });
            }
            stays
        });
    }

    /// Workers that are new. One that was there before a worker was missing replaces none.
    fn note_births(&mut self, seen: &[Seen], now: Instant) {
        let missing = self
            .turns
            .iter()
            .any(|turn| !matches!(turn.stage, Stage::Ending { .. }));
        let mut new: Vec<Child> = workers(seen)
            .filter(|child| self.known.insert(*child))
            .collect();
        new.sort_unstable();
        self.spare.retain(|(child, _)| is_worker(seen, *child));
        if missing {
            self.spare.extend(new.into_iter().map(|child| (child, now)));
        }
    }

    /// Takes each turn as far as it goes.
    fn advance(
        &mut self,
        seen: &[Seen],
        now: Instant,
        steps: &mut Vec<Step>,
    ) -> Result<(), String> {
        let (order, spare) = (self.order, &mut self.spare);
        let mut failure = None;
        let before = self.turns.len();
        self.turns
            .retain_mut(|turn| match turn.step(&order, seen, spare, now) {
                Ok(None) => true,
                Ok(Some(step)) => {
                    let stays = !matches!(step, Step::Replaced(..));
                    steps.push(step);
                    stays
                }
                Err(reason) => {
                    failure.get_or_insert(reason);
                    true
                }
            });
        self.done += before - self.turns.len();
        if self.turns.is_empty() {
            self.spare.clear();
        }
        failure.map_or(Ok(()), Err)
    }
}

impl Turn {
    fn step(
        &mut self,
        order: &Order,
        seen: &[Seen],
        spare: &mut Spare,
        now: Instant,
    ) -> Result<Option<Step>, String> {
        self.mourn(order, seen, spare, now)?;
        if let Stage::Gone { since: gone, .. } = self.stage
            && let Some((child, since)) = take(spare, |born| born >= gone)
        {
            self.stage = Stage::Young { child, since, gone };
        }
        let worker = self.worker.pid;
        match self.stage {
            Stage::Young { child, since, .. } if now >= since + order.settings.wait => {
                Ok(Some(Step::Replaced(worker, Some(child.pid))))
            }
            Stage::Gone { until, .. } if now >= until => {
                if order.replaces && !self.by_itself {
                    return Err(format!(
                        "the server has started no process in the place of {worker}"
                    ));
                }
                Ok(Some(Step::Replaced(worker, None)))
            }
            Stage::Ending { until, killed } if now >= until && killed => {
                Err(format!("process {worker} does not end, not even by KILL"))
            }
            Stage::Ending { until, .. } if now >= until => {
                self.stage = Stage::Ending {
                    until: now + AFTER_KILL,
                    killed: true,
                };
                Ok(Some(Step::Kill(worker)))
            }
            Stage::Young { .. } | Stage::Gone { .. } | Stage::Ending { .. } => Ok(None),
        }
    }

    /// What is done where the replacement is none any more.
    fn mourn(
        &mut self,
        order: &Order,
        seen: &[Seen],
        spare: &mut Spare,
        now: Instant,
    ) -> Result<(), String> {
        let Stage::Young { child, since, gone } = self.stage else {
            return Ok(());
        };
        if is_worker(seen, child) {
            return Ok(());
        }
        // One that lived beside it is the replacement, and what has ended was a helper. One that came after it may have taken
        // its place, as when each dies at its start.
        self.stage = match take(spare, |born| born >= gone && born < now) {
            Some((child, since)) => Stage::Young { child, since, gone },
            // It executed another program, so it never was a worker.
            None if lives(seen, child) => Stage::Gone {
                since: gone,
                until: now + order.patience,
            },
            None => {
                let lived = humantime::format_duration(rounded(now.duration_since(since)));
                let (pid, worker) = (child.pid, self.worker.pid);
                return Err(format!(
                    "process {pid}, which replaced {worker}, ended after {lived}"
                ));
            }
        };
        Ok(())
    }
}

/// The first one whose time `suits`.
fn take(spare: &mut Spare, suits: impl Fn(Instant) -> bool) -> Option<(Child, Instant)> {
    let index = spare.iter().position(|(_, born)| suits(*born))?;
    spare.remove(index)
}

/// To the tenth of a second that a person wants to know.
fn rounded(time: Duration) -> Duration {
    Duration::from_millis(time.as_millis() as u64 / 100 * 100)
}

fn workers(seen: &[Seen]) -> impl Iterator<Item = Child> {
    seen.iter()
        .filter(|seen| seen.worker)
        .map(|seen| seen.child)
}

fn is_worker(seen: &[Seen], child: Child) -> bool {
    seen.iter().any(|seen| seen.child == child && seen.worker)
}

fn lives(seen: &[Seen], child: Child) -> bool {
    seen.iter().any(|seen| seen.child == child)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);
    const TERM: i32 = libc::SIGTERM;

    fn order(at_once: usize) -> Order {
        Order {
            signal: TERM,
            settings: Settings {
                at_once,
                wait: 2 * S,
            },
            kill_after: 90 * S,
            patience: PATIENCE,
            replaces: true,
        }
    }

    /// Children by PID; each is as old as its PID is low. A negative one is no worker.
    fn seen(pids: &[i32]) -> Vec<Seen> {
        let one = |pid: &i32| Seen {
            child: Child {
                born: u64::from(pid.unsigned_abs()),
                pid: pid.abs(),
            },
            worker: *pid > 0,
        };
        pids.iter().map(one).collect()
    }

    /// Looks at these children at these seconds; returns what the last look gave.
    fn looks(rolling: &mut Rolling, start: Instant, looks: &[(f64, &[i32])]) -> Vec<Step> {
        let mut steps = Vec::new();
        for (at, pids) in looks {
            steps = rolling.look(&seen(pids), start + Duration::from_secs_f64(*at));
        }
        steps
    }

    fn begun(order: Order, pids: &[i32], now: Instant) -> Rolling {
        Rolling::begin(order, &seen(pids), now).0
    }

    #[test]
    fn one_after_another_the_oldest_first() {
        let now = Instant::now();
        let (mut rolling, steps) = Rolling::begin(order(1), &seen(&[12, 10, 11]), now);
        assert_eq!(steps, [Step::Signal(10, TERM)]);
        assert_eq!(rolling.deadline(), now + LOOK_EVERY);
        assert_eq!(
            looks(&mut rolling, now, &[(0.1, &[10, 11, 12]), (0.2, &[11, 12])]),
            []
        );
        assert_eq!(
            looks(
                &mut rolling,
                now,
                &[(0.3, &[11, 12, 20]), (2.2, &[11, 12, 20])]
            ),
            []
        );
        let next = [Step::Replaced(10, Some(20)), Step::Signal(11, TERM)];
        assert_eq!(looks(&mut rolling, now, &[(2.3, &[11, 12, 20])]), next);
        // One that is gone and replaced within one look.
        looks(&mut rolling, now, &[(3.0, &[12, 20, 21])]);
        let next = [Step::Replaced(11, Some(21)), Step::Signal(12, TERM)];
        assert_eq!(looks(&mut rolling, now, &[(5.0, &[12, 20, 21])]), next);
        let last = [Step::Replaced(12, Some(22)), Step::Done];
        assert_eq!(
            looks(
                &mut rolling,
                now,
                &[(6.0, &[20, 21, 22]), (8.0, &[20, 21, 22])]
            ),
            last
        );
        assert_eq!(rolling.progress(), (3, 3));
    }

    #[test]
    fn several_at_once_and_each_makes_room_for_the_next() {
        let now = Instant::now();
        let (mut rolling, steps) = Rolling::begin(order(2), &seen(&[10, 11, 12]), now);
        assert_eq!(steps, [Step::Signal(10, TERM), Step::Signal(11, TERM)]);
        let steps = looks(
            &mut rolling,
            now,
            &[(1.0, &[10, 12, 20]), (3.0, &[10, 12, 20])],
        );
        assert_eq!(
            steps,
            [Step::Replaced(11, Some(20)), Step::Signal(12, TERM)]
        );
        looks(&mut rolling, now, &[(4.0, &[20]), (4.1, &[20, 21, 22])]);
        let steps = looks(&mut rolling, now, &[(6.1, &[20, 21, 22])]);
        assert_eq!(
            steps,
            [
                Step::Replaced(10, Some(21)),
                Step::Replaced(12, Some(22)),
                Step::Done
            ]
        );
    }

    #[test]
    fn more_at_once_than_there_are() {
        let now = Instant::now();
        let (_, steps) = Rolling::begin(order(9), &seen(&[10, 11]), now);
        assert_eq!(steps.len(), 2);
    }

    #[test]
    fn without_workers_nothing_is_begun() {
        let (_, steps) = Rolling::begin(order(1), &seen(&[-7]), Instant::now());
        assert_eq!(steps, [Step::Failed("the server has no workers".into())]);
    }

    #[test]
    fn no_wait_is_no_wait() {
        let now = Instant::now();
        let mut rolling = begun(
            Order {
                settings: Settings {
                    at_once: 1,
                    wait: Duration::ZERO,
                },
                ..order(1)
            },
            &[10],
            now,
        );
        let steps = looks(&mut rolling, now, &[(0.1, &[20])]);
        assert_eq!(steps, [Step::Replaced(10, Some(20)), Step::Done]);
    }

    #[test]
    fn a_worker_that_does_not_end_is_killed_and_then_given_up() {
        let now = Instant::now();
        let mut rolling = begun(order(1), &[10, 11], now);
        assert_eq!(looks(&mut rolling, now, &[(89.9, &[10, 11])]), []);
        assert_eq!(
            looks(&mut rolling, now, &[(90.0, &[10, 11])]),
            [Step::Kill(10)]
        );
        assert_eq!(looks(&mut rolling, now, &[(99.9, &[10, 11])]), []);
        let steps = looks(&mut rolling, now, &[(100.0, &[10, 11])]);
        assert!(matches!(&steps[..], [Step::Failed(why)] if why.contains("10 does not end")));
        // One that ends by KILL is replaced like any other.
        let mut rolling = begun(order(1), &[10], now);
        looks(
            &mut rolling,
            now,
            &[(90.0, &[10]), (90.1, &[]), (90.2, &[20])],
        );
        assert_eq!(
            looks(&mut rolling, now, &[(93.0, &[20])]).last(),
            Some(&Step::Done)
        );
    }

    #[test]
    fn a_replacement_that_dies_ends_it() {
        let now = Instant::now();
        let mut rolling = begun(order(1), &[10, 11], now);
        let steps = looks(&mut rolling, now, &[(1.0, &[11, 20]), (2.55, &[11])]);
        let reason = "process 20, which replaced 10, ended after 1s 500ms";
        assert_eq!(steps, [Step::Failed(reason.into())]);
        assert_eq!(rolling.progress(), (2, 0));
        // Also where the server has started yet another by then.
        let mut rolling = begun(order(1), &[10, 11], now);
        let steps = looks(&mut rolling, now, &[(1.0, &[11, 20]), (1.1, &[11, 21])]);
        assert!(matches!(steps[..], [Step::Failed(_)]), "{steps:?}");
    }

    #[test]
    fn one_that_was_born_before_a_worker_ended_does_not_replace_it() {
        let now = Instant::now();
        let mut rolling = begun(order(2), &[10, 11], now);
        // 10 has two that came after it; 11 ends later and has none.
        looks(&mut rolling, now, &[(1.0, &[11, 20, 21]), (2.0, &[20, 21])]);
        let steps = looks(&mut rolling, now, &[(3.0, &[20, 21]), (9.0, &[20, 21])]);
        assert_eq!((steps, rolling.progress()), (vec![], (2, 1)));
    }

    #[test]
    fn no_replacement_ends_it() {
        let now = Instant::now();
        let mut rolling = begun(order(1), &[10, 11], now);
        assert_eq!(looks(&mut rolling, now, &[(1.0, &[11]), (10.9, &[11])]), []);
        let steps = looks(&mut rolling, now, &[(11.0, &[11])]);
        assert!(matches!(&steps[..], [Step::Failed(why)] if why.contains("in the place of 10")));
    }

    #[test]
    fn a_server_that_has_enough_of_them_need_not_replace() {
        let now = Instant::now();
        let mut rolling = begun(
            Order {
                replaces: false,
                patience: SHORT_PATIENCE,
                ..order(1)
            },
            &[10, 11],
            now,
        );
        let steps = looks(&mut rolling, now, &[(1.0, &[11]), (3.0, &[11])]);
        assert_eq!(steps, [Step::Replaced(10, None), Step::Signal(11, TERM)]);
    }

    #[test]
    fn a_helper_replaces_nobody() {
        let now = Instant::now();
        // There before the worker ended.
        let mut rolling = begun(order(1), &[10, 11], now);
        assert_eq!(
            looks(
                &mut rolling,
                now,
                &[(0.5, &[10, 11, 15]), (1.0, &[11, 15]), (4.0, &[11, 15])]
            ),
            []
        );
        // Not a worker by what is known of it.
        assert_eq!(
            looks(
                &mut rolling,
                now,
                &[(5.0, &[11, 15, -16]), (8.0, &[11, 15, -16])]
            ),
            []
        );
        // Taken for one until it executes its program.
        assert_eq!(
            looks(
                &mut rolling,
                now,
                &[
                    (8.1, &[11, 15, 17]),
                    (8.2, &[11, 15, -17]),
                    (10.2, &[11, 15, -17])
                ]
            ),
            []
        );
        // It lives beside the replacement, and ends.
        assert_eq!(
            looks(
                &mut rolling,
                now,
                &[
                    (10.3, &[11, 15, 18]),
                    (10.4, &[11, 15, 18, 20]),
                    (10.5, &[11, 15, 20])
                ]
            ),
            []
        );
        assert_eq!(looks(&mut rolling, now, &[(12.3, &[11, 15, 20])]), []);
        assert_eq!(
            looks(&mut rolling, now, &[(12.4, &[11, 15, 20])])[0],
            Step::Replaced(10, Some(20))
        );
    }

    #[test]
    fn one_that_ends_by_itself_before_its_turn_is_waited_for_too() {
        let now = Instant::now();
        let mut rolling = begun(order(1), &[10, 11, 12], now);
        looks(
            &mut rolling,
            now,
            &[(1.0, &[10, 12]), (1.1, &[10, 12, 20]), (3.1, &[10, 12, 20])],
        );
        assert_eq!(rolling.progress(), (3, 1));
        looks(&mut rolling, now, &[(4.0, &[12, 20, 21])]);
        let steps = looks(&mut rolling, now, &[(6.0, &[12, 20, 21])]);
        assert_eq!(
            steps,
            [Step::Replaced(10, Some(21)), Step::Signal(12, TERM)]
        );
    }

    #[test]
    fn one_that_ends_by_itself_may_have_its_replacement_already() {
        let now = Instant::now();
        // An old worker that a reload has told to end.
        let mut rolling = begun(order(1), &[10, 11], now);
        looks(
            &mut rolling,
            now,
            &[(1.0, &[10]), (2.0, &[20]), (4.0, &[20])],
        );
        assert_eq!(rolling.progress(), (2, 1));
        let steps = looks(&mut rolling, now, &[(11.0, &[20])]);
        assert_eq!(steps.last(), Some(&Step::Done));
    }

    #[test]
    fn a_pid_that_came_again_is_another_process() {
        let now = Instant::now();
        let mut rolling = begun(order(1), &[10], now);
        let again = Seen {
            child: Child { born: 99, pid: 10 },
            worker: true,
        };
        assert_eq!(rolling.look(&[again], now + S), []);
        let steps = rolling.look(&[again], now + 3 * S);
        assert_eq!(steps, [Step::Replaced(10, Some(10)), Step::Done]);
    }
}
