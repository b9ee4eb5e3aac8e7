//! The processes that registered and still live.

use crate::capture::gate::Counted;
use crate::plane::ProcessId;
use nix::sys::stat::fstat;
use slab::Slab;
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

/// A process that is watched until it ends.
#[derive(Debug)]
pub struct Member {
    /// Its name between the planes.
    pub id: ProcessId,
    /// Its PID.
    pub pid: i32,
    /// Readable when it has ended; `None` where the kernel has no pidfds.
    pub pidfd: Option<Counted>,
    /// The instance of the server that it belongs to, as far as is known.
    pub instance: Option<usize>,
    /// Whether it has executed a program since it was forked, or was made by that.
    pub executed: bool,
    /// The inodes of the pipes that it has now, for the search after strangers.
    pub inodes: Vec<u64>,
    /// When it was first heard of.
    pub since: Instant,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Registry {
    members: Slab<Member>,
    by_pid: HashMap<i32, usize>,
    last: ProcessId,
}

impl Registry {
    /// The key of the process that has this PID now.
    pub fn find(&self, pid: i32) -> Option<usize> {
        self.by_pid.get(&pid).copied()
    }

    /// The key of the member with this name.
    pub fn named(&self, id: ProcessId) -> Option<usize> {
        let mut members = self.members.iter();
        members.find(|(_, m)| m.id == id).map(|(key, _)| key)
    }

    /// The member with this key.
    pub fn get(&mut self, key: usize) -> Option<&mut Member> {
        self.members.get_mut(key)
    }

    /// The instance of the process that has this PID now.
    pub fn instance(&self, pid: i32) -> Option<usize> {
        self.members.get(self.find(pid)?)?.instance
    }

    /// Whether the process that has this PID now is known to have executed a program since it was forked.
    pub fn has_executed(&self, pid: i32) -> bool {
        let member = self.find(pid).and_then(|key| self.members.get(key));
        member.is_some_and(|member| member.executed)
    }

    /// Whether the end of this member is told by a pidfd.
    pub fn is_watched(&self, key: usize) -> bool {
        self.members
            .get(key)
            .is_some_and(|member| member.pidfd.is_some())
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().map(|(_, member)| member)
    }

    /// Adds a process under a new name; returns its key.
    pub fn add(&mut self, pid: i32, pidfd: Option<Counted>, instance: Option<usize>) -> usize {
        self.last += 1;
        let key = self.members.insert(Member {
            id: self.last,
            pid,
            pidfd,
            instance,
            executed: false,
            inodes: Vec::new(),
            since: Instant::now(),
        });
        self.by_pid.insert(pid, key);
        key
    }

    /// Takes a process out.
    pub fn remove(&mut self, key: usize) -> Option<Member> {
        let member = self.members.try_remove(key)?;
        if self.by_pid.get(&member.pid) == Some(&key) {
            self.by_pid.remove(&member.pid);
        }
        Some(member)
    }

    /// Whether `pidfd` names the process that the member with this key is, and not a later one with its PID.
    ///
    /// pidfds of one process share an inode, unique until reboot, since Linux 6.9. Before, all pidfds share one: then a PID
    /// that came again before the end of the first was noticed is taken for the same process.
    pub fn is_same(&self, key: usize, pidfd: Option<&Counted>) -> bool {
        match (self.members.get(key).and_then(|m| m.pidfd.as_ref()), pidfd) {
            (Some(known), Some(new)) => inode(known) == inode(new),
            _ => true,
        }
    }
}

/// The inode of a pipe or pidfd.
pub fn inode(fd: &Counted) -> u64 {
    fstat(fd.as_fd()).map_or(0, |stat| stat.st_ino)
}

/// The number by which mio knows a descriptor.
pub fn raw(fd: &Counted) -> i32 {
    fd.as_fd().as_raw_fd()
}
