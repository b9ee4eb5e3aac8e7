//! The write path: records go into a batch per destination, batches go out in one call each.
//!
//! Used by one thread, which must never wait for a reader: a regular file is written directly, everything else without
//! blocking. What cannot be written stays in its batch; [`Destinations::congested`] then asks for reading to pause.

mod opening;
mod own;
mod writing;

use self::own::{Inherited, OwnSinks};
use super::Origin;
use super::budget::FdBudget;
use super::format::encode;
use super::open::{Cause, Fd, Kind, Open, id_at};
use super::sink::{Owner, Sink, State};
use super::spec::{Filter, Format, OutputSpec, Target, Template, shown};
use super::template::file_name;
use super::time::TimeCache;
use crate::record::Record;
use mio::{Registry, Token};
use slab::Slab;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// A batch of this size goes out at once, in bytes.
const EARLY: usize = 256 << 10;

/// Something about a destination that people must be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whether it is an error; otherwise it is information that `-q` silences.
    pub error: bool,
    /// One line, without newline.
    pub text: String,
}

/// A destination that cannot be opened, before the server starts: exit status 125.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {operation} {object}: {cause}")]
pub struct OpenError {
    /// What was tried: `open`.
    pub operation: &'static str,
    /// The destination.
    pub object: String,
    /// Why not.
    pub cause: String,
}

/// The mio tokens that destinations may use: `first`, `first + 1`…, `count` of them. A destination beyond them still
/// works, but is tried again after a delay instead of at an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRange {
    /// The first token.
    pub first: usize,
    /// How many.
    pub count: usize,
}

/// What was dropped because a destination's reader is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Bytes: of the records themselves, or as formatted for those that waited in the batch.
    pub bytes: u64,
    /// Records, or parts of records.
    pub records: u64,
}

/// One `-o`: which records, how, where.
#[derive(Debug)]
struct Route {
    format: Format,
    time: TimeCache,
    filter: Filter,
    to: To,
}

#[derive(Debug)]
enum To {
    Sink(usize),
    Template(Template),
}

/// All destinations.
#[derive(Debug)]
pub struct Destinations {
    routes: Vec<Route>,
    /// The key is the distance from the first token.
    sinks: Slab<Sink>,
    /// Paths as they are opened → sinks, so that a path that is named twice has one sink.
    by_path: HashMap<Vec<u8>, usize>,
    /// Files to close when their process is gone.
    owned: BTreeSet<(Owner, usize)>,
    /// Files of templates that are open, by last use.
    by_use: BTreeMap<u64, usize>,
    uses: u64,
    /// Sinks with something to write, to open or to close.
    work: BTreeSet<usize>,
    name: String,
    file_name: Vec<u8>,
    budget: Arc<FdBudget>,
    registry: Registry,
    tokens: TokenRange,
    notices: Vec<Notice>,
    notices_left_out: u64,
    pending: usize,
    held: usize,
    congested: usize,
    dropped: Dropped,
    /// When to give memory back.
    trim_at: Option<Instant>,
    /// For the path of a template, so that no record allocates.
    path: Vec<u8>,
}

impl Destinations {
    /// Opens every destination but those of templates, which are opened at their first record.
    ///
    /// `name` is `--name`. `budget` has to hold a permit for each path; one descriptor more may be open during a call.
    /// What cannot hang is not registered. The notices are for the user, such as that a file ended inside a line.
    pub fn open(
        specs: &[OutputSpec],
        name: &str,
        budget: Arc<FdBudget>,
        registry: &Registry,
        tokens: TokenRange,
    ) -> Result<(Self, Vec<Notice>), OpenError> {
        let inherited = Inherited {
            stdout: Fd::Stdout(std::io::stdout()),
            stderr: Fd::Stderr(std::io::stderr()),
        };
        Self::open_with(specs, name, budget, registry, tokens, inherited)
    }

    fn open_with(
        specs: &[OutputSpec],
        name: &str,
        budget: Arc<FdBudget>,
        registry: &Registry,
        tokens: TokenRange,
        inherited: Inherited,
    ) -> Result<(Self, Vec<Notice>), OpenError> {
        let registry = registry.try_clone().map_err(|error| OpenError {
            operation: "use",
            object: "the event loop".to_owned(),
            cause: error.to_string(),
        })?;
        let mut all = Self {
            routes: Vec::new(),
            sinks: Slab::new(),
            by_path: HashMap::new(),
            owned: BTreeSet::new(),
            by_use: BTreeMap::new(),
            uses: 0,
            work: BTreeSet::new(),
            name: name.to_owned(),
            file_name: file_name(name),
            budget,
            registry,
            tokens,
            notices: Vec::new(),
            notices_left_out: 0,
            pending: 0,
            held: 0,
            congested: 0,
            dropped: Dropped::default(),
            trim_at: None,
            path: Vec::new(),
        };
        let mut own = OwnSinks::new(inherited);
        for spec in specs {
            let to = all
                .target(&spec.target, &mut own)
                .map_err(|cause| OpenError {
                    operation: "open",
                    object: spec.target.to_string(),
                    cause: cause.to_string(),
                })?;
            let (format, time) = (spec.format, TimeCache::new(spec.time));
            all.routes.push(Route {
                format,
                time,
                filter: spec.filter.clone(),
                to,
            });
        }
        let notices = std::mem::take(&mut all.notices);
        Ok((all, notices))
    }

    /// For `--check`: what each destination is, or why it could not be written. Makes and changes nothing.
    pub fn check(specs: &[OutputSpec]) -> Vec<(String, Result<String, String>)> {
        super::check::check(specs)
    }

    /// Puts a record into the batch of each destination that takes it. Never blocks.
    pub fn write(&mut self, origin: &Origin, record: &Record<'_>) {
        for route in 0..self.routes.len() {
            if !self.routes[route].filter.takes(origin, record) {
                continue;
            }
            let id = self.sink_for(route, origin);
            let sink = &mut self.sinks[id];
            if sink.state == State::Gone {
                self.dropped.bytes += record.bytes.len() as u64;
                self.dropped.records += 1;
                continue;
            }
            let Route { format, time, .. } = &mut self.routes[route];
            sink.add(*format, origin, record, |out| {
                encode(*format, time, &self.name, origin, record, out);
            });
            let early = sink.batch.pending() >= EARLY && sink.state == State::Ready;
            self.queue(id);
            if early {
                self.write_out(id, None);
            }
            self.settle(id);
        }
    }

    /// Writes what can be written, one call for each batch, and does what is due: retries, files to close, memory to
    /// give back. To be called at the end of every round of the loop, also after [`Self::deadline`] has passed.
    pub fn flush(&mut self, now: Instant) {
        let work: Vec<usize> = self.work.iter().copied().collect();
        for id in work {
            self.write_out(id, Some(now));
            self.settle(id);
        }
        self.trim(now);
    }

    /// An event came for `token`; false: it is none of ours. Spurious events do no harm.
    pub fn ready(&mut self, token: Token, now: Instant) -> bool {
        let Some(id) = token
            .0
            .checked_sub(self.tokens.first)
            .filter(|id| *id < self.tokens.count)
        else {
            return false;
        };
        if let Some(sink) = self.sinks.get_mut(id) {
            let waits = matches!(sink.state, State::AwaitEvent | State::AwaitTime(_));
            if sink.registered.is_some() && waits {
                sink.state = State::Ready;
                self.write_out(id, Some(now));
                self.settle(id);
            }
        }
        true
    }

    /// When [`Self::flush`] has something to do again, if no record and no event comes before.
    pub fn deadline(&self) -> Option<Instant> {
        let retries = self
            .work
            .iter()
            .filter_map(|&id| match self.sinks[id].state {
                State::AwaitTime(at) => at,
                _ => None,
            });
        retries.chain(self.trim_at).min()
    }

    /// Whether a destination has more than 1 MiB pending, so that reading must pause.
    pub fn congested(&self) -> bool {
        self.congested > 0
    }

    /// Those that take nothing now, by name: a reader stands still or is gone, a disk is full.
    pub fn blocked(&self) -> Vec<String> {
        let sinks = self.sinks.iter().map(|(_, sink)| sink);
        let blocked = sinks.filter(|sink| match sink.state {
            State::Ready => false,
            State::AwaitEvent | State::AwaitTime(_) => sink.batch.pending() > 0,
            State::Gone => true,
        });
        blocked.map(|sink| sink.label.clone()).collect()
    }

    /// The server's name in records: `--name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Formatted bytes that are not written yet.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Bytes that were written into FIFOs and that no reader has taken. No event tells when one does.
    pub fn undelivered(&self) -> usize {
        self.sinks
            .iter()
            .filter_map(|(_, sink)| sink.open.as_ref())
            .map(Open::undelivered)
            .sum()
    }

    /// Bytes of memory that the batches hold, used or not.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Gives the buffers of all batches that are written back at once, for a caller that is short of memory.
    pub fn give_back(&mut self) {
        let idle: Vec<usize> = self
            .sinks
            .iter()
            .filter(|(_, sink)| sink.batch.pending() == 0)
            .map(|(id, _)| id)
            .collect();
        for id in idle {
            self.sinks[id].batch.shrink();
            self.settle(id);
        }
    }

    /// What was dropped since the start.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Opens every path again, as logrotate's `create` wants it after SIGUSR1. A file that is inside a record goes on
    /// until that is complete. Where it fails, the file that was open is written further, and a notice says so.
    pub fn reopen(&mut self, now: Instant) {
        let paths: Vec<usize> = self
            .sinks
            .iter()
            .filter(|(_, sink)| sink.path.is_some())
            .map(|(id, _)| id)
            .collect();
        for id in paths {
            let sink = &mut self.sinks[id];
            if sink.state == State::Gone {
                continue;
            }
            sink.state = State::Ready;
            if sink.open.is_some() {
                sink.want_reopen = true;
                self.queue(id);
            }
            self.write_out(id, Some(now));
            self.settle(id);
        }
    }

    /// A process is gone and its pipes are at their ends: its own files (`{pid}`, and `{slot}` if its slot is free now)
    /// are closed as soon as their batches are written.
    pub fn process_ended(&mut self, pid: i32, slot: Option<u32>) {
        let owners = [Some(Owner::Pid(pid)), slot.map(Owner::Slot)];
        for owner in owners.into_iter().flatten() {
            let ids: Vec<usize> = self
                .owned
                .range((owner, 0)..=(owner, usize::MAX))
                .map(|&(_, id)| id)
                .collect();
            for id in ids {
                if self.sinks[id].batch.pending() == 0 {
                    self.remove(id);
                } else {
                    self.sinks[id].closing = true;
                }
            }
        }
    }

    /// What is to be told since the last call. The caller writes it as records of unbraid's own and to stderr; a notice
    /// is given once for each change, so it cannot feed itself.
    pub fn notices(&mut self) -> impl Iterator<Item = Notice> {
        let left_out = std::mem::take(&mut self.notices_left_out);
        let more = (left_out > 0).then(|| Notice {
            error: true,
            text: format!("{left_out} more messages about destinations are left out"),
        });
        self.notices.drain(..).chain(more)
    }
}

impl Destinations {
    fn target(&mut self, target: &Target, own: &mut OwnSinks) -> Result<To, Cause> {
        match target {
            Target::Template(template) => Ok(To::Template(template.clone())),
            Target::Stdout => own.stdout(self).map(To::Sink),
            Target::Stderr => own.stderr(self).map(To::Sink),
            Target::File(path) => self.fixed_path(path, own).map(To::Sink),
        }
    }

    /// The sink of a path without fields, opened. Another name of what is open already is no second sink: what two
    /// write to one pipe would mix.
    fn fixed_path(&mut self, path: &Path, own: &mut OwnSinks) -> Result<usize, Cause> {
        let key = path.as_os_str().as_bytes();
        if let Some(&id) = self.by_path.get(key) {
            return Ok(id);
        }
        if let Some(found) = id_at(path) {
            if let Some(id) = own.not_regular(found, self) {
                return id;
            }
            let same = self.sinks.iter().find(|(_, sink)| {
                let same = |open: &Open| open.id == found && open.kind != Kind::Regular;
                sink.open.as_ref().is_some_and(same)
            });
            if let Some((id, _)) = same {
                return Ok(id);
            }
        }
        let id = self.new_sink(key.to_vec(), Owner::Fixed);
        self.open_path(id)?;
        Ok(id)
    }

    fn new_sink(&mut self, path: Vec<u8>, owner: Owner) -> usize {
        let label = shown(&path);
        let file = PathBuf::from(OsString::from_vec(path.clone()));
        let id = self.sinks.insert(Sink::new(label, Some(file), owner));
        self.by_path.insert(path, id);
        if matches!(owner, Owner::Pid(_) | Owner::Slot(_)) {
            self.owned.insert((owner, id));
        }
        id
    }

    /// The sink for a record of `origin` on this route.
    fn sink_for(&mut self, route: usize, origin: &Origin) -> usize {
        let template = match &self.routes[route].to {
            To::Sink(id) => return *id,
            To::Template(template) => template,
        };
        self.path.clear();
        template.expand(&self.file_name, origin, &mut self.path);
        let Some(&id) = self.by_path.get(&self.path) else {
            let owner = match () {
                () if template.has_pid() => Owner::Pid(origin.pid),
                () if template.has_slot() => Owner::Slot(origin.slot),
                () => Owner::Common,
            };
            return self.new_sink(self.path.clone(), owner);
        };
        // A slot that was taken again before the last one's batch was out.
        self.sinks[id].closing = false;
        id
    }

    /// Drops a sink; its descriptor is closed and its permit given back.
    fn remove(&mut self, id: usize) {
        self.unregister(id);
        let sink = self.sinks.remove(id);
        if let Some(path) = &sink.path {
            self.by_path.remove(path.as_os_str().as_bytes());
        }
        self.owned.remove(&(sink.owner, id));
        self.by_use.remove(&sink.used);
        self.work.remove(&id);
        let (pending, held, congested) = sink.counted;
        self.pending -= pending;
        self.held -= held;
        self.congested -= usize::from(congested);
    }
}

#[cfg(test)]
mod tests;
