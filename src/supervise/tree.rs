//! The processes below this one, by /proc.

use crate::capture::holders::pids;
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sysconf};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// A process as /proc shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its PID.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its command name.
    pub name: String,
    /// Whether it has ended and only waits to be reaped.
    pub zombie: bool,
}

/// Reads /proc/PID/stat (proc_pid_stat(5)). The name stands in parentheses and may hold any byte, parentheses too.
fn parse(text: &str) -> Option<Process> {
    let (head, rest) = text.rsplit_once(')')?;
    let (pid, name) = head.split_once('(')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let zombie = matches!(state, "Z" | "X");
    Some(Process {
        pid: pid.trim().parse().ok()?,
        parent,
        group,
        name: name.to_owned(),
        zombie,
    })
}

/// One process; `None` when it is gone.
pub fn process(pid: i32) -> Option<Process> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(&String::from_utf8_lossy(&text))
}

/// The command name of a process, or `?` when it is gone.
pub fn name_of(pid: i32) -> String {
    process(pid).map_or_else(|| "?".to_owned(), |p| p.name)
}

/// All living processes below this one, but for `others` and what is below those. As a subreaper or PID 1 this process stays
/// their ancestor whatever becomes of those in between.
pub fn descendants(others: &[i32]) -> Vec<Process> {
    let own = std::process::id() as i32;
    let mut all = Vec::new();
    for _ in 0..LOOKS {
        let listed: Vec<i32> = pids().collect();
        all = listed.iter().copied().filter_map(process).collect();
        if is_whole(&all, listed.len(), own) {
            break;
        }
    }
    below(own, all, others)
}

/// How often /proc is read until nothing changed meanwhile. Some systems never come to rest.
const LOOKS: usize = 4;

/// Whether all processes of a list that held so many are seen as they are. One that forked and ended after the list was made
/// (a daemon that puts itself into the background) leaves a child that is not in it; and one whose parent ended
/// then names a process that is gone, and would be taken for nobody's.
fn is_whole(all: &[Process], listed: usize, own: i32) -> bool {
    let known: HashSet<i32> = all.iter().map(|p| p.pid).collect();
    // The first process, and the kernel's, have no parent.
    let has_parent = |p: &Process| p.parent == 0 || known.contains(&p.parent);
    let has_just_ended = |p: &Process| p.zombie && p.parent == own;
    all.len() == listed && all.iter().all(|p| has_parent(p) && !has_just_ended(p))
}

fn below(root: i32, all: Vec<Process>, others: &[i32]) -> Vec<Process> {
    let parents: HashMap<i32, i32> = all.iter().map(|p| (p.pid, p.parent)).collect();
    let descends = |mut pid: i32| {
        // A chain longer than the number of processes would be a loop, made by processes that changed while they were read.
        for _ in 0..=parents.len() {
            match parents.get(&pid) {
                _ if others.contains(&pid) => return false,
                Some(parent) if *parent == root => return true,
                Some(parent) => pid = *parent,
                None => return false,
            }
        }
        false
    };
    all.into_iter()
        .filter(|p| !p.zombie && descends(p.pid))
        .collect()
}

/// Children that this program was started with: a shell script may have put them into the background before it executed
/// this program. They are not the server's. PID 1 has none such: whatever it was given ends with it.
pub fn given_children() -> Vec<i32> {
    let own = std::process::id() as i32;
    if own == 1 {
        Vec::new()
    } else {
        descendants(&[])
            .into_iter()
            .filter(|p| p.parent == own)
            .map(|p| p.pid)
            .collect()
    }
}

/// The PIDs of the children of `parent`, those too that only wait to be reaped.
pub fn children(parent: i32) -> Vec<i32> {
    let all = pids().filter_map(process);
    all.filter(|p| p.parent == parent).map(|p| p.pid).collect()
}

/// When a process was started, in the clock ticks of proc_pid_stat(5); with the PID, it names a process for good.
pub fn born(pid: i32) -> Option<u64> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    // Field 22; the third is the first one behind the name.
    text.rsplit_once(')')?
        .1
        .split_ascii_whitespace()
        .nth(19)?
        .parse()
        .ok()
}

/// How long ago a process was started, to 10 ms; `None` where that cannot be known.
pub fn age(pid: i32) -> Option<Duration> {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok()??.try_into().ok()?;
    let born = Duration::from_secs(born(pid)?) / ticks;
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?;
    Duration::from(now).checked_sub(born)
}

/// The program that a process executes; `None` where the kernel does not show it (proc_pid_exe(5)): it asks for the right to
/// trace the process. A program that was replaced on disk since is known by its old path.
pub fn executable(pid: i32) -> Option<PathBuf> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let bytes = path.as_os_str().as_bytes();
    let known = bytes.strip_suffix(b" (deleted)").unwrap_or(bytes);
    Some(OsStr::from_bytes(known).into())
}

/// Whether two processes execute the same program; one that cannot be read does not differ.
pub fn same_program(one: i32, other: i32) -> bool {
    executable(one)
        .zip(executable(other))
        .is_none_or(|(one, other)| one == other)
}

/// Whether `pid` is below this process. A process that is gone cannot be asked: `None`.
pub fn is_descendant(pid: i32) -> Option<bool> {
    let own = std::process::id() as i32;
    let mut at = pid;
    loop {
        match process(at)?.parent {
            // The kernel prints 0 for a process that is being reaped, and for one whose parent another PID namespace hides.
            0 => return None,
            parent if parent == own => return Some(true),
            1 => return Some(false),
            parent => at = parent,
        }
    }
}

/// Sends `signal` to all of `processes`; a process that has ended meanwhile is passed over.
pub fn signal_all(processes: &[Process], signal: Signal) {
    for process in processes {
        let _ = kill(Pid::from_raw(process.pid), signal);
    }
}

/// Kills all processes that `find` finds, those too that are forked while it works: a killed process forks no more, so the search runs dry.
pub fn kill_all(find: impl Fn() -> Vec<Process>) {
    let mut before = Vec::new();
    // Bounded against a server that forks faster than it is killed; the caller comes again.
    for _ in 0..50 {
        let living = find();
        // Processes that KILL does not end at once (uninterruptible sleep) stay in the list: two equal lists are the end.
        if living.is_empty() || living == before {
            return;
        }
        signal_all(&living, Signal::SIGKILL);
        before = living;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32) -> Process {
        Process {
            pid,
            parent,
            group: pid,
            name: "p".into(),
            zombie: false,
        }
    }

    #[test]
    fn a_name_may_hold_parentheses_and_blanks() {
        let found = parse("42 (a) b (c)) S 7 42 42 0 -1").unwrap();
        assert_eq!(
            found,
            Process {
                pid: 42,
                parent: 7,
                group: 42,
                name: "a) b (c)".into(),
                zombie: false
            }
        );
        assert!(parse("42 (x) Z 7 1").unwrap().zombie);
        assert_eq!(parse("42 x S 7"), None);
    }

    #[test]
    fn a_list_that_changed_while_it_was_read_is_not_whole() {
        let mut all = vec![process(1, 0), process(2, 1), process(4, 3)];
        assert!(!is_whole(&all, 3, 1), "a parent is missing");
        all.push(process(3, 2));
        assert!(is_whole(&all, 4, 1));
        assert!(!is_whole(&all, 5, 1), "one has gone");
        all[1].zombie = true;
        assert!(!is_whole(&all, 4, 1), "one has just ended");
        assert!(is_whole(&all, 4, 9), "it is another's to reap");
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_a_loop_ends() {
        let all = vec![
            process(2, 1),
            process(3, 2),
            process(4, 3),
            process(5, 1),
            process(8, 9),
            process(9, 8),
        ];
        let pids = |others: &[i32]| -> Vec<i32> {
            below(2, all.clone(), others)
                .iter()
                .map(|p| p.pid)
                .collect()
        };
        assert_eq!(pids(&[]), [3, 4]);
        assert_eq!(pids(&[4]), [3]);
        assert_eq!(pids(&[3]), [0; 0]);
    }
}
