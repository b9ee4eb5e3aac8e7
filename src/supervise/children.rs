//! The workers of a main process, by /proc: its direct children, less those that are none.

use super::rolling::{Child, Seen};
use super::{disposition, tree};
use std::collections::HashSet;
use std::fs;

/// What nginx adds to the title of a worker that has been told to end: it is replaced already.
const LEAVING: &[u8] = b"is shutting down";

/// Looks at the children of one main process again and again.
#[derive(Debug)]
pub struct Children {
    main: i32,
    title: Option<&'static str>,
    signal: i32,
    /// Those of the last look.
    last: Vec<Child>,
    /// Those that are workers by their title and by what they do at the signal: both stay.
    confirmed: HashSet<Child>,
}

impl Children {
    /// The children of `main`, of which those are workers whose command line holds `title`, if there is one, and that do not
    /// ignore `signal`: uWSGI's HTTP router does, for one.
    pub fn of(main: i32, title: Option<&'static str>, signal: i32) -> Self {
        Self {
            main,
            title,
            signal,
            last: Vec::new(),
            confirmed: HashSet::new(),
        }
    }

    /// Those that live now. `executed`: whether a process is known to have executed a program since it was forked.
    pub fn look(&mut self, executed: impl Fn(i32) -> bool) -> Vec<Seen> {
        let listed = self.listed();
        // The kernel may leave some out of its list while others end (proc_pid_children(5)).
        let missed = self.last.iter().map(|child| child.pid);
        let missed: Vec<i32> = missed.filter(|pid| !listed.contains(pid)).collect();
        let all = listed.into_iter().chain(missed);
        self.last = all.filter_map(|pid| self.child(pid)).collect();
        let last = std::mem::take(&mut self.last);
        self.confirmed.retain(|child| last.contains(child));
        let seen = last.iter().map(|child| Seen {
            child: *child,
            worker: !executed(child.pid) && self.is_worker(*child),
        });
        let seen = seen.collect();
        self.last = last;
        seen
    }

    /// The PIDs of the children; each thread has its own.
    fn listed(&self) -> Vec<i32> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.main));
        let threads = threads.into_iter().flatten().flatten();
        let lists: Vec<String> = threads
            .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
            .collect();
        if lists.is_empty() {
            // A kernel without these lists.
            return tree::children(self.main);
        }
        let pids = lists.iter().flat_map(|list| list.split_ascii_whitespace());
        pids.filter_map(|pid| pid.parse().ok()).collect()
    }

    fn child(&self, pid: i32) -> Option<Child> {
        let process = tree::process(pid)?;
        let lives = process.parent == self.main && !process.zombie;
        if !lives {
            return None;
        }
        Some(Child {
            born: tree::born(pid)?,
            pid,
        })
    }

    fn is_worker(&mut self, child: Child) -> bool {
        let same = tree::same_program(child.pid, self.main);
        if !same || self.confirmed.contains(&child) {
            return same;
        }
        let worker = self.has_title(child.pid)
            && !disposition::of(child.pid).is_some_and(|of| of.ignores(self.signal));
        if worker {
            self.confirmed.insert(child);
        }
        worker
    }

    fn has_title(&self, pid: i32) -> bool {
        let Some(title) = self.title else {
            return true;
        };
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let has = |text: &[u8]| memchr::memmem::find(&line, text).is_some();
        has(title.as_bytes()) && !has(LEAVING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn own_children_that_execute_another_program_are_no_workers() {
        let own = std::process::id() as i32;
        let mut program = Command::new("cat");
        let mut child = program.stdin(Stdio::piped()).spawn().unwrap();
        let mut children = Children::of(own, None, libc::SIGTERM);
        let pid = child.id() as i32;
        let seen = children.look(|_| false);
        let found = seen.iter().find(|seen| seen.child.pid == pid).unwrap();
        assert!(!found.worker && found.child.born > 0);
        drop(child.stdin.take());
        child.wait().unwrap();
        let seen = children.look(|_| false);
        assert!(seen.iter().all(|seen| seen.child.pid != pid));
    }
}
