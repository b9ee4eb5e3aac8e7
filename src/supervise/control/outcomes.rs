//! Tasks that clients ask for, and how they come out.

use super::Control;
use crate::protocol::Answer;
use crate::supervise::machine::State;
use crate::supervise::remote::Ticket;
use crate::supervise::task::Task;
use std::time::Instant;

/// A restart that was asked for, while somebody waits for it.
#[derive(Debug)]
pub(super) struct Restart {
    /// How often each instance had been started before.
    starts: Vec<u64>,
    /// How many were told to be up again.
    told: usize,
}

impl Control {
    pub(super) fn asked_task(&mut self, ticket: Ticket, task: Task, wait: bool, now: Instant) {
        let starts = self.instances.iter().map(|i| i.starts).collect();
        // Before it is begun: it may be over at once.
        let comes_out = wait && matches!(task, Task::Restart | Task::RestartWorkers);
        if comes_out {
            self.wait_for(task, ticket);
        }
        let done = if task == Task::Stop || self.ending.is_serving() {
            self.task(task)
        } else {
            Err("the server has ended".to_owned())
        };
        if task == Task::Restart && comes_out && done.is_ok() {
            self.restart.get_or_insert(Restart { starts, told: 0 });
        }
        let outcomes = &mut self.waiting.outcomes;
        let waits = outcomes.contains(&(task, ticket));
        let Some(remote) = &mut self.parts.remote else {
            return;
        };
        let accepted = Answer::Accepted(task.to_string());
        match done {
            Err(why) => {
                outcomes.retain(|(_, other)| *other != ticket);
                remote.finish(ticket, &Answer::Error(why), now);
            }
            Ok(()) if waits => remote.tell(ticket, &accepted, now),
            Ok(()) if comes_out => {}
            Ok(()) if !wait => remote.finish(ticket, &accepted, now),
            // Done with what was sent: how the server takes it, nobody can tell.
            Ok(()) => {
                remote.tell(ticket, &accepted, now);
                remote.finish(ticket, &Answer::Done(task.to_string()), now);
            }
        }
    }

    fn wait_for(&mut self, task: Task, ticket: Ticket) {
        if let Some(remote) = &mut self.parts.remote {
            let outcomes = &mut self.waiting.outcomes;
            outcomes.retain(|(_, ticket)| remote.waits(*ticket));
            outcomes.push((task, ticket));
        }
    }

    /// Those who wait for a task are told how far it is.
    pub(super) fn task_goes_on(&mut self, task: Task, how_far: &str) {
        let answer = Answer::Progress(how_far.to_owned());
        self.tell_waiting(task, &answer, false);
    }

    /// Those who wait for a task are told how it came out.
    pub(super) fn task_is_over(&mut self, task: Task, outcome: Result<(), String>) {
        let answer = match outcome {
            Ok(()) => Answer::Done(task.to_string()),
            Err(why) => Answer::Error(why),
        };
        self.tell_waiting(task, &answer, true);
    }

    fn tell_waiting(&mut self, task: Task, answer: &Answer, last: bool) {
        let now = Instant::now();
        let Some(remote) = &mut self.parts.remote else {
            return;
        };
        let waiting = &mut self.waiting.outcomes;
        for (_, ticket) in waiting.iter().filter(|(other, _)| *other == task) {
            if last {
                remote.finish(*ticket, answer, now);
            } else {
                remote.tell(*ticket, answer, now);
            }
        }
        waiting.retain(|(other, ticket)| (*other != task || !last) && remote.waits(*ticket));
    }

    /// Whether a restart that somebody waits for has come out.
    pub(super) fn look_at_restart(&mut self) {
        let Some(restart) = &mut self.restart else {
            return;
        };
        let instances = self.instances.iter().zip(&restart.starts);
        let up = instances
            .filter(|(i, before)| i.starts > **before && i.machine.state() == State::Running)
            .count();
        let all = self.instances.len();
        let failed =
            self.ending.is_stopping() || self.instances.iter().any(|i| i.machine.is_over());
        if up > restart.told && up < all {
            restart.told = up;
            self.task_goes_on(
                Task::Restart,
                &format!("{up} of {all} instances are started"),
            );
        }
        if up == all || failed {
            self.restart = None;
            let outcome = if up == all {
                Ok(())
            } else {
                Err("the server has ended and is not started again".to_owned())
            };
            self.task_is_over(Task::Restart, outcome);
        }
    }
}
