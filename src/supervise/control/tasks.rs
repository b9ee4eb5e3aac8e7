//! What is asked of the server: by signals, and by name.

use super::Control;
use super::instances::Instance;
use super::paced::Paced;
use crate::plane::{Level, Order};
use crate::supervise::signal_map::Meaning;
use crate::supervise::signals::{Arrival, name};
use crate::supervise::task::Task;
use crate::supervise::{disposition, ending, machine};
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
                Meaning::Task(task) => {
                    if let Err(why) = self.task(task) {
                        self.say(Level::Warning, format!("{task}: {why}"));
                    }
                }
                Meaning::Reopen => self.reopen(),
                Meaning::StopSelf(signal) => stop_self(signal),
            }
        }
    }

    /// Does what is asked of the server by name, or says in one line why not.
    pub(super) fn task(&mut self, task: Task) -> Result<(), String> {
        match task {
            Task::Stop => {
                let signal = self.parts.settings.signals.stop_signal();
                self.stop(signal, false, false);
                Ok(())
            }
            _ if self.ending.is_stopping() => Err("the server is told to end".into()),
            Task::Restart => {
                self.give_up_rolling("the server is restarted");
                self.paced = Paced::default();
                let signal = self.parts.settings.signals.stop_signal();
                self.step_all(machine::Event::Restart { signal });
                Ok(())
            }
            Task::Reload | Task::Upgrade => {
                let signal = self.signal_for(task)?;
                self.forward_to_all(signal, None);
                Ok(())
            }
            Task::Reopen => {
                self.reopen();
                match self.signal_for(task) {
                    Ok(signal) => self.forward_to_all(signal, None),
                    // Done as far as it can be: for whoever asks after each rotation this is no failure.
                    Err(why) => self.say(Level::Info, format!("reopen: unbraid's own logs; {why}")),
                }
                Ok(())
            }
            Task::Workers(change) => {
                let signal = self.signal_for(task)?;
                let mains = self.mains().collect();
                self.paced.push(signal, change.unsigned_abs(), mains)
            }
            Task::RestartWorkers => self.begin_rolling(),
            Task::Rotate if !self.parts.settings.files => {
                Err("no destination is a file with a path".into())
            }
            Task::Rotate => {
                self.parts.links.orders.send(Order::Rotate);
                Ok(())
            }
        }
    }

    /// The signal by which the server does `task`, if it has one and has made arrangements for it.
    fn signal_for(&self, task: Task) -> Result<i32, String> {
        let profile = self.parts.settings.signals.server.profile();
        let signal = profile
            .signal(task)
            .ok_or_else(|| format!("{} has no signal for it", profile.name))?;
        for main in self.mains() {
            if !disposition::expects(main, signal) {
                return Err(format!(
                    "process {main} does not handle {}, and is not sent it",
                    name(signal)
                ));
            }
        }
        Ok(signal)
    }

    fn mains(&self) -> impl Iterator<Item = i32> {
        self.instances.iter().filter_map(Instance::main)
    }

    fn stop(&mut self, signal: i32, from_terminal: bool, interrupt: bool) {
        self.give_up_rolling("the server is told to end");
        self.paced = Paced::default();
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

    pub(super) fn forward_to_all(&mut self, signal: i32, value: Option<Value>) {
        for at in 0..self.instances.len() {
            self.forward(at, signal, value);
        }
    }
}
