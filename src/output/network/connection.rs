//! One connection to a receiver: opened, written to, watched. It decides nothing: what is sent again is the backlog's matter.

use super::backlog::Backlog;
use super::local;
use super::peer::Peer;
use crate::sys::fd::unacknowledged;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, recv, sendmsg, setsockopt, sockopt};
use std::fs::File;
use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long one address is tried.
const CONNECT: Duration = Duration::from_secs(5);

/// After this time without an answer of the receiver's kernel the connection counts as lost, in ms.
const UNANSWERED_MS: u32 = 30_000;

/// How long one call waits for room, so that the rest is looked after in between.
const ROOM: Duration = Duration::from_millis(100);

/// One write to a stream, in bytes.
const PIECE: usize = 64 << 10;

#[derive(Debug)]
pub(super) enum Connection {
    Tcp(OwnedFd),
    /// A local stream: as for syslog(3), each message ends with a NUL.
    Stream(OwnedFd),
    Datagram(Datagram),
}

#[derive(Debug)]
pub(super) struct Datagram {
    socket: UnixDatagram,
    path: PathBuf,
    /// Which socket lay at the path.
    inode: u64,
    /// How many messages a receiver's queue holds at most.
    queue: usize,
    /// journald's protocol: what is too long goes by a file in memory.
    journal: bool,
    /// A message that was too long was cut; told once.
    pub(super) cut: Option<usize>,
}

impl Connection {
    /// Connects; a name is resolved here, which may take its time.
    pub(super) fn open(peer: &Peer) -> io::Result<Self> {
        match peer {
            Peer::Tcp { host, port } => tcp(host, *port).map(Self::Tcp),
            Peer::Journal(path) => Datagram::open(path, true).map(Self::Datagram),
            Peer::Local(path) => match Datagram::open(path, false) {
                Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
                    let stream = UnixStream::connect(path)?;
                    stream.set_nonblocking(true)?;
                    Ok(Self::Stream(stream.into()))
                }
                other => other.map(Self::Datagram),
            },
        }
    }

    /// Sends something of what is unsent, or waits a while for room.
    pub(super) fn send(&mut self, backlog: &mut Backlog, buffer: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Tcp(fd) => {
                backlog.next_bytes(PIECE, buffer);
                send_piece(fd.as_fd(), buffer, backlog)
            }
            Self::Stream(fd) => {
                backlog.next_bytes(PIECE, buffer);
                // Its readers take a newline for the end of a message.
                for byte in buffer.iter_mut().filter(|byte| **byte == b'\n') {
                    *byte = b'\x0b';
                }
                send_piece(fd.as_fd(), buffer, backlog)
            }
            Self::Datagram(datagram) => {
                backlog.next_message(buffer);
                if datagram.send(buffer)? {
                    backlog.sent(buffer.len());
                }
                Ok(())
            }
        }
    }

    /// After a failure: what had arrived by then. Only TCP can still tell.
    pub(super) fn last_look(&self, backlog: &mut Backlog) {
        if let Self::Tcp(fd) = self
            && let Ok(missing) = unacknowledged(fd)
        {
            backlog.missing(missing as u64, Instant::now());
        }
    }

    /// Finds out what has arrived, and whether the receiver is still there.
    pub(super) fn look(&self, backlog: &mut Backlog) -> io::Result<()> {
        let now = Instant::now();
        match self {
            Self::Tcp(fd) => {
                let missing = unacknowledged(fd)?;
                backlog.missing(missing as u64, now);
                still_open(fd.as_fd())
            }
            Self::Stream(fd) => {
                // What a receiver has not read counts as unsent; when it dies, that is thrown away and counts no more. So
                // the count is of use only if the receiver still lives after it.
                let missing = unacknowledged(fd)?;
                still_open(fd.as_fd())?;
                backlog.missing(missing as u64, now);
                backlog.read();
                Ok(())
            }
            Self::Datagram(datagram) => {
                // The queue's length bounds it at any time; an empty queue is one only while its receiver lives.
                backlog.messages_missing(datagram.queue + 1, now);
                // Not between messages: it takes several calls.
                let idle = backlog.unsent() == 0;
                if idle && unacknowledged(&datagram.socket)? == 0 && datagram.is_alive() {
                    backlog.missing(0, now);
                }
                backlog.read();
                Ok(())
            }
        }
    }
}

fn tcp(host: &str, port: u16) -> io::Result<OwnedFd> {
    let mut last = io::Error::other("the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            // A port of the kernel's own range on which nobody listens can be connected to itself.
            Ok(stream) if stream.local_addr()? == stream.peer_addr()? => {
                last = io::Error::from_raw_os_error(libc::ECONNREFUSED);
            }
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                setsockopt(&stream, sockopt::KeepAlive, &true)?;
                setsockopt(&stream, sockopt::TcpUserTimeout, &UNANSWERED_MS)?;
                return Ok(stream.into());
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Writes what fits; where nothing does, waits a while for room.
fn send_piece(fd: BorrowedFd<'_>, bytes: &[u8], backlog: &mut Backlog) -> io::Result<()> {
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    match nix::sys::socket::send(fd.as_raw_fd(), bytes, flags) {
        Ok(sent) => backlog.sent(sent),
        Err(Errno::EAGAIN) => {
            let events = PollFlags::POLLOUT | PollFlags::POLLIN;
            let _ = poll(&mut [PollFd::new(fd, events)], ROOM.as_millis() as u16);
        }
        Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(())
}

/// A receiver of syslog says nothing; what it should say all the same is not wanted.
fn still_open(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut unwanted = [0; 512];
    loop {
        match recv(fd.as_raw_fd(), &mut unwanted, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => return Err(io::Error::other("the receiver closed the connection")),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

impl Datagram {
    fn open(path: &Path, journal: bool) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // Before the connection: a receiver that takes another's place in between is then seen as another.
        let inode = std::fs::metadata(path)?.ino();
        socket.connect(path)?;
        socket.set_write_timeout(Some(ROOM))?;
        Ok(Self {
            socket,
            path: path.to_owned(),
            inode,
            queue: receive_queue(),
            journal,
            cut: None,
        })
    }

    /// Sends one message; false: there was no room.
    fn send(&mut self, message: &[u8]) -> io::Result<bool> {
        let message = message.strip_suffix(b"\0").unwrap_or(message);
        match self.socket.send(message) {
            Ok(_) => Ok(true),
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EINTR) => Ok(false),
                Some(libc::EMSGSIZE | libc::ENOBUFS) if self.journal => self.send_file(message),
                Some(libc::EMSGSIZE) => self.send_parts(message),
                Some(libc::ENOBUFS) => {
                    std::thread::sleep(ROOM);
                    Ok(false)
                }
                // Nothing of a datagram is with a kernel that its receiver has not got: the backlog knows what was read.
                _ => Err(error),
            },
        }
    }

    /// Halves the size until a part passes. A part that was sent stays so when a later one fails: it then comes twice.
    fn send_parts(&mut self, message: &[u8]) -> io::Result<bool> {
        self.cut = Some(message.len());
        let mut most = message.len() / 2;
        let least = local::header(message) + 1;
        let mut queue = std::collections::VecDeque::from(local::parts(message, most));
        while let Some(part) = queue.front() {
            match self.socket.send(part) {
                Ok(_) => {
                    queue.pop_front();
                }
                Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) && most > least => {
                    most /= 2;
                    let whole: Vec<Vec<u8>> = queue.drain(..).collect();
                    queue.extend(whole.iter().flat_map(|part| local::parts(part, most)));
                }
                Err(error) => match error.raw_os_error() {
                    // The socket waits for room by itself, the kernel for memory does not.
                    Some(libc::ENOBUFS) => std::thread::sleep(ROOM),
                    Some(libc::EAGAIN | libc::EINTR) => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(true)
    }

    /// A sealed file in memory instead of a datagram (systemd: "Native Journal Protocol").
    fn send_file(&self, message: &[u8]) -> io::Result<bool> {
        let flags = MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_CLOEXEC;
        let mut file = File::from(memfd_create(c"unbraid-entry", flags)?);
        file.write_all(message)?;
        let seals = SealFlag::F_SEAL_SHRINK
            | SealFlag::F_SEAL_GROW
            | SealFlag::F_SEAL_WRITE
            | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        let fds = [file.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&fds)];
        let sent = sendmsg::<()>(
            self.socket.as_raw_fd(),
            &[],
            &rights,
            MsgFlags::MSG_NOSIGNAL,
            None,
        );
        match sent {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether the receiver that this socket is connected to still has the path.
    fn is_alive(&self) -> bool {
        let probe = UnixDatagram::unbound().and_then(|probe| probe.connect(&self.path));
        let same = std::fs::metadata(&self.path).is_ok_and(|at| at.ino() == self.inode);
        probe.is_ok() && same
    }
}

/// How many datagrams a local socket's queue takes (unix(7)).
fn receive_queue() -> usize {
    let text = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen");
    text.ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(512)
}
