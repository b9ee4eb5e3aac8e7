//! Processes that come and go.

use super::{Control, PROCESSES};
use crate::capture::gate::Counted;
use crate::plan::Way;
use crate::plane::{Arrived, Order, ProcessId};
use crate::supervise::launch::Started;
use crate::supervise::registry::{Member, inode, raw};
use crate::supervise::tree;
use crate::sys::fd::pidfd_send_signal;
use crate::sys::signals::send;
use crate::sys::wait::reap;
use mio::unix::SourceFd;
use mio::{Interest, Token};
use std::sync::Arc;
use std::time::Instant;

/// A process whose pipes the data plane is to read.
pub(super) struct Newcomer {
    pub(super) key: usize,
    pub(super) pipes: Vec<(u8, Counted)>,
    pub(super) parent: Option<ProcessId>,
    /// It is the main process of this instance.
    pub(super) main: Option<usize>,
}

impl Control {
    /// A main process that this program has started has its pipes from it, not from a datagram.
    pub(super) fn adopt(&mut self, at: usize, server: Started) {
        let budget = Arc::clone(&self.parts.budget);
        let counted = |fd| Counted::new(fd, &budget);
        let pipes = server
            .pipes
            .into_iter()
            .map(|(number, fd)| (number, counted(fd)))
            .collect();
        self.instances[at].started(server.pid);
        if matches!(self.parts.launch.way, Way::Pipes(_)) {
            self.sharing.started(Instant::now());
        }
        let key = self.enter(server.pid, server.pidfd.map(counted), Some(at));
        self.arrived(Newcomer {
            key,
            pipes,
            parent: None,
            main: Some(at),
        });
    }

    pub(super) fn enter(
        &mut self,
        pid: i32,
        pidfd: Option<Counted>,
        instance: Option<usize>,
    ) -> usize {
        let key = self.registry.add(pid, pidfd, instance);
        if let Some(pidfd) = self.registry.get(key).and_then(|m| m.pidfd.as_ref()) {
            let _ = self.parts.poll.registry().register(
                &mut SourceFd(&raw(pidfd)),
                Token(PROCESSES + key),
                Interest::READABLE,
            );
        }
        key
    }

    pub(super) fn arrived(&mut self, newcomer: Newcomer) {
        let Newcomer {
            key,
            pipes,
            parent,
            main,
        } = newcomer;
        let Some(member) = self.registry.get(key) else {
            return;
        };
        member.inodes = pipes.iter().map(|(_, fd)| inode(fd)).collect();
        // A main process is reaped here.
        let tracked = member.pidfd.is_some() || main.is_some();
        let (id, pid) = (member.id, member.pid);
        self.parts.links.orders.send(Order::Arrived(Arrived {
            id,
            pid,
            parent,
            pipes,
            main: main.map(|at| at as u32),
            tracked,
            shared: main.is_some() && self.parts.launch.way == Way::Shared,
        }));
    }

    /// A watched process has ended.
    pub(super) fn retire(&mut self, key: usize) {
        let Some(member) = self.registry.remove(key) else {
            return;
        };
        if let Some(pidfd) = &member.pidfd {
            let _ = self
                .parts
                .poll
                .registry()
                .deregister(&mut SourceFd(&raw(pidfd)));
        }
        self.departed.push(member.pid);
        self.parts.links.orders.send(Order::Gone(member.id));
    }

    /// A process whose end nothing tells is taken for gone, since its pipes are at their end. One that has registered again
    /// since is there under another name.
    pub(super) fn forget(&mut self, id: ProcessId) {
        if let Some(key) = self.registry.named(id) {
            self.retire(key);
        }
    }

    /// KILL to those that registered and for which `which` holds. Those whose end nothing tells may have ended long ago, and
    /// their PIDs be others'.
    pub(super) fn kill_members(&self, which: impl Fn(&Member) -> bool) {
        for member in self.registry.iter().filter(|member| which(member)) {
            match &member.pidfd {
                Some(pidfd) => pidfd_send_signal(pidfd, libc::SIGKILL),
                None if tree::is_descendant(member.pid) == Some(true) => {
                    send(member.pid, libc::SIGKILL);
                }
                None => {}
            }
        }
    }

    /// Forgets who might have followed a main process and has ended. After the reaping: where both have ended, the main one first, the other
    /// had followed it, and its end is the server's.
    pub(super) fn forget_departed(&mut self) {
        for pid in std::mem::take(&mut self.departed) {
            for instance in &mut self.instances {
                instance.lost(pid);
            }
        }
    }

    /// Reaps until nothing is ready: main processes, their orphans, everything that came to this program as their last ancestor.
    pub(super) fn reap(&mut self) {
        while let Some((pid, exit)) = reap() {
            let unwatched = |key: &usize| !self.registry.is_watched(*key);
            if let Some(key) = self.registry.find(pid).filter(unwatched) {
                self.retire(key);
            }
            self.parts.others.retain(|other| *other != pid);
            self.reaped(pid, exit);
        }
        self.duties.look = true;
        self.look_whether_quiet();
    }
}
