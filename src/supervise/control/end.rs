//! The end of the program, as [`crate::supervise::ending`] asks for it.

use super::Control;
use super::leftovers::stop;
use super::sharing::list;
use crate::plane::{Level, Order};
use crate::supervise::ending::{Action, Event};
use crate::supervise::{machine, tree};
use std::time::Instant;

impl Control {
    pub(super) fn happened(&mut self, event: Event) {
        for action in self.ending.on(event, Instant::now()) {
            self.go_on(action);
        }
    }

    fn go_on(&mut self, action: Action) {
        match action {
            Action::KillServers => self.step_all(machine::Event::Kill),
            Action::Drain => self.parts.links.orders.send(Order::Drain),
            Action::Count => self.look_whether_quiet(),
            Action::TermLeftovers => {
                let left = tree::descendants(&self.parts.others);
                self.tell_leftovers(&left, "they are stopped");
                stop(&left);
            }
            Action::TellLeftovers => {
                let left = tree::descendants(&self.parts.others);
                self.tell_leftovers(&left, "they are left alone");
            }
            Action::KillAll => {
                // Those that are known first: without /proc no others can be found.
                self.kill_members(|_| true);
                tree::kill_all(|| tree::descendants(&self.parts.others));
            }
            Action::Finish(until) => self.parts.links.orders.send(Order::Finish(until)),
            Action::Exit(status) => self.end = Some(status),
        }
    }

    /// Once no server is left: does anybody write still?
    pub(super) fn look_whether_quiet(&mut self) {
        if !self.ending.is_serving() {
            let descendants = tree::descendants(&self.parts.others).len();
            self.happened(if self.quiet {
                Event::Quiet { descendants }
            } else {
                Event::Living { descendants }
            });
        }
    }

    fn tell_leftovers(&mut self, left: &[tree::Process], fate: &str) {
        if !left.is_empty() {
            let list = list(left.iter().map(|p| (p.pid, p.name.as_str())));
            let text = format!("processes outlived the server: {list}; {fate}");
            self.say(Level::Warning, text);
        }
    }
}
