//! What a process does at a signal, by /proc.

use std::fs;

/// The signals that a process has made arrangements for (proc_pid_status(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disposition {
    blocked: u64,
    ignored: u64,
    caught: u64,
    pending: u64,
}

/// Of one process; `None` when it is gone.
pub fn of(pid: i32) -> Option<Disposition> {
    parse(&fs::read(format!("/proc/{pid}/status")).ok()?)
}

/// Whether a process has thought of this signal. One that has not dies of it, or is stopped, as the kernel does by default.
pub fn expects(pid: i32, signal: i32) -> bool {
    of(pid).is_none_or(|of| has(of.blocked | of.ignored | of.caught, signal)) || may_wait(pid)
}

/// Whether a thread may wait for signals (sigwait(3)): while it does, the kernel shows those as not blocked. Where it does not
/// show what a sleeping thread waits for, that may be it.
fn may_wait(pid: i32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let mut threads = threads.into_iter().flatten().flatten();
    threads.any(|thread| {
        let read = |name| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
        match read("wchan").as_str() {
            "0" | "" => !read("status").contains("State:\tR"),
            place => place.contains("sigtimedwait"),
        }
    })
}

fn parse(status: &[u8]) -> Option<Disposition> {
    let status = String::from_utf8_lossy(status);
    let mask = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(value.trim(), 16).ok()
    };
    Some(Disposition {
        blocked: mask("SigBlk:")?,
        ignored: mask("SigIgn:")?,
        caught: mask("SigCgt:")?,
        pending: mask("ShdPnd:")?,
    })
}

impl Disposition {
    /// Whether nothing happens at this signal.
    pub fn ignores(&self, signal: i32) -> bool {
        has(self.ignored, signal)
    }

    /// Whether it has been sent this signal and has not taken it: another one now would be the same one.
    pub fn has_pending(&self, signal: i32) -> bool {
        has(self.pending, signal)
    }
}

fn has(mask: u64, signal: i32) -> bool {
    mask >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mask_says_its_own() {
        let text = b"Name:\tx\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000100000\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000004002\n";
        let of = parse(text).unwrap();
        assert!(of.ignores(libc::SIGPIPE) && !of.ignores(libc::SIGTERM));
        assert!(has(of.blocked, libc::SIGHUP) && !has(of.blocked, libc::SIGUSR1));
        assert!(has(of.caught, libc::SIGINT) && has(of.caught, libc::SIGTERM));
        assert!(of.has_pending(libc::SIGTTIN) && !of.has_pending(libc::SIGTTOU));
        assert_eq!(parse(b"Name:\tx\n"), None);
        assert!(super::of(std::process::id() as i32).is_some());
    }
}
