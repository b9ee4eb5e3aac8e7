//! What is asked of the server: by signals, and by name.

use super::Control;
use crate::plane::{Level, Order};
use crate::supervise::signal_map::Meaning;
use crate::supervise::signals::Arrival;
use crate::supervise::task::Task;
use crate::supervise::{ending, machine};
use crate::sys::signals::{Value, stop_self};
use std::time::Instant;

impl Control {
    /// A signal came.
    pub(super) fn caught(&mut self, arrival: Arrival) {
        for meaning in self.parts.settings.signals.meanings(arrival.caught) {
            match meaning {
                Meaning::Stop {
                    signal,
                    from_terminal,
                    interrupt,
                } => self.stop(signal, from_terminal, interrupt),
                // After the last server's end there is nobody to do anything for.
                _ if !self.ending.is_serving() => {}
                Meaning::Forward(signal) => self.forward_to_all(signal, arrival.value),
                Meaning::Task(task) => self.task(task),
                Meaning::Reopen => self.reopen(),
                Meaning::StopSelf(signal) => stop_self(signal),
            }
        }
    }

    /// Does what is asked of the server by name. What a task means to the server in hand is generic: the signals that most
    /// servers with workers understand.
    pub(super) fn task(&mut self, task: Task) {
        match task {
            Task::Stop => {
                let signal = self.parts.settings.signals.stop_signal();
                self.stop(signal, false, false);
            }
            Task::Restart => {
                let signal = self.parts.settings.signals.stop_signal();
                if self.ending.is_stopping() {
                    self.say(
                        Level::Warning,
                        "no restart: the server is told to end".into(),
                    );
                } else {
                    self.step_all(machine::Event::Restart { signal });
                }
            }
            Task::Reload => self.forward_to_all(libc::SIGHUP, None),
            Task::Reopen => {
                self.reopen();
                self.forward_to_all(libc::SIGUSR1, None);
            }
            Task::Upgrade => self.forward_to_all(libc::SIGUSR2, None),
            Task::Workers(change) => {
                let signal = if change > 0 {
                    libc::SIGTTIN
                } else {
                    libc::SIGTTOU
                };
                for _ in 0..change.unsigned_abs() {
                    self.forward_to_all(signal, None);
                }
            }
            Task::RestartWorkers => self.say(
                Level::Warning,
                "restart-workers: not known for this server".into(),
            ),
            Task::Rotate => self.say(Level::Warning, "rotate: rotation is not set up".into()),
        }
    }

    fn stop(&mut self, signal: i32, from_terminal: bool, interrupt: bool) {
        // First: an instance that only waits for its restart ends at once, and the program's end asks whether a stop was meant.
        self.happened(ending::Event::Stop {
            from_terminal,
            interrupt,
        });
        self.step_all(machine::Event::Stop {
            signal,
            forward: !from_terminal,
        });
        // Before its processes leave: who writes to another's pipe?
        self.sharing.look_at_all_soon(Instant::now());
    }

    fn reopen(&mut self) {
        self.parts.links.orders.send(Order::Reopen);
        self.sharing.look_at_all_soon(Instant::now());
    }

    fn forward_to_all(&mut self, signal: i32, value: Option<Value>) {
        for at in 0..self.instances.len() {
            self.forward(at, signal, value);
        }
    }
}
