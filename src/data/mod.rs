//! The data plane: reads the pipes, assembles records, hands them to the destinations. One thread, no hand-off of bytes.
//!
//! It may hang on a destination that is a regular file (a dead network mount); control goes on all the same.

mod feed;
mod gather;
mod orders;
mod own;
mod pipe;
mod reading;
mod room;
mod slots;
mod tallies;

use crate::config::Verbosity;
use crate::output::{Destinations, Notice};
use crate::plane::{Inbox, Level, Lost, MessageCount, Order, Outbox, ProcessId, Report};
use crate::record::Rules;
use crate::supervise::recognize::Watch;
use crate::sys::fd::unread;
use feed::Feed;
use mio::{Events, Poll, Token};
use pipe::{Pipe, Process};
use slab::Slab;
use slots::Slots;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The waker's token.
pub const WAKE: Token = Token(0);
/// The destinations' first token, and how many there may be.
pub const DESTINATIONS: crate::output::TokenRange = crate::output::TokenRange {
    first: 1,
    count: 1023,
};
/// The first pipe's token.
const PIPES: usize = 1024;

/// One read, in bytes: more than a pipe holds as the kernel makes it (64 KiB, pipe(7)), so that one read empties it and shows it.
const READ: usize = 128 << 10;

/// What one pipe may give in a round before the next has its turn.
const TURN: usize = 256 << 10;

/// A fork counts as this much silence of its parent: the wait after a plain log line (records, flush rules).
const FORK_COUNTS_AS: Duration = Duration::from_millis(25);

/// A fault that comes again at each turn must not take a whole processor.
const FAULTS_IN_A_ROW: u32 = 10;
const AFTER_FAULTS: Duration = Duration::from_millis(100);

/// How often a FIFO's reader is looked for at the end.
const LOOK_AT_READER: Duration = Duration::from_millis(20);

/// Counts of the whole run.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    records: u64,
    bytes: u64,
    parts: u64,
    processes: u64,
    shared: u64,
    /// Records that could not be handed over in their own form.
    faults: u64,
}

/// What the data plane is made from.
#[derive(Debug)]
pub struct Parts {
    /// Its poll; the destinations are registered with it already.
    pub poll: Poll,
    /// What control says.
    pub orders: Inbox<Order>,
    /// To control.
    pub reports: Outbox<Report>,
    /// Bounds own messages.
    pub messages: MessageCount,
    /// Whether control waits for descriptors to come free.
    pub wanted: Arc<AtomicBool>,
    /// Counts shortages of descriptors.
    pub shortages: Arc<AtomicU64>,
    /// The record rules.
    pub rules: Arc<Rules>,
    /// Where records go.
    pub destinations: Destinations,
    /// What opening them gave to tell.
    pub notices: Vec<Notice>,
    /// How many slots are main processes' alone.
    pub instances: u32,
    /// Whether the first output is to say which server it is.
    pub recognize: bool,
    /// `--max-memory`.
    pub max_memory: usize,
    /// `-q`, `-v`.
    pub verbosity: Verbosity,
    /// Whether there is a control socket, at which somebody may ask for the last records.
    pub remote: bool,
}

/// The data plane.
#[derive(Debug)]
pub struct Plane {
    parts: Parts,
    pipes: Slab<Pipe>,
    processes: HashMap<ProcessId, Process>,
    slots: Slots,
    /// Pipes that may have something to read. mio tells of a change only, so a pipe leaves this list at EAGAIN alone.
    ready: VecDeque<usize>,
    /// Pipes whose record may be complete by silence. An entry may be out of date; it is looked at again when it is due.
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    buffer: Vec<u8>,
    /// The pipe that is worked on, and what of the buffer is its input: what a panic must not lose.
    in_hand: Option<InHand>,
    gather: gather::Gather,
    room: room::Room,
    /// The assemblers' memory.
    held: usize,
    sources: u64,
    orders: u64,
    /// The count of orders at the last [`Report::Quiet`], once the server is gone.
    quiet: Option<u64>,
    finish: Option<Instant>,
    /// Nothing more is read.
    last_round_over: bool,
    /// Shortages of descriptors whose effects are known.
    known: u64,
    /// The same, once all is read that was written before.
    soon_known: Option<u64>,
    /// Main processes that wait for the slot of the one before.
    next_mains: HashMap<u32, ProcessId>,
    watch: Watch,
    counts: Counts,
    feed: Feed,
}

#[derive(Debug, Clone, Copy)]
struct InHand {
    key: usize,
    /// Bytes of the buffer that its assembler was given.
    given: usize,
}

enum Next {
    Go,
    End(Lost),
}

impl Plane {
    /// A plane that reads nothing yet.
    pub fn new(parts: Parts) -> Self {
        let slots = Slots::new(parts.instances);
        let watch = Watch::new(parts.recognize);
        Self {
            feed: Feed::new(parts.remote, parts.destinations.name()),
            parts,
            pipes: Slab::new(),
            processes: HashMap::new(),
            slots,
            ready: VecDeque::new(),
            timers: BinaryHeap::new(),
            buffer: vec![0; READ],
            in_hand: None,
            gather: gather::Gather::default(),
            room: room::Room::default(),
            held: 0,
            sources: 0,
            orders: 0,
            quiet: None,
            finish: None,
            last_round_over: false,
            known: 0,
            soon_known: None,
            next_mains: HashMap::new(),
            watch,
            counts: Counts::default(),
        }
    }

    /// Works until control has asked for the end. A panic costs the assembly of the stream in hand, not its bytes, and not the server.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        let mut faults = 0;
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.turn(&mut events))) {
                Ok(Next::Go) => faults = 0,
                Ok(Next::End(lost)) => {
                    self.parts.reports.send(Report::Written(lost));
                    return;
                }
                Err(_) => {
                    faults += 1;
                    // A fault in here leaves nothing to be done but to go on: were this thread to end, the server would die of SIGPIPE.
                    let _ = catch_unwind(AssertUnwindSafe(|| self.recover()));
                    if faults > FAULTS_IN_A_ROW {
                        std::thread::park_timeout(AFTER_FAULTS);
                    }
                }
            }
        }
    }

    fn turn(&mut self, events: &mut Events) -> Next {
        for notice in std::mem::take(&mut self.parts.notices) {
            self.notice(&notice);
        }
        // Whoever still has to be served, or waits for this program's end, is not kept waiting.
        let pause = self.gather.pause();
        if let Some(pause) = pause.filter(|_| self.ready.is_empty() && self.finish.is_none()) {
            std::thread::sleep(pause);
        }
        let timeout = self.timeout(Instant::now());
        self.poll(events, timeout);
        if !self.paused() {
            self.read_round();
        }
        // After the round, so that a message about a process's end stands behind its last words.
        self.carry_out_orders(events);
        if !self.paused() {
            self.get_to_know();
            self.look_at_silence();
        }
        if self.finish.is_some() && !self.last_round_over {
            self.last_round();
        }
        self.parts.destinations.flush(Instant::now());
        self.tell_notices();
        self.tell_faults();
        self.send_feed();
        self.report_quiet();
        if let Some(server) = self.watch.found() {
            self.parts.reports.send(Report::Recognized(server));
        }
        self.end_if_done()
    }

    /// Waits for events and notes them.
    fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) {
        if let Err(error) = self.parts.poll.poll(events, timeout)
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.say(
                Level::Error,
                &format!("cannot wait for events: {}", crate::cause(&error)),
            );
        }
        let now = Instant::now();
        for event in events.iter() {
            match event.token() {
                WAKE => {}
                Token(token) if token >= PIPES => {
                    if let Some(pipe) = self.pipes.get_mut(token - PIPES) {
                        pipe.hung_up |= event.is_read_closed();
                    }
                    self.list(token - PIPES);
                }
                token => {
                    self.parts.destinations.ready(token, now);
                }
            }
        }
    }

    /// Whether processes may have been forked that could not register, and now write to any pipe.
    fn unknown(&self) -> bool {
        self.parts.shortages.load(Ordering::SeqCst) > self.known
    }

    /// Back-pressure: what a destination does not take stays in the pipes.
    fn paused(&self) -> bool {
        self.last_round_over || self.parts.destinations.congested()
    }

    fn timeout(&self, now: Instant) -> Option<Duration> {
        let paused = self.paused();
        if !self.ready.is_empty() && !paused {
            return Some(Duration::ZERO);
        }
        let silence = self
            .timers
            .peek()
            .filter(|_| !paused)
            .map(|Reverse((at, _))| *at);
        // A FIFO's reader sends no event; it is looked for while the end waits for it alone.
        let look = self
            .finish
            .filter(|_| self.parts.destinations.undelivered() > 0)
            .map(|_| now + LOOK_AT_READER);
        let next = [
            silence,
            self.parts.destinations.deadline(),
            self.finish,
            look,
        ]
        .into_iter()
        .flatten()
        .min();
        next.map(|at| at.saturating_duration_since(now))
    }

    fn report_quiet(&mut self) {
        let orders = self.orders;
        if let Some(told) = &mut self.quiet
            && self.pipes.is_empty()
            && *told != orders
        {
            *told = orders;
            self.parts.reports.send(Report::Quiet { orders });
        }
    }

    /// The last round: what is in the pipes now is read, open records leave, counts are told.
    fn last_round(&mut self) {
        let keys: Vec<usize> = self.pipes.iter().map(|(key, _)| key).collect();
        for key in keys {
            if !self.paused() {
                self.read_what_is_there(key);
            }
            self.release(key, |assembler, sink| assembler.end(sink));
        }
        self.parts.destinations.tell_dropped();
        self.tell_notices();
        let c = self.counts;
        let dropped = self.parts.destinations.dropped().records;
        let text = format!(
            "{} records, {} bytes, {} processes captured, {} sharing a pipe, {} parts, {dropped} records dropped",
            c.records, c.bytes, c.processes, c.shared, c.parts
        );
        self.say(Level::Info, &text);
        self.parts.destinations.hurry();
        self.last_round_over = true;
    }

    fn send_feed(&mut self) {
        for chunk in self.feed.chunks() {
            self.parts.reports.send(chunk.into());
        }
    }

    fn end_if_done(&mut self) -> Next {
        let Some(until) = self.finish else {
            return Next::Go;
        };
        let destinations = &self.parts.destinations;
        let unwritten = destinations.pending() + destinations.undelivered();
        if unwritten + destinations.deliverable() > 0 && Instant::now() < until {
            return Next::Go;
        }
        self.parts.destinations.sync_all();
        let unread = self
            .pipes
            .iter()
            .map(|(_, p)| unread(p.fd.as_fd()).unwrap_or(0))
            .sum();
        Next::End(Lost { unwritten, unread })
    }
}

#[cfg(test)]
mod tests;
