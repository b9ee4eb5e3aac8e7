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

    /// Whether the process has thought of this signal. One that has not dies of it, or is stopped, as the kernel does by
    /// default. A blocked one may be read from a descriptor.
    pub fn expects(&self, signal: i32) -> bool {
        has(self.blocked | self.ignored | self.caught, signal)
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
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGPIPE] {
            assert!(of.expects(signal), "{signal}");
        }
        assert!(!of.expects(libc::SIGUSR1));
        assert!(of.has_pending(libc::SIGTTIN) && !of.has_pending(libc::SIGTTOU));
        assert_eq!(parse(b"Name:\tx\n"), None);
        assert!(super::of(std::process::id() as i32).is_some());
    }
}
