//! Signals as events of the control loop.

use super::signal_map::Caught;
use crate::sys::signals::{Info, Mask, SignalFd, Value, use_default};
use nix::sys::signal::Signal;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// The source of signals for the poll loop: all of them are blocked, and read from a descriptor (signalfd(2)).
///
/// So every signal that somebody sends is seen, those too for which a handler would be unsafe (SEGV, ILL, FPE) or that this
/// program's own writes bring about (PIPE, XFSZ), and real-time signals come as often as they were sent, with their values. A
/// fault of this program's own still ends it: the kernel resets a blocked signal that it must deliver (signal(7)), and so does abort(3).
///
/// A thread reads them, and does nothing else: while one is not read, the next of its kind is lost, and the control loop may be
/// busy with /proc when somebody presses Ctrl-C for the third time.
#[derive(Debug)]
pub struct Signals {
    queue: Receiver<Info>,
    /// Readable when something is in the queue.
    bell: UnixStream,
}

/// Signals that wait for the control loop; beyond, they wait in the kernel.
const WAITING: usize = 1024;

/// A signal with what came with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// What it is.
    pub caught: Caught,
    /// What sigqueue(3) gave it to carry.
    pub value: Option<Value>,
}

/// What came.
#[derive(Debug, Default)]
pub struct Pending {
    /// Signals that mean something, in the order of arrival as far as the kernel tells it.
    pub arrivals: Vec<Arrival>,
    /// A child has ended.
    pub child: bool,
}

impl Signals {
    /// Blocks all signals for the calling thread, and those that it makes from now on, and reads them from now on.
    pub fn new() -> io::Result<Self> {
        Mask::block_all()?;
        // Were it ignored, as some callers leave it, no child's status would be kept (waitpid(2)).
        use_default(libc::SIGCHLD);
        let source = SignalFd::new()?;
        let (bell, rope) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rope.set_nonblocking(true)?;
        let (sender, queue) = sync_channel(WAITING);
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || hand_on(&source, &sender, &rope))?;
        Ok(Self { queue, bell })
    }

    /// For the registry of a poll.
    pub fn raw_fd(&self) -> i32 {
        self.bell.as_raw_fd()
    }

    /// Takes what has come since.
    pub fn take(&mut self) -> Pending {
        let mut rung = [0; 64];
        while matches!(self.bell.read(&mut rung), Ok(1..)) {}
        let mut pending = Pending::default();
        for info in self.queue.try_iter() {
            // Standard signals do not queue: one that somebody sent may stand for a child's end too.
            pending.child |= info.signal == libc::SIGCHLD;
            if info.signal != libc::SIGCHLD || was_sent(&info) {
                pending.arrivals.push(Arrival {
                    caught: Caught {
                        signal: info.signal,
                        by_kernel: info.code == libc::SI_KERNEL,
                    },
                    value: info.value,
                });
            }
        }
        pending
    }
}

/// Until the control loop is gone.
fn hand_on(source: &SignalFd, queue: &SyncSender<Info>, mut rope: &UnixStream) {
    // glibc lets its own two signals through in the first thread that is made.
    let _ = Mask::block_all();
    loop {
        let infos = match source.read() {
            Ok(infos) => infos,
            // As after a stop and CONT.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        for info in infos {
            if queue.send(info).is_err() {
                return;
            }
            // When nothing fits any more, it rings already.
            let _ = rope.write(&[0]);
        }
    }
}

/// By a process, and not by the kernel (sigaction(2)).
fn was_sent(info: &Info) -> bool {
    info.code <= 0
}

/// A signal's name, `SIGTERM`; real-time signals and unknown ones by number.
pub fn name(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |s| s.as_str().to_owned())
}
