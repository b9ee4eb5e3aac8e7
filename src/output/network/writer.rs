//! The thread of one receiver: it resolves, connects, sends and waits, all of which may take long, and hinders nobody.

use super::backlog::Backlog;
use super::connection::Connection;
use super::disk::Head;
use super::peer::Peer;
use super::shared::Shared;
use crate::output::delays::Delays;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// After a failure.
const DELAYS: Delays = Delays {
    first: Duration::from_millis(100),
    longest: Duration::from_secs(30),
};

/// How often a receiver is asked for what has arrived, while something is on its way.
const LOOK: Duration = Duration::from_millis(20);

/// How often it is looked after while something is in doubt.
const WATCH: Duration = Duration::from_millis(250);

/// The data plane is woken each time that the queue has become so many bytes shorter.
const STEP: u64 = 1 << 20;

/// What is fetched at a time, in bytes; more is left in the queue.
const FETCH: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Writer {
    peer: Peer,
    label: String,
    shared: Arc<Shared>,
    /// Where the messages come from, if not from memory.
    disk: Option<Head>,
    backlog: Backlog,
    /// The most that was ever acknowledged.
    confirmed: u64,
    connection: Option<Connection>,
    /// The delay after the last failure; `None`: nothing failed.
    delay: Option<Duration>,
    /// Whether a failure was told, and what was waiting then.
    failing: bool,
    told_cut: bool,
    told_disk: bool,
    buffer: Vec<u8>,
    /// The queue's limit, in bytes: below it the data plane may go on.
    limit: u64,
}

impl Writer {
    pub(super) fn new(
        peer: Peer,
        label: String,
        shared: Arc<Shared>,
        disk: Option<Head>,
        (limit, kept): (u64, u64),
    ) -> Self {
        // What lies on disk is read again from there.
        let backlog = Backlog::new(if disk.is_some() { 0 } else { kept });
        Self {
            peer,
            label,
            shared,
            disk,
            backlog,
            confirmed: 0,
            connection: None,
            delay: None,
            failing: false,
            told_cut: false,
            told_disk: false,
            buffer: Vec::new(),
            limit,
        }
    }

    /// Works until the program ends.
    pub(super) fn run(mut self) {
        // At once, so that a receiver that is not there is told of before the first record.
        self.connect();
        loop {
            self.fetch();
            if self.connection.is_some() {
                self.exchange();
            } else if self.backlog.unsent() > 0 {
                self.connect();
            }
            self.rest();
        }
    }

    /// Takes new messages in, if there is little left to send.
    fn fetch(&mut self) {
        if self.backlog.unsent() >= FETCH {
            return;
        }
        let mut state = self.shared.state();
        state.news = false;
        let (mut bytes, mut ends) = Default::default();
        let until = state.until;
        if self.disk.is_none() {
            bytes = std::mem::take(&mut state.bytes);
            ends = std::mem::take(&mut state.ends);
        }
        drop(state);
        if let (Some(disk), Some(until)) = (&mut self.disk, until) {
            let loaded = disk.load(until, FETCH, &mut bytes, &mut ends);
            let torn = disk.torn();
            self.tell_disk("read", loaded);
            if torn > 0 {
                let text = format!(
                    "the queue of {}: {torn} bytes are torn or damaged, and passed over",
                    self.label
                );
                self.shared.tell(true, text);
            }
        }
        self.backlog.add(&bytes, &ends);
    }

    /// Waits until there is something to do.
    fn rest(&self) {
        let most = if self.backlog.unsent() > 0 {
            return;
        } else if self.backlog.waiting() > 0 {
            Some(LOOK)
        } else if self.backlog.in_doubt() {
            Some(WATCH)
        } else {
            None
        };
        // What the disk still has was not all fetched.
        if self.disk.is_some() && self.shared.waiting() > self.backlog.waiting() as u64 {
            return self.shared.wait(Some(LOOK));
        }
        self.shared.wait(most);
    }

    fn connect(&mut self) {
        match Connection::open(&self.peer) {
            Ok(connection) => {
                self.connection = Some(connection);
                self.shared.set_up(true);
                if std::mem::take(&mut self.failing) {
                    let text = format!(
                        "{} takes records again, {} bytes were waiting",
                        self.label,
                        self.shared.waiting()
                    );
                    self.shared.tell(false, text);
                }
            }
            Err(error) => self.failed("connect to", &error),
        }
    }

    fn failed(&mut self, operation: &str, error: &io::Error) {
        self.shared.set_up(false);
        if !std::mem::replace(&mut self.failing, true) {
            let text = format!(
                "cannot {operation} {}: {}; its records are kept and tried again",
                self.label,
                cause(error)
            );
            self.shared.tell(true, text);
        }
        self.pause();
    }

    /// Waits before another try.
    fn pause(&mut self) {
        let delay = DELAYS.after(self.delay);
        self.delay = Some(delay);
        self.shared.pause(delay, DELAYS.first);
    }

    /// Sends, and finds out what has arrived.
    fn exchange(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        // First: what is written to a connection that its receiver has closed is lost.
        let mut outcome = connection.look(&mut self.backlog);
        if outcome.is_ok() && self.backlog.unsent() > 0 {
            outcome = connection.send(&mut self.backlog, &mut self.buffer);
        }
        if let Connection::Datagram(datagram) = connection
            && let Some(size) = datagram.cut.take()
            && !std::mem::replace(&mut self.told_cut, true)
        {
            let text = format!(
                "{}: a message of {size} bytes is too long for it; such messages are sent in parts",
                self.label
            );
            self.shared.tell(false, text);
        }
        if let Err(lost) = outcome {
            connection.last_look(&mut self.backlog);
            self.confirm();
            self.lost(&lost);
        } else {
            self.confirm();
        }
        self.shared.set_kept(self.backlog.kept());
    }

    /// What has arrived leaves the queue.
    fn confirm(&mut self) {
        let there = self.backlog.acknowledged();
        let Some(more) = there.checked_sub(self.confirmed).filter(|more| *more > 0) else {
            return;
        };
        self.confirmed = there;
        self.delay = None;
        let freed = match &mut self.disk {
            None => more,
            Some(disk) => {
                let freed = disk.confirm(there, surely(&self.backlog, self.limit));
                self.tell_disk("note the position of", freed)
            }
        };
        let before = self.shared.taken(freed);
        let after = before.saturating_sub(freed);
        let room = before > self.limit && after <= self.limit || before / STEP != after / STEP;
        if room || after == 0 && self.shared.state().hurry {
            self.shared.bell.ring();
        }
    }

    fn lost(&mut self, error: &io::Error) {
        self.connection = None;
        self.shared.set_up(false);
        let again = self.begin_again();
        if again > 0 {
            let text = format!(
                "{}: {}; the last {again} records are sent again, for they may not have arrived",
                self.label,
                cause(error)
            );
            self.shared.tell(false, text);
        }
        // A receiver that takes a connection and drops it must not be asked without end.
        if again > 0 || self.backlog.unsent() > 0 {
            self.pause();
        }
    }

    /// What was taken for delivered is so no longer. Returns how many messages are sent a second time.
    fn begin_again(&mut self) -> usize {
        let (again, doubted);
        if let Some(disk) = &mut self.disk {
            let surely = surely(&self.backlog, self.limit);
            let rewound = disk.rewind(surely, self.backlog.sent_until());
            self.backlog.empty(rewound.from);
            (again, doubted) = (rewound.messages, rewound.bytes);
            self.tell_disk("note the position of", rewound.noted);
        } else {
            again = self.backlog.begin_again();
            doubted = self.confirmed.saturating_sub(self.backlog.acknowledged());
        }
        self.shared.added(doubted);
        self.confirmed = self.confirmed.min(self.backlog.acknowledged());
        again
    }

    fn tell_disk<T: Default>(&mut self, operation: &str, result: io::Result<T>) -> T {
        match result {
            Ok(value) => {
                self.told_disk = false;
                value
            }
            Err(error) => {
                if !std::mem::replace(&mut self.told_disk, true) {
                    let text = format!(
                        "cannot {operation} the queue of {}: {}",
                        self.label,
                        cause(&error)
                    );
                    self.shared.tell(true, text);
                }
                self.shared.pause(DELAYS.after(self.delay), DELAYS.first);
                T::default()
            }
        }
    }
}

/// Up to where a queue on disk, of this size, may forget what it has handed out: what is in doubt takes as much place again.
fn surely(backlog: &Backlog, limit: u64) -> u64 {
    backlog
        .sure()
        .max(backlog.acknowledged().saturating_sub(limit))
}

/// The cause of a failure in few words, also of one that getaddrinfo(3) tells.
fn cause(error: &io::Error) -> String {
    let text = crate::cause(error);
    let told = text.strip_prefix("failed to lookup address information: ");
    told.map_or(text.clone(), str::to_owned)
}

/// Starts the thread. It takes no signals: those are for the program's main thread.
pub(super) fn start(writer: Writer) -> io::Result<()> {
    let before = crate::sys::signals::Mask::block_all()?;
    let name = writer.label.chars().take(15).collect();
    let thread = std::thread::Builder::new()
        .name(name)
        .spawn(move || writer.run());
    before.set()?;
    thread.map(drop)
}
