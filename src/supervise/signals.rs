//! Signals as events of the control loop.

use super::signal_map::Caught;
use crate::sys::signals::{Info, Mask, SignalFd, Value, use_default};
use nix::sys::signal::Signal;
use std::io;

/// The source of signals for the poll loop: all of them are blocked, and read from a descriptor (signalfd(2)).
///
/// So every signal that somebody sends is seen, those too for which a handler would be unsafe (SEGV, ILL, FPE) or that this
/// program's own writes bring about (PIPE, XFSZ), and real-time signals come as often as they were sent, with their values. A
/// fault of this program's own still ends it: the kernel resets a blocked signal that it must deliver (signal(7)), and so does abort(3).
#[derive(Debug)]
pub struct Signals(SignalFd);

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
        SignalFd::new().map(Self)
    }

    /// For the registry of a poll.
    pub fn raw_fd(&self) -> i32 {
        self.0.raw_fd()
    }

    /// Takes what has come since.
    pub fn take(&mut self) -> Pending {
        let mut pending = Pending::default();
        for info in self.0.read() {
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

/// By a process, and not by the kernel (sigaction(2)).
fn was_sent(info: &Info) -> bool {
    info.code <= 0
}

/// A signal's name, `SIGTERM`; real-time signals and unknown ones by number.
pub fn name(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |s| s.as_str().to_owned())
}
