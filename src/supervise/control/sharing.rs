//! Who writes to a pipe that is not its own.

use super::Control;
use crate::capture::holders;
use crate::plane::{Level, Order};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a pipe must outlive its process before somebody is looked for: a child that is about to move to its own pipe
/// holds its parent's for less.
const GRACE: Duration = Duration::from_millis(200);

/// How often /proc is searched at the most: a search reads all descriptors of all processes.
const SEARCH_EVERY: Duration = Duration::from_secs(1);

/// PIDs that are remembered as told; beyond, all are forgotten and may be told again.
const REMEMBERED: usize = 4096;

/// Pipes that may have writers besides the process that they were made for.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// Pipes whose process has ended, with its PID.
    suspects: HashMap<u64, i32>,
    /// All pipes are to be looked at.
    all: bool,
    due: Option<Instant>,
    searched: Option<Instant>,
    /// Processes that were told to share, so that each is told once.
    told: HashSet<i32>,
}

impl Sharing {
    /// The pipe `inode` is not at its end although its process `pid` is gone.
    pub(super) fn suspect(&mut self, inode: u64, pid: i32, now: Instant) {
        self.suspects.insert(inode, pid);
        let earliest = self.searched.map_or(now, |at| at + SEARCH_EVERY);
        self.due.get_or_insert(earliest.max(now + GRACE));
    }

    /// All pipes are to be looked at, at once unless that was just done.
    pub(super) fn look_at_all_soon(&mut self, now: Instant) {
        self.all = true;
        let earliest = self.searched.map_or(now, |at| at + SEARCH_EVERY).max(now);
        self.due = Some(self.due.map_or(earliest, |due| due.min(earliest)));
    }

    /// When [`Control::look_for_strangers`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }
}

impl Control {
    /// Searches for those who hold suspected pipes, if it is time.
    pub(super) fn look_for_strangers(&mut self) {
        let now = Instant::now();
        if self.sharing.due.is_none_or(|due| now < due) {
            return;
        }
        self.sharing.due = None;
        self.sharing.searched = Some(now);
        let mut pipes = std::mem::take(&mut self.sharing.suspects);
        if std::mem::take(&mut self.sharing.all) {
            pipes.extend(self.pipes_in_use());
        }
        // After the server's end, what is left is told of by `tell_leftovers`.
        if self.ending.is_serving() {
            self.tell_strangers(&pipes);
        }
        if !self.shortage.unknown {
            let known = self.parts.links.shortages.load(Ordering::SeqCst);
            self.parts.links.orders.send(Order::Known(known));
        }
    }

    fn pipes_in_use(&self) -> Vec<(u64, i32)> {
        let pipes = |member: &super::Member| {
            member
                .inodes
                .iter()
                .map(|inode| (*inode, member.pid))
                .collect::<Vec<_>>()
        };
        self.registry.iter().flat_map(pipes).collect()
    }

    /// Tells of each process that shares once, and has the records of those pipes marked.
    fn tell_strangers(&mut self, owners: &HashMap<u64, i32>) {
        let found = holders::strangers(owners);
        if self.sharing.told.len() > REMEMBERED {
            self.sharing.told.clear();
        }
        let mut new: Vec<(i32, &str)> = Vec::new();
        for holder in &found {
            if self.sharing.told.insert(holder.pid) {
                new.push((holder.pid, &holder.name));
            }
        }
        let others = new.len();
        if others > 0 {
            let text = list(new.into_iter());
            self.say(
                Level::Warning,
                format!("processes without a pipe of their own share another's: {text}"),
            );
        }
        if !found.is_empty() {
            let pipes = found.iter().map(|holder| holder.inode).collect();
            self.parts
                .links
                .orders
                .send(Order::Shared { pipes, others });
        }
    }
}

/// `12 (sleep), 13 (cat)`; of many the first ten.
pub(super) fn list<'a>(processes: impl ExactSizeIterator<Item = (i32, &'a str)>) -> String {
    const SHOWN: usize = 10;
    let more = processes.len().saturating_sub(SHOWN);
    let text = processes
        .take(SHOWN)
        .map(|(pid, name)| format!("{pid} ({name})"))
        .collect::<Vec<_>>()
        .join(", ");
    if more > 0 {
        format!("{text} and {more} more")
    } else {
        text
    }
}
