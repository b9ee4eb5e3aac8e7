//! Receivers of records, as simple as they can be: they take what comes and show it.

use super::wait;
use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use std::fs::File;
use std::io::{IoSliceMut, Read, Seek};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// A port of the loopback on which nobody listens now: below those that the kernel gives to connections
/// (`ip_local_port_range`, ip(7)), so that it stays free while its daemon is away.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 500).expect("below 500") * 20;
    let mut ports = std::iter::repeat_with(|| 20_000 + own + NEXT.fetch_add(1, Relaxed) % 20);
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(free).expect("it never ends")
}

/// Takes the next connection.
#[track_caller]
pub fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).expect("our own socket");
    let stream = wait::until("a connection", || listener.accept().ok()).0;
    stream.set_nonblocking(false).expect("our own socket");
    stream
        .set_read_timeout(Some(wait::LIMIT))
        .expect("a time above 0");
    stream
}

/// The messages of a connection, each counted (RFC 6587, section 3.4.1).
#[derive(Debug)]
pub struct Counted {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Counted {
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            bytes: Vec::new(),
        }
    }

    /// The next whole message; `None` at the end.
    #[track_caller]
    pub fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(message) = self.whole() {
                return Some(message);
            }
            let mut more = [0; 8192];
            match self.stream.read(&mut more).expect("bytes or the end") {
                0 => return None,
                read => self.bytes.extend_from_slice(&more[..read]),
            }
        }
    }

    /// All messages to the end.
    pub fn all(mut self) -> Vec<String> {
        let text = |message| String::from_utf8(message).expect("UTF-8");
        std::iter::from_fn(|| self.next()).map(text).collect()
    }

    fn whole(&mut self) -> Option<Vec<u8>> {
        let space = self.bytes.iter().position(|b| *b == b' ')?;
        let count = std::str::from_utf8(&self.bytes[..space]).expect("digits");
        let count: usize = count.parse().expect("a count in front of each message");
        if self.bytes.len() < space + 1 + count {
            return None;
        }
        let message = self.bytes[space + 1..space + 1 + count].to_vec();
        self.bytes.drain(..space + 1 + count);
        Some(message)
    }
}

/// A local socket that takes datagrams, and what it got: a datagram's bytes, or those of the file that came with it.
#[derive(Debug)]
pub struct Datagrams {
    socket: UnixDatagram,
}

impl Datagrams {
    pub fn bind(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a new path");
        socket.set_nonblocking(true).expect("our own socket");
        Self { socket }
    }

    /// The next datagram, and whether it came as a file.
    #[track_caller]
    pub fn next(&self) -> (Vec<u8>, bool) {
        wait::until("a datagram", || self.take())
    }

    fn take(&self) -> Option<(Vec<u8>, bool)> {
        let mut bytes = vec![0; 1 << 20];
        let mut space = cmsg_space!([i32; 1]);
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let fd = self.socket.as_raw_fd();
        let message = recvmsg::<()>(
            fd,
            &mut slices,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC,
        );
        let message = message.ok()?;
        let len = message.bytes;
        let file = message
            .cmsgs()
            .expect("whole")
            .find_map(|control| match control {
                ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
                _ => None,
            });
        let Some(fd) = file else {
            bytes.truncate(len);
            return Some((bytes, false));
        };
        let mut file = File::open(format!("/proc/self/fd/{fd}")).expect("it is open");
        nix::unistd::close(fd).expect("it is open");
        file.rewind().expect("a file in memory");
        let mut content = Vec::new();
        file.read_to_end(&mut content).expect("a file in memory");
        Some((content, true))
    }
}
