//! One connection: the thin shell around a [`Conversation`].

use super::conversation::{Conversation, Heard};
use crate::output::budget::Permit;
use crate::plane::Room;
use crate::protocol::{Answer, MAX_REQUEST, Request};
use mio::event::Event;
use mio::net::UnixStream;
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Instant;

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: UnixStream,
    pub(super) talk: Conversation,
    pub(super) number: u64,
    /// There may be something to read. mio tells of a change only, so this falls at EAGAIN alone.
    readable: bool,
    /// There may be room to write; as above.
    writable: bool,
    /// Nobody is at the other end, or the client is given up.
    pub(super) gone: bool,
    /// What is on its way to it, if it follows the log.
    pub(super) room: Option<Arc<Room>>,
    /// How many of the bytes that wait are in `room`.
    pub(super) lines: usize,
    /// The descriptor's place in the budget.
    _permit: Permit,
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(room) = &self.room {
            room.close();
        }
    }
}

impl Client {
    pub(super) fn new(stream: UnixStream, number: u64, permit: Permit, now: Instant) -> Self {
        Self {
            stream,
            talk: Conversation::new(now),
            number,
            readable: true,
            writable: true,
            gone: false,
            room: None,
            lines: 0,
            _permit: permit,
        }
    }

    pub(super) fn note(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed();
        self.writable |= event.is_writable();
        self.gone |= event.is_write_closed() || event.is_error();
    }

    /// Reads and writes what can be; the next request, if there is one. Also of a client that is gone: it may have asked for
    /// something before.
    pub(super) fn serve(&mut self, now: Instant) -> Option<Request> {
        self.write(now);
        self.read();
        match self.talk.hear(now) {
            Heard::Request(request) => Some(request),
            Heard::Nothing => {
                // A fault is answered.
                self.write(now);
                None
            }
        }
    }

    /// Reads once: who sends without end gets its turn with the others.
    fn read(&mut self) {
        let room = self.talk.room();
        if room == 0 || !self.readable {
            return;
        }
        let mut buffer = [0; MAX_REQUEST];
        match self.stream.read(&mut buffer[..room]) {
            Ok(0) => {
                self.readable = false;
                self.talk.ended();
            }
            Ok(len) => self.talk.received(&buffer[..len]),
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock => self.readable = false,
                _ => self.gone = true,
            },
        }
    }

    pub(super) fn write(&mut self, now: Instant) {
        loop {
            self.tell_lost(now);
            if !self.writable || self.talk.pending().is_empty() {
                return;
            }
            match self.stream.write(self.talk.pending()) {
                Ok(count) => {
                    self.talk.sent(count, now);
                    let of_log = count.min(self.lines);
                    self.lines -= of_log;
                    if let Some(room) = &self.room {
                        room.leave(of_log);
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => self.writable = false,
                    _ => {
                        self.gone = true;
                        self.writable = false;
                    }
                },
            }
        }
    }

    /// Records were left out: told when all that came before them is out, so that it stands in their place.
    fn tell_lost(&mut self, now: Instant) {
        if let Some(room) = &self.room
            && room.used() == 0
            && room.has_lost()
        {
            self.talk
                .tell(&Answer::Dropped(room.take_lost()).encode(), now);
        }
    }

    /// Whether [`Self::serve`] has something to do without an event.
    pub(super) fn can_go_on(&self) -> bool {
        (self.readable && self.talk.room() > 0)
            || (self.writable && !self.talk.pending().is_empty())
            || self.talk.has_heard()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.talk.deadline()
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.gone || self.talk.is_over(now)
    }
}
