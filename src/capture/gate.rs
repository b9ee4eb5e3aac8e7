//! The socket at which processes register.

use super::wire::{self, Hello, MAX_FDS};
use crate::output::FdBudget;
use crate::sys::receive::{Datagram, receive};
use nix::sys::socket::{
    AddressFamily, Shutdown, SockFlag, SockType, UnixAddr, bind, setsockopt, shutdown, socket,
    sockopt,
};
use std::fmt::Write as _;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// A descriptor that is counted in the budget while it is open.
#[derive(Debug)]
pub struct Counted {
    fd: OwnedFd,
    budget: Arc<FdBudget>,
}

impl Counted {
    /// `fd` with its permit, which the caller has taken from the budget.
    pub fn new(fd: OwnedFd, budget: &Arc<FdBudget>) -> Self {
        Self {
            fd,
            budget: Arc::clone(budget),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.budget.give(1);
    }
}

impl AsFd for Counted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A process that registered.
#[derive(Debug)]
pub struct Arrival {
    /// What it said.
    pub hello: Hello,
    /// Its PID by the kernel's word.
    pub pid: i32,
    /// The read ends, with the streams' numbers.
    pub streams: Vec<(u8, Counted)>,
    /// Readable when it has ended.
    pub pidfd: Option<Counted>,
}

/// What a look at the socket gave.
#[derive(Debug)]
pub enum Look {
    /// A process registered.
    Arrival(Arrival),
    /// Something else was sent, by this PID; it is forgotten.
    Refused(i32),
    /// Nothing is there.
    Empty,
    /// Something may be there, but not enough descriptors are left to take it.
    Full,
}

impl AsFd for Gate {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The registration socket.
///
/// **A read end that was sent must never be lost**: the sender's next write would kill it by SIGPIPE, and recvmsg(2) throws descriptors away
/// that find no room. So a datagram is taken only when a full one's descriptors are in reserve. When they are not, the socket is shut down: a
/// process that registers then is told at once (EPIPE), and stays on its parent's pipe, where otherwise each fork would wait for a second. What
/// was queued stays queued, and is taken as descriptors come free; then a new socket takes the place of the old.
#[derive(Debug)]
pub struct Gate {
    socket: OwnedFd,
    name: String,
    token: [u8; wire::TOKEN],
    budget: Arc<FdBudget>,
    open: bool,
}

impl Gate {
    /// Makes the socket, at an abstract address that nobody can guess.
    pub fn new(budget: Arc<FdBudget>) -> io::Result<Self> {
        let mut random = [0; wire::TOKEN + 8];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
        let mut token = [0; wire::TOKEN];
        token.copy_from_slice(&random[..wire::TOKEN]);
        let name = format!(
            "unbraid-{}-{}",
            std::process::id(),
            hex(&random[wire::TOKEN..])
        );
        Ok(Self {
            socket: listen(&name)?,
            name,
            token,
            budget,
            open: true,
        })
    }

    /// The value of [`wire::VARIABLE`]. `foreign` are inodes of marked pipes that are not ours.
    pub fn variable(&self, foreign: &[u64]) -> String {
        let mut text = format!(
            "{}:{}:{}",
            String::from_utf8_lossy(wire::VERSION),
            self.name,
            hex(&self.token)
        );
        for inode in foreign.iter().take(wire::MAX_FOREIGN) {
            // Writing to a String cannot fail.
            let _ = write!(text, ":{inode}");
        }
        text
    }

    /// For the poll loop; changes when the gate reopens.
    pub fn raw_fd(&self) -> i32 {
        self.socket.as_raw_fd()
    }

    /// Whether processes can register.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Takes the next datagram, if there is one.
    pub fn look(&mut self) -> io::Result<Look> {
        if !self.budget.try_take(MAX_FDS) {
            return Ok(Look::Full);
        }
        // One byte more than a datagram, so that a longer one is seen to be one.
        let mut buffer = [0; wire::LEN + 1];
        let taken = receive(&self.socket, &mut buffer);
        let used = taken
            .as_ref()
            .map_or(0, |d| d.as_ref().map_or(0, |d| d.fds.len()));
        self.budget.give(MAX_FDS.saturating_sub(used));
        Ok(match taken? {
            None => Look::Empty,
            Some(datagram) => self.admit(datagram, &buffer),
        })
    }

    fn admit(&self, datagram: Datagram, buffer: &[u8]) -> Look {
        let Datagram {
            len,
            fds,
            pid,
            truncated,
        } = datagram;
        // Counted before any is refused: each gives its permit back when it is closed.
        let fds: Vec<Counted> = fds
            .into_iter()
            .map(|fd| Counted::new(fd, &self.budget))
            .collect();
        let Some(hello) = buffer.get(..len).and_then(Hello::decode) else {
            return Look::Refused(pid);
        };
        let expected = hello.stream_count() + usize::from(hello.pidfd);
        if hello.token != self.token || truncated || pid <= 0 || fds.len() != expected {
            return Look::Refused(pid);
        }
        let mut fds = fds.into_iter();
        let streams = hello
            .streams
            .iter()
            .take_while(|n| **n != 0)
            .copied()
            .zip(fds.by_ref())
            .collect();
        Look::Arrival(Arrival {
            hello,
            pid,
            streams,
            pidfd: fds.next(),
        })
    }

    /// Turns processes away from now on.
    pub fn close(&mut self) -> io::Result<()> {
        self.open = false;
        Ok(shutdown(self.socket.as_raw_fd(), Shutdown::Read)?)
    }

    /// Lets processes in again. Only when the socket was found empty after [`Gate::close`]: nothing can have come since.
    pub fn reopen(&mut self) -> io::Result<()> {
        // The address is free once the old socket is closed. Who registers in between stays on its parent's pipe.
        let placeholder = socket(
            AddressFamily::Unix,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        drop(std::mem::replace(&mut self.socket, placeholder));
        self.socket = listen(&self.name)?;
        self.open = true;
        Ok(())
    }
}

fn listen(name: &str) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    setsockopt(&fd, sockopt::PassCred, &true)?;
    bind(fd.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)?;
    Ok(fd)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
