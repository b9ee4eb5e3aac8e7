//! The control socket and its clients: who is let in, what they ask, what they are told. Nothing here waits for a client.
//!
//! Bounds: [`MAX_CLIENTS`] connections, [`MAX_FOLLOWERS`] of which may follow the log, `MAX_WAITING` bytes that wait for all of
//! them; for one client see `conversation`. Their descriptors are counted in the budget, and the last ones are left to capture.

mod client;
mod conversation;
pub mod place;
mod socket;

pub use socket::{Socket, SocketError};

use crate::capture::wire;
use crate::output::FdBudget;
use crate::output::budget::Permit;
use crate::plane::Room;
use crate::protocol::{Answer, Request};
use client::Client;
use mio::event::Event;
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;
use slab::Slab;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections at the same time; more are closed at once.
pub const MAX_CLIENTS: usize = 64;

/// How many of them may follow the log.
pub const MAX_FOLLOWERS: usize = 16;

/// Bytes that wait for all clients together. Followers that all stand still make half of it.
const MAX_WAITING: usize = 8 << 20;

/// Descriptors that are left to capture: some forks' worth.
const LEFT_TO_CAPTURE: usize = 4 * wire::MAX_FDS;

/// After a failure to take a client, when it is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// How many are let in, or turned away, in one turn.
const AT_ONCE: usize = 64;

/// How many tokens are used: one for the listening socket, then one for each client.
pub const TOKENS: usize = 1 + MAX_CLIENTS;

/// A client that waits for an answer. When it goes, its place may become another's, its number never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    key: usize,
    /// The client's number: unique while this program runs.
    pub client: u64,
}

/// The socket with its clients.
#[derive(Debug)]
pub struct Remote {
    socket: Socket,
    /// The first token.
    first: usize,
    registry: Registry,
    budget: Arc<FdBudget>,
    clients: Slab<Client>,
    /// The number of the last client.
    last: u64,
    /// Somebody may want in.
    knocked: bool,
    /// When to look at the door again, after a failure.
    again: Option<Instant>,
}

impl Remote {
    /// Takes clients at `socket`. Uses the [`TOKENS`] tokens from `first` on. The socket itself has its place in the budget already.
    pub fn new(
        mut socket: Socket,
        registry: &Registry,
        first: usize,
        budget: Arc<FdBudget>,
    ) -> io::Result<Self> {
        let registry = registry.try_clone()?;
        registry.register(&mut socket.listener, Token(first), Interest::READABLE)?;
        Ok(Self {
            socket,
            first,
            registry,
            budget,
            clients: Slab::new(),
            last: 0,
            // Whoever came before this moment gives no event.
            knocked: true,
            again: None,
        })
    }

    /// Notes an event for later; false: it is none of these tokens'.
    pub fn note(&mut self, event: &Event) -> bool {
        let Some(number) = event.token().0.checked_sub(self.first) else {
            return false;
        };
        if number == 0 {
            self.knocked = true;
        } else if let Some(client) = self.clients.get_mut(number - 1) {
            client.note(event);
        }
        number < TOKENS
    }

    /// Lets clients in, reads, writes, closes. What they ask is the answer.
    pub fn turn(&mut self, now: Instant) -> Vec<(Ticket, Request)> {
        self.let_in(now);
        let mut asked = Vec::new();
        for (key, client) in &mut self.clients {
            if let Some(request) = client.serve(now) {
                let client = client.number;
                asked.push((Ticket { key, client }, request));
            }
        }
        let registry = &self.registry;
        self.clients.retain(|_, client| {
            let over = client.is_over(now);
            if over {
                let _ = registry.deregister(&mut client.stream);
            }
            !over
        });
        asked
    }

    /// Whether [`Self::turn`] has something to do at once.
    pub fn is_busy(&self) -> bool {
        self.knocked || self.clients.iter().any(|(_, client)| client.can_go_on())
    }

    /// When it has, if nothing happens before.
    pub fn deadline(&self) -> Option<Instant> {
        let clients = self.clients.iter().filter_map(|(_, c)| c.deadline());
        clients.chain(self.again).min()
    }

    fn let_in(&mut self, now: Instant) {
        if self.again.is_some_and(|at| now >= at) {
            self.again = None;
            self.knocked = true;
        }
        for _ in 0..AT_ONCE {
            if !self.knocked {
                return;
            }
            match self.socket.listener.accept() {
                Ok((stream, _)) => self.admit(stream, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.knocked = false,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) => {}
                // Out of descriptors or memory. No event tells when that is over.
                Err(_) => {
                    self.knocked = false;
                    self.again = Some(now + TRY_AGAIN);
                }
            }
        }
    }

    fn admit(&mut self, stream: UnixStream, now: Instant) {
        let turned_away = match self.judge(&stream) {
            Ok(permit) => self.enter(stream, permit, now),
            Err(why) => Err((stream, why)),
        };
        if let Err((mut stream, why)) = turned_away {
            // It is empty, so this fits; and if not, closing says it too.
            let _ = stream.write(&Answer::Error(why.into()).encode());
        }
    }

    fn judge(&self, stream: &UnixStream) -> Result<Permit, &'static str> {
        let peer = getsockopt(stream, PeerCredentials).map(|peer| peer.uid());
        if !peer.is_ok_and(|uid| uid == 0 || uid == geteuid().as_raw()) {
            return Err("only root and the user that unbraid runs as may ask");
        }
        if self.clients.len() >= MAX_CLIENTS {
            return Err("too many clients are connected");
        }
        let permit = Permit::take(&self.budget).filter(|_| self.budget.left() >= LEFT_TO_CAPTURE);
        permit.ok_or("no descriptors are left; raise the limit (ulimit -n)")
    }

    fn enter(
        &mut self,
        mut stream: UnixStream,
        permit: Permit,
        now: Instant,
    ) -> Result<(), (UnixStream, &'static str)> {
        let place = self.clients.vacant_entry();
        let token = Token(self.first + 1 + place.key());
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self.registry.register(&mut stream, token, interest) {
            Ok(()) => {
                self.last += 1;
                place.insert(Client::new(stream, self.last, permit, now));
                Ok(())
            }
            Err(_) => Err((stream, "it cannot be watched")),
        }
    }

    fn client(&mut self, ticket: Ticket) -> Option<&mut Client> {
        let client = self.clients.get_mut(ticket.key);
        client.filter(|client| client.number == ticket.client)
    }

    /// Whether the client is still there.
    pub fn waits(&mut self, ticket: Ticket) -> bool {
        self.client(ticket).is_some()
    }

    /// A part of an answer.
    pub fn tell(&mut self, ticket: Ticket, answer: &Answer, now: Instant) {
        self.send(ticket, &answer.encode(), now);
    }

    /// The last part of an answer; the client may ask something else.
    pub fn finish(&mut self, ticket: Ticket, answer: &Answer, now: Instant) {
        self.finish_with(ticket, &answer.encode(), now);
    }

    /// [`Self::finish`] with an answer that several clients get.
    pub fn finish_with(&mut self, ticket: Ticket, line: &[u8], now: Instant) {
        self.send(ticket, line, now);
        if let Some(client) = self.client(ticket) {
            client.talk.answered(now);
        }
    }

    /// The last thing that the client hears.
    pub fn refuse(&mut self, ticket: Ticket, why: &str, now: Instant) {
        self.tell(ticket, &Answer::Error(why.into()), now);
        if let Some(client) = self.client(ticket) {
            client.talk.close();
        }
    }

    /// The client is to get records as they come; `None`: too many do already.
    pub fn follow(&mut self, ticket: Ticket) -> Option<Arc<Room>> {
        let followers = self.clients.iter().filter(|(_, c)| c.room.is_some());
        if followers.count() >= MAX_FOLLOWERS {
            return None;
        }
        let room = Arc::new(Room::default());
        let client = self.client(ticket)?;
        client.talk.follow();
        client.room = Some(Arc::clone(&room));
        Some(room)
    }

    /// Records for a client. One that is gone, or was told that there are none, gets none.
    pub fn lines(&mut self, client: u64, lines: &[u8], last: bool, now: Instant) {
        let found = self.clients.iter().find(|(_, c)| c.number == client);
        let Some((key, found)) = found.filter(|(_, c)| c.talk.expects_lines()) else {
            return;
        };
        let ticket = Ticket { key, client };
        let followed = found.room.is_some();
        if followed && let Some(client) = self.client(ticket) {
            client.lines += lines.len();
        }
        self.send(ticket, lines, now);
        if last {
            self.finish(ticket, &Answer::Done("logs".into()), now);
        }
    }

    fn send(&mut self, ticket: Ticket, bytes: &[u8], now: Instant) {
        let waiting: usize = self
            .clients
            .iter()
            .map(|(_, c)| c.talk.pending().len())
            .sum();
        let fits = waiting + bytes.len() <= MAX_WAITING;
        if let Some(client) = self.client(ticket) {
            if fits && client.talk.tell(bytes, now) {
                client.write(now);
            } else {
                client.gone = true;
            }
        }
    }
}
