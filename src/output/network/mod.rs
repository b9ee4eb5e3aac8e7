//! Receivers of records beyond files: syslog over TCP and local sockets, the journal.
//!
//! Each has a bounded queue, in memory or on disk, and a thread of its own that sends. The data plane adds to the queue and
//! never waits for a receiver; a full queue pauses reading as any destination does that takes no more. What a receiver has
//! not surely taken when its connection ends is sent again.

mod backlog;
mod connection;
mod disk;
mod journal;
mod link;
mod local;
mod peer;
mod shared;
mod writer;

pub(crate) use backlog::MOST_DOUBT;
pub(crate) use peer::IN_MEMORY;
pub use peer::{Peer, Queue, Remote};

use self::link::Link;
use self::shared::Bell;
use super::settings::WhenFull;
use super::spec::Style;
use super::{Notice, Origin};
use crate::record::Record;
use mio::unix::pipe::Receiver;
use mio::{Interest, Registry, Token};
use std::io::{self, Read};
use std::time::Instant;

/// All receivers.
#[derive(Debug, Default)]
pub(super) struct Receivers {
    links: Vec<Link>,
    /// By this the writers wake the data plane.
    bell: Option<(Bell, Receiver)>,
}

impl Receivers {
    /// Opens the queue of one more, and starts its writer; the answer is its number. `token` is the event of all receivers.
    pub(super) fn open(
        &mut self,
        remote: &Remote,
        when_full: WhenFull,
        (style, name, host): (&Style, &str, &str),
        registry: &Registry,
        token: Token,
    ) -> io::Result<usize> {
        if self.bell.is_none() {
            let (sender, mut receiver) = mio::unix::pipe::new()?;
            registry.register(&mut receiver, token, Interest::READABLE)?;
            self.bell = Some((Bell::new(sender), receiver));
        }
        let Some((bell, _)) = &self.bell else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let link = Link::open(remote, when_full, (style, name, host), bell)?;
        self.links.push(link);
        Ok(self.links.len() - 1)
    }

    /// Adds one record to a receiver's queue; false: it is dropped.
    pub(super) fn push(&mut self, id: usize, origin: &Origin, record: &Record<'_>) -> bool {
        self.links[id].push(origin, record)
    }

    /// Hands over what was added in this round.
    pub(super) fn flush(&mut self, now: Instant) {
        for link in &mut self.links {
            link.hand_over(Some(now));
            link.tell_if_there_is_room();
        }
    }

    /// A writer has rung.
    pub(super) fn answer(&mut self) {
        if let Some((_, receiver)) = &mut self.bell {
            let mut rings = [0; 64];
            while receiver.read(&mut rings).is_ok_and(|read| read > 0) {}
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.links.iter().filter_map(Link::deadline).min()
    }

    /// Whether a queue is full whose records are not to be dropped.
    pub(super) fn congested(&self) -> bool {
        self.links.iter().any(Link::congested)
    }

    /// Those that take nothing now, by name.
    pub(super) fn blocked(&self) -> impl Iterator<Item = String> {
        let blocked = self.links.iter().filter(|link| link.is_blocked());
        blocked.map(|link| link.label().to_owned())
    }

    /// Before the end: what was dropped of which nothing was told yet.
    pub(super) fn tell_dropped(&mut self) {
        for link in &mut self.links {
            link.tell_dropped();
        }
    }

    /// Bytes of what may wait in memory that are taken, or kept for a queue that drops.
    pub(super) fn claim(&self) -> usize {
        self.links.iter().map(Link::claim).sum()
    }

    /// Bytes that would be lost if the program ended now.
    pub(super) fn pending(&self) -> usize {
        self.links.iter().map(Link::pending).sum()
    }

    /// Bytes that are safe on disk, and on their way.
    pub(super) fn deliverable(&self) -> usize {
        self.links.iter().map(Link::deliverable).sum()
    }

    /// Bytes of memory.
    pub(super) fn held(&self) -> usize {
        self.links.iter().map(Link::held).sum()
    }

    pub(super) fn notices(&self) -> Vec<Notice> {
        self.links.iter().flat_map(Link::notices).collect()
    }

    /// The end has come: what waits for a delay is tried now.
    pub(super) fn hurry(&self) {
        for link in &self.links {
            link.hurry();
        }
    }
}
