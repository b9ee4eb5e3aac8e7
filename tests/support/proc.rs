//! What /proc says of processes.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::fs;

/// A process as /proc/PID/stat shows it.
#[derive(Debug, Clone, Copy)]
pub struct Stat {
    pub pid: i32,
    pub parent: i32,
    /// `R`, `S`, `T` (stopped), `Z` (zombie)…
    pub state: char,
}

/// `None`: there is no such process.
pub fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything, a bracket too.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    Some(Stat {
        pid,
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
    })
}

fn all() -> Vec<Stat> {
    let names = fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .map(|entry| entry.file_name());
    names
        .filter_map(|name| stat(name.to_str()?.parse().ok()?))
        .collect()
}

/// The processes whose parent this is, zombies too.
pub fn children(pid: i32) -> Vec<Stat> {
    all()
        .into_iter()
        .filter(|stat| stat.parent == pid)
        .collect()
}

/// Children, their children, and so on.
pub fn descendants(pid: i32) -> Vec<Stat> {
    let mut below: HashMap<i32, Vec<Stat>> = HashMap::new();
    for stat in all() {
        below.entry(stat.parent).or_default().push(stat);
    }
    let mut found = Vec::new();
    let mut open = vec![pid];
    while let Some(parent) = open.pop() {
        for stat in below.remove(&parent).unwrap_or_default() {
            open.push(stat.pid);
            found.push(stat);
        }
    }
    found
}

/// Whether the process runs: it is there and is no zombie.
pub fn runs(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| stat.state != 'Z')
}

/// How many descriptors a process has open.
pub fn descriptors(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("the process runs")
        .count()
}

/// A line of /proc/PID/status, without its name: `VmHWM` → `1234 kB`.
pub fn status(pid: i32, name: &str) -> Option<String> {
    field(
        &fs::read_to_string(format!("/proc/{pid}/status")).ok()?,
        name,
    )
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.map(|value| value.trim().to_owned())
}

/// How often the threads of a process have gone to wait for something, all together.
pub fn switches(pid: i32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    threads
        .map(|thread| {
            let path = thread.expect("an entry").path().join("status");
            let text = fs::read_to_string(path).expect("the thread runs");
            field(&text, "voluntary_ctxt_switches")
                .and_then(|count| count.parse::<u64>().ok())
                .expect("a number of switches")
        })
        .sum()
}

/// The most memory that a process ever had resident, in bytes.
pub fn peak_memory(pid: i32) -> usize {
    let value = status(pid, "VmHWM").expect("the process runs");
    value
        .trim_end_matches(" kB")
        .parse::<usize>()
        .expect("a number of kB")
        * 1024
}

/// Sends a signal to a process that a test started.
#[track_caller]
pub fn signal(pid: i32, signal: Signal) {
    assert!(pid > 1, "{pid} is no process of a test");
    kill(Pid::from_raw(pid), signal)
        .unwrap_or_else(|error| panic!("cannot send {signal} to {pid}: {error}"));
}

/// Ends a process and everything below it. Stops it first, so that it starts nothing while the others are ended.
pub fn end_tree(pid: i32) {
    let end = |pid, signal| kill(Pid::from_raw(pid), signal).ok();
    end(pid, Signal::SIGSTOP);
    for stat in descendants(pid) {
        end(stat.pid, Signal::SIGKILL);
    }
    end(pid, Signal::SIGKILL);
}
