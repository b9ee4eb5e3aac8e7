//! Who writes to a pipe that is not its own.

use super::Control;
use crate::capture::holders::{Found, Holder};
use crate::plane::{Level, Order, Report};
use crate::supervise::registry::{Member, Registry};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a pipe must outlive its process before somebody is looked for: a child that is about to move to its own pipe
/// holds its parent's for less.
const GRACE: Duration = Duration::from_millis(200);

/// How often /proc is searched at the most: a search reads all descriptors of all processes.
const SEARCH_EVERY: Duration = Duration::from_secs(1);

/// PIDs that are remembered as told; beyond, all are forgotten and may be told again.
const REMEMBERED: usize = 4096;

/// How long after its start a server is looked at, for processes that lost what was preloaded: by `env -i`, `su` or `sudo`, they
/// have forked by then, and as a rule have not served much. And once more, for those that begin later.
const AFTER_START: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];

/// Pipes that may have writers besides the process that they were made for.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// Pipes whose process has ended, with its PID.
    suspects: HashMap<u64, i32>,
    /// All pipes are to be looked at.
    all: bool,
    due: Option<Instant>,
    /// When all pipes are to be looked at besides.
    planned: BTreeSet<Instant>,
    searched: Option<Instant>,
    /// A search is under way.
    search: Option<Search>,
    /// The next one is a second look.
    second: bool,
    /// Processes that were told to share, so that each is told once.
    told: HashSet<(i32, Option<u64>)>,
}

/// What is to be done with what a search finds.
#[derive(Debug, Clone, Copy)]
struct Search {
    /// For [`Order::Known`].
    known: Option<u64>,
    /// It is the second look at processes that had only just been forked at the first.
    second: bool,
}

impl Sharing {
    /// The pipe `inode` is not at its end although its process `pid` is gone.
    pub(super) fn suspect(&mut self, inode: u64, pid: i32, now: Instant) {
        self.suspects.insert(inode, pid);
        self.due.get_or_insert(self.earliest(now + GRACE));
    }

    /// All pipes are to be looked at, at once unless that was just done.
    pub(super) fn look_at_all_soon(&mut self, now: Instant) {
        self.all = true;
        let earliest = self.earliest(now);
        self.due = Some(self.due.map_or(earliest, |due| due.min(earliest)));
    }

    /// A server is started.
    pub(super) fn started(&mut self, now: Instant) {
        self.planned.extend(AFTER_START.map(|after| now + after));
    }

    fn earliest(&self, wanted: Instant) -> Instant {
        self.searched
            .map_or(wanted, |at| wanted.max(at + SEARCH_EVERY))
    }

    /// When [`Control::look_for_strangers`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let next = [self.due, self.planned.first().copied()];
        let next = next.into_iter().flatten().min();
        next.filter(|_| self.search.is_none())
    }

    /// The pipes to look at now, if it is time. `in_use` gives all.
    fn take_due(
        &mut self,
        now: Instant,
        in_use: impl FnOnce() -> Vec<(u64, i32)>,
    ) -> HashMap<u64, i32> {
        self.due = None;
        self.searched = Some(now);
        let later = self.planned.split_off(&now);
        let planned = std::mem::replace(&mut self.planned, later);
        let all = std::mem::take(&mut self.all) || !planned.is_empty();
        let mut pipes = std::mem::take(&mut self.suspects);
        if all {
            pipes.extend(in_use());
        }
        pipes
    }
}

impl Control {
    /// Begins a search for those who hold suspected pipes, if it is time. By a thread: it may take seconds where processes have
    /// many descriptors open.
    pub(super) fn look_for_strangers(&mut self) {
        let now = Instant::now();
        if self.sharing.deadline().is_none_or(|due| now < due) {
            return;
        }
        let second = std::mem::take(&mut self.sharing.second);
        let registry = &self.registry;
        let pipes = self.sharing.take_due(now, || pipes_in_use(registry));
        let known =
            (!self.shortage.unknown).then(|| self.parts.links.shortages.load(Ordering::SeqCst));
        self.sharing.search = Some(Search { known, second });
        // After the server's end, what is left is told of by `tell_leftovers`.
        if pipes.is_empty() || !self.ending.is_serving() {
            return self.found_strangers(&Found::default());
        }
        let mut reports = self.parts.own.clone();
        let search = move || reports.send(Report::Strangers(Found::search(&pipes)));
        let thread = std::thread::Builder::new().name("search".into());
        if let Err(error) = thread.spawn(search) {
            let text = format!(
                "cannot search for processes that share a pipe: {}",
                crate::cause(&error)
            );
            self.say(Level::Error, text);
            self.found_strangers(&Found::default());
        }
    }

    /// A search is over: tells of each process that shares once, and has the records of those pipes marked.
    pub(super) fn found_strangers(&mut self, found: &Found) {
        let Some(search) = self.sharing.search.take() else {
            return;
        };
        if found.young && !search.second {
            self.sharing.second = true;
            self.sharing.look_at_all_soon(Instant::now());
        }
        if !found.strangers.is_empty() {
            self.tell_strangers(&found.strangers);
        }
        if let Some(known) = search.known {
            self.parts.links.orders.send(Order::Known(known));
        }
    }

    fn tell_strangers(&mut self, found: &[Holder]) {
        if self.sharing.told.len() > REMEMBERED {
            self.sharing.told.clear();
        }
        let told = &mut self.sharing.told;
        let new: Vec<(i32, &str)> = found
            .iter()
            .filter(|holder| told.insert((holder.pid, holder.born)))
            .map(|holder| (holder.pid, holder.name.as_str()))
            .collect();
        let others = new.len();
        let text = (others > 0).then(|| list(new.into_iter()));
        // First, so that who has read the message finds all later records marked.
        let pipes = found.iter().map(|holder| holder.inode).collect();
        let shared = Order::Shared { pipes, others };
        self.parts.links.orders.send(shared);
        if let Some(text) = text {
            self.say(
                Level::Warning,
                format!("processes without a pipe of their own share another's: {text}"),
            );
        }
    }
}

fn pipes_in_use(registry: &Registry) -> Vec<(u64, i32)> {
    let pipes = |member: &Member| {
        let pid = member.pid;
        let pipes = member.inodes.iter().map(|inode| (*inode, pid));
        pipes.collect::<Vec<_>>()
    };
    registry.iter().flat_map(pipes).collect()
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
