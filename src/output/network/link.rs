//! The data plane's end of one receiver: records become messages, messages go into the queue.

use super::backlog::MOST_DOUBT;
use super::disk::{self, Tail};
use super::journal;
use super::local::Local;
use super::peer::{Peer, Remote};
use super::shared::{Bell, Shared};
use super::writer::{self, Writer};
use crate::output::destinations::Dropping;
use crate::output::format::syslog::Syslog;
use crate::output::settings::WhenFull;
use crate::output::spec::{Style, TimeStyle};
use crate::output::time::TimeCache;
use crate::output::{Notice, Origin};
use crate::record::Record;
use jiff::tz::TimeZone;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages are handed over at this size at the latest, in bytes.
const EARLY: usize = 64 << 10;

/// How long after a failure to write to the disk it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A further try is not made before; what cannot be handed over meanwhile waits.
const MOST_PENDING: usize = 1 << 20;

/// The form of the messages.
#[derive(Debug)]
enum Form {
    /// RFC 5424, each with its length in front (RFC 6587, section 3.4.1).
    Counted {
        syslog: Syslog,
        time: TimeCache,
        sequence: u32,
        message: Vec<u8>,
    },
    Local(Local),
    Journal {
        name: String,
    },
}

#[derive(Debug)]
pub(super) struct Link {
    label: String,
    form: Form,
    shared: Arc<Shared>,
    /// Messages that are not handed over yet.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    disk: Option<Tail>,
    limit: u64,
    /// After a failure of the disk.
    retry: Option<Instant>,
    failing: Option<Notice>,
    when_full: WhenFull,
    dropping: Dropping,
}

impl Link {
    /// Opens the queue and starts the writer.
    pub(super) fn open(
        remote: &Remote,
        when_full: WhenFull,
        (style, name, host): (&Style, &str, &str),
        bell: &Bell,
    ) -> io::Result<Self> {
        let (tail, head, waiting) = match &remote.queue.folder {
            None => (None, None, 0),
            Some(folder) => {
                let (tail, head, waiting) = disk::open(folder)?;
                (Some(tail), Some(head), waiting)
            }
        };
        let limit = remote.queue.limit();
        let shared = Arc::new(Shared::new(bell.clone(), waiting));
        if let Some(tail) = &tail {
            let mut state = shared.state();
            state.until = Some(tail.place());
            state.news = true;
        }
        let label = remote.peer.label();
        let writer = Writer::new(
            remote.peer.clone(),
            label.clone(),
            Arc::clone(&shared),
            head,
            (limit, remote.queue.kept.unwrap_or(MOST_DOUBT)),
        );
        writer::start(writer)?;
        Ok(Self {
            label,
            form: Form::new(&remote.peer, style, name, host),
            shared,
            bytes: Vec::new(),
            ends: Vec::new(),
            disk: tail,
            limit,
            retry: None,
            failing: None,
            when_full,
            dropping: Dropping::default(),
        })
    }

    /// Adds one record; false: it is dropped.
    pub(super) fn push(&mut self, origin: &Origin, record: &Record<'_>) -> bool {
        if self.when_full == WhenFull::Drop && self.is_full() {
            if self.dropping.add(origin.pid, record.bytes.len()) {
                self.shared.tell(true, Dropping::begun(&self.label));
            }
            return false;
        }
        // What an encoder left that panicked is no message.
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
        self.form.encode(origin, record, &mut self.bytes);
        self.ends.push(self.bytes.len());
        if self.bytes.len() >= EARLY && self.retry.is_none() {
            self.hand_over(None);
        }
        true
    }

    /// After records were dropped: tells it when half of the queue is empty again, so that it is not told for each record
    /// of a receiver that is only slow.
    pub(super) fn tell_if_there_is_room(&mut self) {
        let room = !self.is_full() && self.shared.waiting() <= self.limit / 2;
        if room && let Some(text) = self.dropping.ended(&self.label) {
            self.shared.tell(true, text);
        }
    }

    /// The same before the end, in any case.
    pub(super) fn tell_dropped(&mut self) {
        if let Some(text) = self.dropping.last_word(&self.label) {
            self.shared.tell(true, text);
        }
    }

    /// Hands over what was added. `now` is known at the end of a round.
    pub(super) fn hand_over(&mut self, now: Option<Instant>) {
        if self.ends.is_empty() || self.retry.zip(now).is_some_and(|(at, now)| now < at) {
            return;
        }
        let place = match &mut self.disk {
            None => None,
            Some(tail) => match tail.append(&self.bytes, &self.ends) {
                Ok(bytes) => {
                    self.shared.added(bytes);
                    Some(tail.place())
                }
                Err(error) => return self.disk_failed(&error, now),
            },
        };
        self.disk_works();
        let mut state = self.shared.state();
        if place.is_some() {
            state.until = place;
        } else {
            self.shared.added(self.bytes.len() as u64);
            let before = state.bytes.len();
            state.bytes.extend_from_slice(&self.bytes);
            state.ends.extend(self.ends.iter().map(|end| before + end));
        }
        state.news = true;
        drop(state);
        self.shared.wake();
        self.bytes.clear();
        self.ends.clear();
    }

    fn disk_failed(&mut self, error: &io::Error, now: Option<Instant>) {
        self.retry = Some(now.unwrap_or_else(Instant::now) + RETRY);
        if self.failing.is_none() {
            let text = format!(
                "cannot write to the queue of {}: {}; its records are kept and tried again",
                self.label,
                crate::cause(error)
            );
            self.shared.tell(true, text.clone());
            self.failing = Some(Notice { error: true, text });
        }
    }

    fn disk_works(&mut self) {
        self.retry = None;
        if self.failing.take().is_some() {
            let text = format!(
                "the queue of {} is writable again, {} bytes were waiting",
                self.label,
                self.bytes.len()
            );
            self.shared.tell(false, text);
        }
    }

    /// When a further try is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.retry.filter(|_| !self.ends.is_empty())
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// Whether its receiver is not there, or takes less than is written.
    pub(super) fn is_blocked(&self) -> bool {
        self.is_full() || (!self.shared.is_up() && self.shared.waiting() > 0)
    }

    /// Whether reading must pause.
    pub(super) fn congested(&self) -> bool {
        self.when_full == WhenFull::Block && self.is_full()
    }

    fn is_full(&self) -> bool {
        self.shared.waiting() > self.limit || self.bytes.len() > MOST_PENDING
    }

    /// What counts as waiting in memory, in bytes: where records are dropped, always all that the queue may hold, so that
    /// reading never pauses for want of room that such a queue has filled.
    pub(super) fn claim(&self) -> usize {
        match (self.when_full, &self.disk) {
            (WhenFull::Block, _) => self.pending(),
            (WhenFull::Drop, None) => self.limit as usize,
            (WhenFull::Drop, Some(_)) => 0,
        }
    }

    /// Bytes that would be lost if the program ended now.
    pub(super) fn pending(&self) -> usize {
        let queued = if self.disk.is_some() {
            0
        } else {
            self.shared.waiting() as usize
        };
        self.bytes.len() + queued
    }

    /// Bytes that lie on disk, and that the receiver takes as long as it is there.
    pub(super) fn deliverable(&self) -> usize {
        if self.disk.is_some() && self.shared.is_up() {
            self.shared.waiting() as usize
        } else {
            0
        }
    }

    /// Bytes of memory.
    pub(super) fn held(&self) -> usize {
        let queued = if self.disk.is_some() {
            0
        } else {
            self.shared.waiting()
        };
        let own = self.bytes.capacity() + self.ends.capacity() * size_of::<usize>();
        own + self.shared.kept().max(queued) as usize
    }

    pub(super) fn notices(&self) -> Vec<Notice> {
        self.shared.notices()
    }

    /// The end has come.
    pub(super) fn hurry(&self) {
        self.shared.state().hurry = true;
        self.shared.wake();
    }
}

impl Form {
    fn new(peer: &Peer, style: &Style, name: &str, host: &str) -> Self {
        match peer {
            Peer::Journal(_) => Self::Journal {
                name: name.to_owned(),
            },
            Peer::Local(_) => Self::Local(Local::new(name, TimeZone::system())),
            Peer::Tcp { .. } => Self::Counted {
                syslog: Syslog::new(name, host),
                // A receiver orders and keeps by it.
                time: TimeCache::new(match style.time {
                    TimeStyle::None => TimeStyle::Utc,
                    time => time,
                }),
                sequence: 0,
                message: Vec::new(),
            },
        }
    }

    fn encode(&mut self, origin: &Origin, record: &Record<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Counted {
                syslog,
                time,
                sequence,
                message,
            } => {
                // From 1 to the largest of 31 bits, then again (RFC 5424, section 7.3.1).
                *sequence = *sequence % (i32::MAX as u32) + 1;
                message.clear();
                syslog.message(time, origin, record, *sequence, message);
                // Writing to a Vec cannot fail.
                drop(write!(out, "{} ", message.len()));
                out.extend_from_slice(message);
            }
            Self::Local(local) => {
                local.encode(origin, record, out);
                out.push(0);
            }
            Self::Journal { name } => journal::encode(name, origin, record, out),
        }
    }
}
