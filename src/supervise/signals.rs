//! Signals as events of the control loop.

use super::machine::Caught;
use crate::sys::signals::MAX_SIGNAL;
use mio::net::UnixStream;
use nix::sys::signal::Signal;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

/// Signals that this program leaves as they are: KILL and STOP cannot be caught; the faults, ABRT, TRAP and SYS are this
/// program's own failures; the C library keeps 32 and 33; and PIPE and XFSZ, which its own writes can bring about, are ignored: the write says it.
const LEFT_ALONE: [i32; 13] = [
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGTRAP,
    libc::SIGSYS,
    libc::SIGABRT,
    libc::SIGPIPE,
    libc::SIGXFSZ,
    32,
    33,
];

/// The source of signals for the poll loop.
///
/// signal-hook's own delivery and not signal-hook-mio's, which is a source of mio's without the origins only.
pub struct Signals(SignalDelivery<UnixStream, WithOrigin>);

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signals").field(self.0.get_read()).finish()
    }
}

/// What came.
#[derive(Debug, Default)]
pub struct Pending {
    /// Signals for the state machine, in the order of arrival as far as the kernel tells it.
    pub caught: Vec<Caught>,
    /// A child has ended.
    pub child: bool,
}

impl Signals {
    /// Catches all signals that are forwarded, and CHLD.
    pub fn new() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        let signals = (1..=MAX_SIGNAL).filter(|signal| !LEFT_ALONE.contains(signal));
        SignalDelivery::with_pipe(read, OwnedFd::from(write), WithOrigin::default(), signals)
            .map(Self)
    }

    /// For the registry of a poll.
    pub fn source(&mut self) -> &mut impl mio::event::Source {
        self.0.get_read_mut()
    }

    /// Takes what has come since.
    pub fn take(&mut self) -> Pending {
        let mut pending = Pending::default();
        for origin in self.0.pending() {
            if origin.signal == libc::SIGCHLD {
                pending.child = true;
            } else {
                let by_kernel = matches!(origin.cause, Cause::Kernel);
                pending.caught.push(Caught {
                    signal: origin.signal,
                    by_kernel,
                });
            }
        }
        pending
    }
}

/// A signal's name, `SIGTERM`; real-time signals and unknown ones by number.
pub fn name(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |s| s.as_str().to_owned())
}
