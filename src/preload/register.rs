//! New pipes for this process, and the datagram that hands their read ends to unbraid.

use crate::fds::{Found, Search};
use crate::kernel::{self, EINTR, Errno, Fd, IoVec, Message};
use crate::wire::{self, Event, Hello, MAX_FDS, MAX_STREAMS, Socket};
use core::mem::size_of;

/// How long a process waits for unbraid to take its datagram, in all: 1 s. The kernel queues about 10.
const PATIENCE_US: i64 = 1_000_000;

/// Open file descriptions of one pipe that differ in access mode, `O_APPEND` or `O_NONBLOCK`: more are not met.
const MAX_WAYS: usize = 4;

/// So many descriptors are remembered between looking and pointing; with more, they are looked for again, which costs a fork
/// some twenty system calls.
const MAX_KNOWN: usize = 16;

/// One stream that gets a new pipe.
struct Stream {
    number: u8,
    read: Fd,
    /// Write ends, by their flags; the first came with the pipe. Status flags belong to the open file description, so where
    /// descriptors differ in them, each kind needs a description of its own.
    writes: [Option<(i32, Fd)>; MAX_WAYS],
}

/// Gives this process pipes of its own for the marked ones that it holds, and tells unbraid.
///
/// Send first, point afterwards: when the send fails, nothing has changed. When the process dies between the two, unbraid
/// holds a pipe that is at its end.
pub(crate) fn register(socket: &Socket, event: Event) {
    let mut streams = [const { None }; MAX_STREAMS];
    let mut known = [const { None }; MAX_KNOWN];
    let mut count = 0;
    let mut search = Search::new(&socket.foreign);
    for found in &mut search {
        // A stream without a new pipe (no room, no descriptors) would split one process over two: rather none moves.
        if add(&mut streams, &found).is_err() {
            return;
        }
        if let Some(room) = known.get_mut(count) {
            *room = Some(found);
        }
        count += 1;
    }
    if streams[0].is_none() || announce(socket, event, &streams).is_err() {
        return;
    }
    // By stream, not by the pipe that it was, so that aliases stay aliases.
    let point = |found: Found| {
        if let Some(stream) = streams.iter().flatten().find(|s| s.number == found.stream) {
            point(stream, &found);
        }
    };
    if count > MAX_KNOWN {
        search.rewind();
        (&mut search).for_each(point);
    } else {
        known.into_iter().flatten().for_each(point);
    }
}

/// Sees to it that there is a pipe for the stream of `found`, and a write end of it with its flags.
fn add(streams: &mut [Option<Stream>; MAX_STREAMS], found: &Found) -> Result<(), Errno> {
    if let Some(stream) = streams
        .iter_mut()
        .flatten()
        .find(|s| s.number == found.stream)
    {
        add_way(stream, found.flags);
        return Ok(());
    }
    let room = streams.iter_mut().find(|s| s.is_none()).ok_or(Errno(0))?;
    let (read, write) = kernel::pipe()?;
    let flags = found.flags & !kernel::O_ACCMODE;
    if flags != 0 {
        kernel::set_status_flags(&write, flags)?;
    }
    let stream = room.insert(Stream {
        number: found.stream,
        read,
        writes: [const { None }; MAX_WAYS],
    });
    stream.writes[0] = Some((flags | kernel::O_WRONLY, write));
    add_way(stream, found.flags);
    Ok(())
}

/// Where a description with these flags cannot be had (no /proc, no room), its descriptors get the first one.
fn add_way(stream: &mut Stream, flags: i32) {
    let known = stream
        .writes
        .iter()
        .flatten()
        .any(|(known, _)| *known == flags);
    let Some((_, first)) = stream.writes[0].as_ref().filter(|_| !known) else {
        return;
    };
    let Ok(reopened) = reopen(first, flags) else {
        return;
    };
    if let Some(room) = stream.writes.iter_mut().find(|w| w.is_none()) {
        *room = Some((flags, reopened));
    }
}

/// Marks the new pipes and sends their read ends.
fn announce(
    socket: &Socket,
    event: Event,
    streams: &[Option<Stream>; MAX_STREAMS],
) -> Result<(), Errno> {
    let sender = kernel::socket()?;
    let pidfd = kernel::own_pidfd().ok();
    let mut fds = [0i32; MAX_FDS];
    let mut count = 0;
    let mut hello = Hello {
        event,
        pidfd: pidfd.is_some(),
        streams: [0; MAX_STREAMS],
        parent: kernel::parent(),
        token: socket.token,
    };
    for stream in streams.iter().flatten() {
        kernel::chmod(&stream.read, wire::mode_of(stream.number))?;
        hello.streams[count] = stream.number;
        fds[count] = stream.read.raw();
        count += 1;
    }
    if let Some(pidfd) = &pidfd {
        fds[count] = pidfd.raw();
        count += 1;
    }
    send(&sender, socket, &hello.encode(), &fds, count)
}

/// The kernel's `struct cmsghdr` with room for the most descriptors (cmsg(3)).
#[repr(C)]
struct Control {
    len: usize,
    level: i32,
    kind: i32,
    fds: [i32; MAX_FDS],
}

const CONTROL_HEAD: usize = size_of::<usize>() + 2 * size_of::<i32>();

fn send(
    sender: &Fd,
    socket: &Socket,
    data: &[u8],
    fds: &[i32; MAX_FDS],
    count: usize,
) -> Result<(), Errno> {
    // sun_family AF_UNIX, then the NUL of an abstract address, then the name.
    let mut address = [0u8; 2 + 1 + wire::MAX_NAME];
    address[..2].copy_from_slice(&1u16.to_ne_bytes());
    for (to, from) in address.iter_mut().skip(3).zip(&socket.name) {
        *to = *from;
    }
    let control = Control {
        len: CONTROL_HEAD + count * size_of::<i32>(),
        level: 1,
        kind: 1,
        fds: *fds,
    };
    let iov = IoVec {
        base: data.as_ptr(),
        len: data.len(),
    };
    let message = Message {
        name: address.as_ptr(),
        name_len: (3 + socket.name_len) as u32,
        iov: &raw const iov,
        iov_len: 1,
        control: (&raw const control).cast(),
        control_len: control.len,
        flags: 0,
    };
    let end = kernel::microseconds() + PATIENCE_US;
    loop {
        let left = end - kernel::microseconds();
        if left <= 0 {
            return Err(EINTR);
        }
        kernel::set_send_timeout(sender, left)?;
        // SAFETY: all that the message points at lives in this function, with the lengths told.
        match unsafe { kernel::send(sender, &message) } {
            Err(EINTR) => {}
            result => return result,
        }
    }
}

/// Replaces `found` by the stream's new pipe, flags kept.
fn point(stream: &Stream, found: &Found) {
    // The search meets the new write ends too.
    let ours = stream
        .writes
        .iter()
        .flatten()
        .any(|(_, fd)| fd.raw() == found.fd);
    let mut ways = stream.writes.iter().flatten();
    let way = ways
        .clone()
        .find(|(flags, _)| *flags == found.flags)
        .or_else(|| ways.next());
    if let (false, Some((_, fd))) = (ours, way) {
        let cloexec = if kernel::close_on_exec(found.fd) {
            kernel::O_CLOEXEC
        } else {
            0
        };
        let _ = kernel::dup_onto(fd, found.fd, cloexec);
    }
}

/// A second open file description of the pipe.
fn reopen(pipe: &Fd, flags: i32) -> Result<Fd, Errno> {
    let mut path = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0";
    let mut digits = [0u8; 10];
    let mut number = pipe.raw();
    let mut len = 0;
    while len == 0 || number > 0 {
        digits[len] = b'0' + (number % 10) as u8;
        number /= 10;
        len += 1;
    }
    for (to, digit) in path.iter_mut().skip(14).zip(digits[..len].iter().rev()) {
        *to = *digit;
    }
    kernel::open(&path, flags)
}
