//! `restart-workers`, as [`crate::supervise::rolling`] decides it: over the workers of the one server, or over the instances.

use super::Control;
use super::instances::Instance;
use crate::plane::Level;
use crate::supervise::children::Children;
use crate::supervise::rolling::{Child, Order, PATIENCE, Rolling, SHORT_PATIENCE, Seen, Step};
use crate::supervise::task::Task;
use crate::supervise::{machine, tree};
use crate::sys::signals::send;
use std::time::Instant;

/// One under way.
#[derive(Debug)]
pub(super) struct Rollout {
    rolling: Rolling,
    /// The workers' main process and its children; `None`: over the instances.
    workers: Option<(i32, Children)>,
}

impl Rollout {
    pub(super) fn deadline(&self) -> Instant {
        self.rolling.deadline()
    }

    fn progress(&self) -> String {
        let (count, done) = self.rolling.progress();
        let what = match self.workers {
            Some(_) => "workers",
            None => "instances",
        };
        format!("{done} of {count} {what} are replaced")
    }
}

impl Control {
    /// Begins, or says why not.
    pub(super) fn begin_rolling(&mut self) -> Result<(), String> {
        if let Some(rollout) = &self.rollout {
            return Err(format!("under way already: {}", rollout.progress()));
        }
        let (order, mut workers) = self.order()?;
        let seen = self.living(&mut workers);
        let (rolling, steps) = Rolling::begin(order, &seen, Instant::now());
        if let [Step::Failed(why)] = &steps[..] {
            return Err(why.clone());
        }
        let rollout = Rollout { rolling, workers };
        let text = format!(
            "restart-workers: {}, {} at a time",
            rollout.progress(),
            order.settings.at_once
        );
        self.say(Level::Info, text);
        self.rollout = Some(rollout);
        self.carry_out(steps);
        Ok(())
    }

    /// How it is done, and on whom.
    fn order(&self) -> Result<(Order, Option<(i32, Children)>), String> {
        let asked = &self.parts.settings;
        let order = Order {
            signal: asked.signals.stop_signal(),
            settings: asked.rolling,
            kill_after: asked.stop.stop_timeout,
            patience: PATIENCE,
            replaces: true,
        };
        if self.instances.len() > 1 {
            // What an instance leaves is stopped before it is started again.
            let patience = asked.stop.drain_timeout + PATIENCE;
            return Ok((Order { patience, ..order }, None));
        }
        let profile = asked.signals.server.profile();
        let signal = profile
            .worker
            .ok_or_else(|| format!("{} has no workers that it would replace", profile.name))?;
        let main = self.instances[0].main();
        let main = main.ok_or("the server does not run")?;
        let patience = if profile.replaces {
            PATIENCE
        } else {
            SHORT_PATIENCE
        };
        let order = Order {
            signal,
            patience,
            replaces: profile.replaces,
            ..order
        };
        let children = Children::of(main, profile.title, signal);
        Ok((order, Some((main, children))))
    }

    /// Those who are to be replaced, and those who replace them.
    fn living(&self, workers: &mut Option<(i32, Children)>) -> Vec<Seen> {
        if let Some((_, children)) = workers {
            return children.look(|pid| self.registry.has_executed(pid));
        }
        let mains = self.instances.iter().filter_map(Instance::main);
        let seen = mains.map(|pid| Seen {
            child: Child {
                born: tree::born(pid).unwrap_or(0),
                pid,
            },
            worker: true,
        });
        seen.collect()
    }

    /// Goes on, if it is time.
    pub(super) fn roll(&mut self) {
        let now = Instant::now();
        let due = |rollout: &mut Rollout| now >= rollout.deadline();
        let Some(mut rollout) = self.rollout.take_if(due) else {
            return;
        };
        let main = self.instances[0].main();
        let steps = match &rollout.workers {
            Some((of, _)) if main != Some(*of) => {
                vec![Step::Failed(format!("the main process {of} has ended"))]
            }
            _ => {
                let seen = self.living(&mut rollout.workers);
                rollout.rolling.look(&seen, now)
            }
        };
        self.rollout = Some(rollout);
        self.carry_out(steps);
    }

    fn carry_out(&mut self, steps: Vec<Step>) {
        let workers = self.rollout.as_ref().is_some_and(|r| r.workers.is_some());
        for step in steps {
            match step {
                Step::Signal(pid, signal) if workers => send(pid, signal),
                Step::Signal(pid, signal) => self.restart_instance(pid, signal),
                Step::Kill(pid) if workers => {
                    let text = format!(
                        "restart-workers: process {pid} has not ended by --stop-timeout: it is killed"
                    );
                    self.say(Level::Warning, text);
                    send(pid, libc::SIGKILL);
                }
                // The instance's own deadline does that.
                Step::Kill(_) => {}
                Step::Replaced(old, new) => self.replaced(old, new),
                Step::Done => self.rolled(Ok(())),
                Step::Failed(why) => self.rolled(Err(why)),
            }
        }
    }

    fn replaced(&mut self, old: i32, new: Option<i32>) {
        let text = match new {
            Some(new) => format!("process {new} replaced {old}"),
            None => format!("process {old} has ended, and needed no replacement"),
        };
        self.say(Level::Info, format!("restart-workers: {text}"));
        if let Some(rollout) = &self.rollout {
            let text = format!("{text}; {}", rollout.progress());
            self.task_goes_on(Task::RestartWorkers, &text);
        }
    }

    fn restart_instance(&mut self, pid: i32, signal: i32) {
        let at = self.instances.iter().position(|i| i.main() == Some(pid));
        if let Some(at) = at {
            self.step(at, machine::Event::Restart { signal });
        }
    }

    /// What interrupts it.
    pub(super) fn give_up_rolling(&mut self, why: &str) {
        if self.rollout.is_some() {
            self.rolled(Err(why.to_owned()));
        }
    }

    /// The end of it, well or not.
    fn rolled(&mut self, result: Result<(), String>) {
        let Some(rollout) = self.rollout.take() else {
            return;
        };
        let progress = rollout.progress();
        let result = result.map_err(|why| format!("given up: {why}; {progress}"));
        let text = match &result {
            Ok(()) => format!("restart-workers: done, {progress}"),
            Err(why) => format!("restart-workers: {why}"),
        };
        self.say(Level::Warning, text);
        self.task_is_over(Task::RestartWorkers, result);
    }
}
