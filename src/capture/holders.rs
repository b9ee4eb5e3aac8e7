//! Who holds the write end of a pipe: a search through /proc, for processes that could not register.

use std::collections::HashMap;
use std::fs;
use std::hash::BuildHasher;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

/// A process that holds a pipe's write end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its PID.
    pub pid: i32,
    /// Its command name (`comm`).
    pub name: String,
    /// The inode of the pipe.
    pub inode: u64,
}

/// Searches all processes for write ends of the pipes in `owners` (inode → PID of the process that the pipe was made for) and returns
/// those that a process other than the owner holds. What cannot be read (a process that has just ended, another user's) is
/// passed over.
pub fn strangers<S: BuildHasher>(owners: &HashMap<u64, i32, S>) -> Vec<Holder> {
    let own = std::process::id() as i32;
    let mut found: Vec<Holder> = Vec::new();
    for pid in pids().filter(|pid| *pid != own) {
        for inode in write_ends(pid) {
            let stranger = owners.get(&inode).is_some_and(|owner| *owner != pid);
            if stranger && !found.iter().any(|h| h.pid == pid && h.inode == inode) {
                found.push(Holder {
                    pid,
                    name: crate::supervise::tree::name_of(pid),
                    inode,
                });
            }
        }
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
