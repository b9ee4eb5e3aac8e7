//! Who holds the write end of a pipe: a search through /proc, for processes that could not register.

use crate::supervise::tree;
use std::collections::HashMap;
use std::fs;
use std::hash::BuildHasher;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// A process that holds a pipe's write end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its PID.
    pub pid: i32,
    /// When it was started ([`tree::born`]); with the PID, it names a process for good.
    pub born: Option<u64>,
    /// Its command name (`comm`).
    pub name: String,
    /// The inode of the pipe.
    pub inode: u64,
}

/// What a search among living processes found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Processes that write to another's pipe.
    pub strangers: Vec<Holder>,
    /// Others do that have only just been forked, and may be about to register.
    pub young: bool,
}

/// So long after it was forked a process has registered, if it can: it does so before it returns from fork(2), or from exec. On
/// a busy machine that takes many time slices: one in 3,000 programs took more than 200 ms, with six processes to a processor.
const SETTLED: Duration = Duration::from_secs(1);

impl Found {
    /// Those of [`strangers`] that had the time to register.
    pub fn search<S: BuildHasher>(owners: &HashMap<u64, i32, S>) -> Self {
        let all = strangers(owners);
        let count = all.len();
        let settled = |pid| tree::age(pid).is_none_or(|age| age >= SETTLED);
        let strangers: Vec<Holder> = all.into_iter().filter(|h| settled(h.pid)).collect();
        Self {
            young: strangers.len() < count,
            strangers,
        }
    }
}

/// Searches all processes for write ends of the pipes in `owners` (inode → PID of the process that the pipe was made for), held by
/// others than the owner. What cannot be read (a process that has just ended, another user's) is passed over.
///
/// Takes a few microseconds for each open descriptor of the machine.
pub fn strangers<S: BuildHasher>(owners: &HashMap<u64, i32, S>) -> Vec<Holder> {
    let own = std::process::id() as i32;
    let mut found = Vec::new();
    for pid in pids().filter(|pid| *pid != own) {
        let mut held: Vec<u64> = write_ends(pid)
            .filter(|inode| owners.get(inode).is_some_and(|owner| *owner != pid))
            .collect();
        if held.is_empty() {
            continue;
        }
        held.sort_unstable();
        held.dedup();
        let (born, name) = (tree::born(pid), tree::name_of(pid));
        found.extend(held.into_iter().map(|inode| Holder {
            pid,
            born,
            name: name.clone(),
            inode,
        }));
    }
    found
}

/// All processes that /proc shows.
pub fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The inodes of the pipes that `pid` can write to.
fn write_ends(pid: i32) -> impl Iterator<Item = u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    entries.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        let inode = pipe_inode(target.as_os_str().as_bytes())?;
        // The link's own mode shows how the file is open (proc_pid_fd(5)).
        let writes = fs::symlink_metadata(entry.path()).ok()?.mode() & 0o200 != 0;
        writes.then_some(inode)
    })
}

/// The inode in `pipe:[123]`.
fn pipe_inode(link: &[u8]) -> Option<u64> {
    let digits = link.strip_prefix(b"pipe:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pipes_have_an_inode() {
        assert_eq!(pipe_inode(b"pipe:[4711]"), Some(4711));
        for other in [
            &b"socket:[4711]"[..],
            b"/tmp/pipe:[1]",
            b"pipe:[x]",
            b"pipe:[1",
            b"",
        ] {
            assert_eq!(pipe_inode(other), None);
        }
    }
}
