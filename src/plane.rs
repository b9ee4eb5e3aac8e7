//! What the two planes say to each other. Neither waits for the other: each send is a push and a wake-up.

use crate::capture::gate::Counted;
use crate::capture::holders::Found;
use crate::supervise::profile::Server;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

/// Names a process while this program runs; a PID may come again.
pub type ProcessId = u64;

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Told even with `-q`.
    Error,
    /// Told unless `-q`.
    Warning,
    /// Told with `-v`.
    Info,
}

/// A process whose pipes are to be read.
#[derive(Debug)]
pub struct Arrived {
    /// Its name between the planes; the same again when it executes another program.
    pub id: ProcessId,
    /// Its PID.
    pub pid: i32,
    /// Its parent, for a new process whose parent is known.
    pub parent: Option<ProcessId>,
    /// Read ends with the numbers of their streams.
    pub pipes: Vec<(u8, Counted)>,
    /// The slot that is reserved for it, when it is the main process of an instance.
    pub main: Option<u32>,
    /// Whether [`Order::Gone`] will tell its end; otherwise the end of its pipes is taken for it.
    pub tracked: bool,
    /// Whether several processes write to these pipes, as is known from the start.
    pub shared: bool,
}

/// Whose records a client wants; each that is set must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Those of this process.
    pub pid: Option<i32>,
    /// Those of this slot.
    pub slot: Option<u32>,
}

/// A client of the control socket that wants records.
#[derive(Debug)]
pub struct Listen {
    /// Its number, for [`Report::Lines`].
    pub client: u64,
    /// Which records.
    pub wanted: Wanted,
    /// How many of the past at the most; `None`: all that are kept.
    pub past: Option<usize>,
    /// Also those to come, as this has room for them.
    pub room: Option<Arc<Room>>,
}

/// What is on its way to a client that follows the log. The data plane adds to it, control takes from it, and neither waits.
#[derive(Debug, Default)]
pub struct Room {
    used: AtomicUsize,
    lost: AtomicU64,
    closed: AtomicBool,
}

impl Room {
    /// Bytes that were entered and have not left.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::SeqCst)
    }

    /// So many bytes more are on their way.
    pub fn enter(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::SeqCst);
    }

    /// So many of them are with the client.
    pub fn leave(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::SeqCst);
    }

    /// A record was left out.
    pub fn lose_one(&self) {
        self.lost.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether records were left out of which the client was not told yet.
    pub fn has_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst) > 0
    }

    /// How many records were left out; from now on none is.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::SeqCst)
    }

    /// The client is gone.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Whether the client is gone.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}

/// What the data plane knows of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Its name between the planes.
    pub id: ProcessId,
    /// Its PID.
    pub pid: i32,
    /// Its slot, once it has written something.
    pub slot: Option<u32>,
    /// When it was first heard of.
    pub since: Instant,
    /// It has ended.
    pub gone: bool,
    /// Others write to one of its pipes.
    pub shared: bool,
    /// What it wrote.
    pub written: Written,
}

/// How much a process wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Whole records.
    pub records: u64,
    /// Bytes, also of records that are not whole yet.
    pub bytes: u64,
    /// When the first byte of the last record was read, in µs since 1970; 0: there is none.
    pub last_us: u64,
}

/// What the data plane knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tallies {
    /// Records of the whole run.
    pub records: u64,
    /// Bytes of the whole run.
    pub bytes: u64,
    /// Records that were dropped: no reader was left, or the destination was full.
    pub dropped: u64,
    /// Destinations that take nothing now.
    pub blocked: Vec<String>,
    /// The processes.
    pub processes: Vec<Tally>,
}

/// From control to data.
#[derive(Debug)]
pub enum Order {
    /// A process is there, or has new pipes.
    Arrived(Arrived),
    /// A process is gone.
    Gone(ProcessId),
    /// A process became the main one of the instance with this slot.
    Main(ProcessId, u32),
    /// Processes write to these pipes that they were not made for.
    Shared {
        /// The pipes' inodes.
        pipes: Vec<u64>,
        /// How many others there are that were not told of before.
        others: usize,
    },
    /// Who was turned away in the first so many shortages is known by now: see [`Links::shortages`].
    Known(u64),
    /// A message of this program's own.
    Say(Level, String),
    /// Open the logs again.
    Reopen,
    /// Report the tallies.
    Tally,
    /// A client wants records.
    Listen(Listen),
    /// Move the logs aside, and begin new ones.
    Rotate,
    /// The server is gone: report when there is nothing left to read.
    Drain,
    /// Write out what is there; report by then.
    Finish(Instant),
}

/// To control, from data and from who reads a file for it.
#[derive(Debug, Clone)]
pub enum Report {
    /// No pipe is open, after this many orders.
    Quiet {
        /// How many orders had been carried out.
        orders: u64,
    },
    /// A process is gone, and others still hold this pipe of its.
    Outlived {
        /// The process that is gone.
        pid: i32,
        /// The pipe's inode.
        inode: u64,
    },
    /// An untracked process has no pipe any more.
    Silent(ProcessId),
    /// Who was found to write to others' pipes, by a search.
    Strangers(Found),
    /// `--server-pid-file` names this process.
    Named(i32),
    /// Descriptors came free.
    Freed,
    /// The main process says by its output which server it is.
    Recognized(Server),
    /// The answer to [`Order::Tally`].
    Tallies(Box<Tallies>),
    /// Records for a client, a line of JSON each.
    Lines {
        /// Its number.
        client: u64,
        /// The lines; none: something was left out.
        lines: Vec<u8>,
        /// Nothing follows.
        last: bool,
    },
    /// All is written, or given up; the last report.
    Written(Lost),
}

/// What could not be written by the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Bytes that a destination did not take.
    pub unwritten: usize,
    /// Bytes left in the pipes of processes that live on.
    pub unread: usize,
}

/// Own messages that may wait at the same time; more are counted, not kept.
const MESSAGES: usize = 1024;

/// The sending end of a queue, with the other plane's waker.
#[derive(Debug, Clone)]
pub struct Outbox<T> {
    queue: Sender<T>,
    waker: Arc<mio::Waker>,
    sent: u64,
}

impl<T> Outbox<T> {
    /// A queue whose receiver is woken by `waker`.
    pub fn new(waker: mio::Waker) -> (Self, Inbox<T>) {
        let (queue, receiver) = channel();
        let waker = Arc::new(waker);
        let inbox = Inbox {
            queue: receiver,
            _waker: Arc::clone(&waker),
        };
        (
            Self {
                queue,
                waker,
                sent: 0,
            },
            inbox,
        )
    }

    /// Sends, and wakes the other plane. A plane that is gone takes nothing: then this one has its own deadline.
    pub fn send(&mut self, message: T) {
        self.sent += 1;
        if self.queue.send(message).is_ok() {
            let _: io::Result<()> = self.waker.wake();
        }
    }

    /// How many messages were sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

/// The receiving end of a queue.
#[derive(Debug)]
pub struct Inbox<T> {
    queue: Receiver<T>,
    /// Kept open here too: a waker that closes with the sender takes the last wake-up with it.
    _waker: Arc<mio::Waker>,
}

impl<T> Inbox<T> {
    /// The next message, if there is one.
    pub fn take(&self) -> Option<T> {
        self.queue.try_recv().ok()
    }
}

/// Bounds the own messages that wait for the data plane.
#[derive(Debug, Clone, Default)]
pub struct MessageCount(Arc<AtomicUsize>);

impl MessageCount {
    /// Counts one more; false: too many wait.
    pub fn enter(&self) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                (n < MESSAGES).then_some(n + 1)
            })
            .is_ok()
    }

    /// One was written.
    pub fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Control's ends of what lies between the planes.
#[derive(Debug)]
pub struct Links {
    /// To the data plane.
    pub orders: Outbox<Order>,
    /// From the data plane.
    pub reports: Inbox<Report>,
    /// Bounds own messages.
    pub messages: MessageCount,
    /// Set while control waits for descriptors to come free.
    pub wanted: Arc<AtomicBool>,
    /// How often processes were turned away for want of descriptors. Counted before the first of them is, so that whoever
    /// reads what such a process wrote sees the count: until [`Order::Known`], any pipe may be shared.
    pub shortages: Arc<AtomicU64>,
}

impl Links {
    /// Has the data plane write an own message; when too many wait, it is left out.
    pub fn say(&mut self, level: Level, text: String) {
        if self.messages.enter() {
            self.orders.send(Order::Say(level, text));
        }
    }
}
