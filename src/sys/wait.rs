//! Reaping. nix refuses the status of a process that a real-time signal killed, so the raw status is read here.

use std::io;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// The status that tells it to whoever waits for this program: the child's own, or 128 + N for signal N, as shells do.
    pub fn status(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// Reaps one child that has ended, if there is one: its PID and its end.
pub fn reap() -> Option<(i32, Exit)> {
    loop {
        let mut status = 0;
        // SAFETY: room for one status.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        match pid {
            1.. if libc::WIFEXITED(status) => {
                return Some((pid, Exit::Code(libc::WEXITSTATUS(status))));
            }
            1.. => return Some((pid, Exit::Signal(libc::WTERMSIG(status)))),
            0 => return None,
            _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            _ => return None,
        }
    }
}
