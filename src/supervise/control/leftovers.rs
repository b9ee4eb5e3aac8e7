//! What an instance leaves when its main process ends, and whose a process is.

use super::Control;
use super::sharing::list;
use crate::plane::Level;
use crate::supervise::machine::Event;
use crate::supervise::owners::{Facts, instance_in, owner};
use crate::supervise::tree::{self, Process};
use crate::sys::signals::send;
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, HashMap};

/// What is to be done at the end of the turn, for all instances with one look at /proc.
#[derive(Debug, Default)]
pub(super) struct Duties {
    /// Instances whose leftovers are to be sent TERM.
    stop: Vec<usize>,
    /// Instances whose whole tree is to be killed.
    kill: Vec<usize>,
    /// A process has ended: leftovers that are waited for may be gone.
    pub(super) look: bool,
}

impl Duties {
    pub(super) fn stop(&mut self, at: usize) {
        self.stop.push(at);
    }

    pub(super) fn kill(&mut self, at: usize) {
        self.kill.push(at);
    }
}

impl Control {
    pub(super) fn do_duties(&mut self) {
        let kill = std::mem::take(&mut self.duties.kill);
        if !kill.is_empty() {
            self.kill_trees(&kill);
        }
        let stop = std::mem::take(&mut self.duties.stop);
        let look = std::mem::take(&mut self.duties.look);
        let waiting: Vec<usize> = (0..self.instances.len())
            .filter(|at| self.instances[*at].machine.clears())
            .collect();
        if waiting.is_empty() || (stop.is_empty() && !look) {
            return;
        }
        let mut trees = self.trees();
        for at in waiting {
            let left = trees.remove(&at).unwrap_or_default();
            if stop.contains(&at) {
                self.stop_leftovers(at, &left);
            }
            self.step(at, Event::Leftovers(left.len()));
        }
    }

    fn stop_leftovers(&mut self, at: usize, left: &[Process]) {
        if !left.is_empty() {
            self.tell_outlived(at, left, "they are stopped");
            stop(left);
        }
    }

    /// What instance `at` left may stay.
    pub(super) fn tell_left_alone(&mut self, at: usize) {
        let left = self.trees().remove(&at).unwrap_or_default();
        self.tell_outlived(at, &left, "they are left alone");
    }

    fn tell_outlived(&mut self, at: usize, left: &[Process], fate: &str) {
        if !left.is_empty() {
            let list = list(left.iter().map(|p| (p.pid, p.name.as_str())));
            let text = format!("processes outlived {}: {list}; {fate}", self.called(at));
            self.say(Level::Warning, text);
        }
    }

    /// KILL to these instances, with all that descends from them.
    fn kill_trees(&self, which: &[usize]) {
        // Those that are known first: without /proc no others can be found.
        for main in which.iter().filter_map(|at| self.instances[*at].main()) {
            send(main, libc::SIGKILL);
        }
        let known = |instance: Option<usize>| instance.is_some_and(|at| which.contains(&at));
        self.kill_members(|member| known(member.instance));
        tree::kill_all(|| {
            let trees = self.trees().into_iter();
            let theirs = trees.filter(|(at, _)| which.contains(at));
            theirs.flat_map(|(_, tree)| tree).collect()
        });
    }

    /// The living descendants of each instance. Where there is one, all are its own.
    fn trees(&self) -> BTreeMap<usize, Vec<Process>> {
        let all = tree::descendants(&self.parts.others);
        if self.instances.len() == 1 {
            return BTreeMap::from([(0, all)]);
        }
        let by_pid: HashMap<i32, Process> = all.iter().map(|p| (p.pid, p.clone())).collect();
        let mut trees: BTreeMap<usize, Vec<Process>> = BTreeMap::new();
        for process in all {
            if let Some(at) = self.owner(process.pid, &|pid| by_pid.get(&pid).cloned()) {
                trees.entry(at).or_default().push(process);
            }
        }
        trees
    }

    /// The instance that `pid` belongs to.
    pub(super) fn owner(
        &self,
        pid: i32,
        process: &dyn Fn(i32) -> Option<Process>,
    ) -> Option<usize> {
        if self.instances.len() == 1 {
            return Some(0);
        }
        let grouped = self.parts.launch.own_group;
        let facts = Facts {
            known: &|pid| self.registry.instance(pid),
            group: &|group| {
                let leads = |at: &usize| self.instances[*at].leader == Some(group);
                (0..self.instances.len()).find(leads).filter(|_| grouped)
            },
            environment: &|pid| {
                let text = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
                instance_in(&text).filter(|at| *at < self.instances.len())
            },
            process,
        };
        owner(pid, &facts)
    }
}

/// TERM; a stopped process takes it when it goes on.
pub(super) fn stop(left: &[Process]) {
    tree::signal_all(left, Signal::SIGTERM);
    tree::signal_all(left, Signal::SIGCONT);
}
