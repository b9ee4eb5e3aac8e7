//! The write path: records go into a batch per destination, batches go out in one call each.
//!
//! Used by one thread, which must never wait for a reader: a regular file is written directly, everything else without
//! blocking. What cannot be written stays in its batch; [`Destinations::congested`] then asks for reading to pause.

mod dropping;
mod locking;
mod making;
mod opening;
mod own;
mod rotating;
mod syncing;
mod writing;

pub(super) use self::dropping::Dropping;
pub(super) use self::locking::Locking;
pub(super) use self::rotating::Moving;
pub(super) use self::syncing::Syncing;

use self::rotating::Turns;
use super::Origin;
use super::budget::FdBudget;
use super::format::Encoder;
use super::network::Receivers;
use super::news::News;
use super::open::Open;
use super::rotate::keeper::{Keeper, Place};
use super::settings::{Settings, WhenFull};
use super::sink::{Owner, Sink, State};
use super::spec::{Filter, OutputSpec, Template};
use super::syncing::Syncer;
use crate::record::{Kind, Record};
use jiff::tz::TimeZone;
use mio::{Registry, Token};
use slab::Slab;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
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

/// What was dropped: because a destination's reader is gone, or because it was full and that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Bytes: of the records themselves, or as formatted for those that waited in the batch.
    pub bytes: u64,
    /// Records, or parts of records.
    pub records: u64,
}

impl Dropped {
    fn add(&mut self, records: u64, bytes: u64) {
        self.records += records;
        self.bytes += bytes;
    }
}

/// One `-o`: which records, how, where.
#[derive(Debug)]
struct Route {
    encoder: Encoder,
    filter: Filter,
    to: To,
    when_full: WhenFull,
}

#[derive(Debug)]
enum To {
    Sink(usize),
    Template {
        template: Template,
        /// Where the keeper of old files knows them.
        place: usize,
    },
    /// A receiver's number.
    Receiver(usize),
}

impl Route {
    /// Whether lines may go there together: each is one line there too, and nothing is asked of each on its way.
    fn takes_runs(&self) -> bool {
        let receiver = matches!(self.to, To::Receiver(_));
        !receiver && self.when_full == WhenFull::Block && self.encoder.keeps_lines()
    }
}

/// All destinations.
#[derive(Debug)]
pub struct Destinations {
    routes: Vec<Route>,
    /// The key is the distance from the first token.
    sinks: Slab<Sink>,
    receivers: Receivers,
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
    settings: Settings,
    /// Where the days of `--rotate-every` begin.
    zone: TimeZone,
    /// The wall clock, in µs since 1970.
    wall: fn() -> u64,
    turns: Turns,
    /// The files whose old ones are kept; given to the keeper when all are known.
    places: Vec<Place>,
    /// `None`: nothing is to be done to old files.
    keeper: Option<Keeper>,
    /// Whether the keeper has looked at what an earlier run left.
    kept: bool,
    syncer: Option<Syncer>,
    sync_at: Option<Instant>,
    /// What the threads beside this one have to tell.
    news: Option<News>,
}

impl Destinations {
    /// For `--check`: what each destination is, or why it could not be written. Makes and changes nothing.
    pub fn check(specs: &[OutputSpec]) -> Vec<(String, Result<String, String>)> {
        super::check::check(specs)
    }

    /// Puts a record into the batch of each destination that takes it. Never blocks. Returns at how many of them its form
    /// failed, which is a fault of this program: there it stands as a plain line.
    pub fn write(&mut self, origin: &Origin, record: &Record<'_>) -> u64 {
        let mut faults = 0;
        for route in 0..self.routes.len() {
            if self.routes[route].filter.takes(origin, record) {
                faults += u64::from(!self.write_or_plainly(route, origin, record));
            }
        }
        faults
    }

    /// A panic costs the record its form at this destination, not its bytes, and other destinations nothing. False: so it was.
    fn write_or_plainly(&mut self, route: usize, origin: &Origin, record: &Record<'_>) -> bool {
        let formed = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            tests::poisoned(route, record);
            self.write_to(route, origin, record);
        }));
        if formed.is_err() {
            let plain = Record {
                kind: Kind::Line,
                part: None,
                ..*record
            };
            // The simplest of records; were even that refused, there would be no way left to write it.
            let _ = catch_unwind(AssertUnwindSafe(|| self.write_to(route, origin, &plain)));
        }
        formed.is_ok()
    }

    fn write_to(&mut self, route: usize, origin: &Origin, record: &Record<'_>) {
        if let To::Receiver(id) = self.routes[route].to {
            return self.send(id, origin, record);
        }
        let id = self.sink_for(route, origin);
        let sink = &mut self.sinks[id];
        if sink.state == State::Gone {
            return self.dropped.add(1, record.bytes.len() as u64);
        }
        if sink.drops(self.pending, self.settings.max_pending / 4) {
            return self.drop_record(id, origin, record);
        }
        sink.add(&mut self.routes[route].encoder, origin, record);
        self.added(id);
    }

    /// A sink has more to write.
    fn added(&mut self, id: usize) {
        let sink = &self.sinks[id];
        let early = sink.batch.pending() >= EARLY && sink.state == State::Ready;
        self.queue(id);
        if early {
            self.write_out(id, None);
        }
        self.settle(id);
    }

    /// [`Self::write`] for many records at once: whole lines of one stream, each a record of its own and not a traceback, read
    /// at `wall_us`.
    pub fn write_lines(&mut self, origin: &Origin, lines: &[u8], wall_us: u64) -> u64 {
        let any = Record::line(lines, wall_us);
        let mut faults = 0;
        for route in 0..self.routes.len() {
            if !self.routes[route].filter.takes(origin, &any) {
                continue;
            }
            let mut rest = lines;
            if self.routes[route].takes_runs() {
                // What a panic leaves goes line by line, so that only the one at fault loses its form.
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    #[cfg(test)]
                    crate::record::lines(lines)
                        .for_each(|line| tests::poisoned(route, &Record::line(line, wall_us)));
                    self.write_lines_to(route, origin, &mut rest, wall_us);
                }));
            }
            for line in crate::record::lines(rest) {
                let record = Record::line(line, wall_us);
                faults += u64::from(!self.write_or_plainly(route, origin, &record));
            }
        }
        faults
    }

    /// Takes what it has dealt with off the front of `rest`: in the end everything.
    fn write_lines_to(&mut self, route: usize, origin: &Origin, rest: &mut &[u8], wall_us: u64) {
        while !rest.is_empty() {
            let id = self.sink_for(route, origin);
            let sink = &mut self.sinks[id];
            if sink.state == State::Gone {
                let gone = std::mem::take(rest);
                let records = memchr::memchr_iter(b'\n', gone).count();
                return self.dropped.add(records as u64, gone.len() as u64);
            }
            let encoder = &mut self.routes[route].encoder;
            sink.add_lines(|out| {
                *rest = encoder.encode_lines(origin, (*rest, wall_us), out);
            });
            self.added(id);
        }
    }

    /// Writes what can be written, one call for each batch, and does what is due: retries, files to close, memory to
    /// give back. To be called at the end of every round of the loop, also after [`Self::deadline`] has passed.
    pub fn flush(&mut self, now: Instant) {
        self.turn(now);
        if let Some(keeper) = self.keeper.as_mut().filter(|_| !self.kept) {
            self.kept = true;
            keeper.tidy_all();
        }
        let work: Vec<usize> = self.work.iter().copied().collect();
        for id in work {
            self.write_out(id, Some(now));
            self.settle(id);
        }
        self.sync_at_need(now);
        self.receivers.flush(now);
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
        if token == self.receivers_token() {
            self.receivers.answer();
        } else if token == self.bell()
            && let Some(news) = &mut self.news
        {
            news.heard();
        } else if let Some(sink) = self.sinks.get_mut(id) {
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
        let receivers = self.receivers.deadline();
        let others = [self.trim_at, self.sync_at, self.next_turn(), receivers];
        retries.chain(others.into_iter().flatten()).min()
    }

    /// Whether reading must pause: a destination has more than 1 MiB pending, a queue is full, or all together have as much
    /// waiting as may. What is dropped at its limit never holds reading up.
    pub fn congested(&self) -> bool {
        let waiting = self.pending + self.receivers.claim();
        self.congested > 0 || self.receivers.congested() || waiting > self.settings.max_pending
    }

    /// Those that take nothing now, by name: a reader stands still or is gone, a disk is full, a receiver is not there.
    pub fn blocked(&self) -> Vec<String> {
        let sinks = self.sinks.iter().map(|(_, sink)| sink);
        let blocked = sinks.filter(|sink| match sink.state {
            State::Ready => false,
            State::AwaitEvent | State::AwaitTime(_) => sink.batch.pending() > 0,
            State::Gone => true,
        });
        let blocked = blocked.map(|sink| sink.label.clone());
        blocked.chain(self.receivers.blocked()).collect()
    }

    /// The server's name in records: `--name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Formatted bytes that are not written yet, or that a receiver may not have.
    pub fn pending(&self) -> usize {
        self.pending + self.receivers.pending()
    }

    /// Bytes that lie in a queue on disk while their receiver is there to take them. The next run sends what is left.
    pub fn deliverable(&self) -> usize {
        self.receivers.deliverable()
    }

    /// The end has come: receivers that were waited for are tried at once.
    pub fn hurry(&self) {
        self.receivers.hurry();
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
        self.held + self.receivers.held()
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
        for id in self.logs() {
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
        let mut news = self.receivers.notices();
        news.extend(self.news.iter().flat_map(News::take));
        for Notice { error, text } in news {
            self.tell(error, text);
        }
        let left_out = std::mem::take(&mut self.notices_left_out);
        let more = (left_out > 0).then(|| Notice {
            error: true,
            text: format!("{left_out} more messages about destinations are left out"),
        });
        self.notices.drain(..).chain(more)
    }
}

impl Destinations {
    /// The sink for a record of `origin` on this route.
    fn sink_for(&mut self, route: usize, origin: &Origin) -> usize {
        let (template, place) = match &self.routes[route].to {
            To::Sink(id) | To::Receiver(id) => return *id,
            To::Template { template, place } => (template, *place),
        };
        self.path.clear();
        template.expand(&self.file_name, origin, &mut self.path);
        let Some(&id) = self.by_path.get(&self.path) else {
            let owner = match () {
                () if template.has_pid() => Owner::Pid(origin.pid),
                () if template.has_slot() => Owner::Slot(origin.slot),
                () => Owner::Common,
            };
            let when_full = self.routes[route].when_full;
            let id = self.new_sink(self.path.clone(), owner, place);
            self.sinks[id].when_full = when_full;
            return id;
        };
        // A slot that was taken again before the last one's batch was out.
        self.sinks[id].closing = false;
        id
    }

    /// Drops a sink; its descriptor is closed and its permit given back.
    fn remove(&mut self, id: usize) {
        self.unregister(id);
        self.sync_file(id);
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
        // The file of a process is an old one now, once nobody has it open.
        let place = sink.place;
        drop(sink);
        self.tidy(place);
    }
}

#[cfg(test)]
mod tests;
