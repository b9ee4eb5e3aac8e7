//! Variables that name this program by its PID and must name the server: systemd's (sd_listen_fds(3),
//! sd_watchdog_enabled(3)), whose receiver compares them with its own.
//!
//! The server's PID is known only when it has been forked, and a forked child may not allocate: the digits are written
//! there, into room that was made before.

use std::cell::Cell;
use std::ffi::CString;

/// Which descriptors were handed over, and to whom.
const LISTEN: &str = "LISTEN_PID";

/// Whom the watchdog waits for.
const WATCHDOG: &str = "WATCHDOG_PID";

/// A second check beside `LISTEN_PID`, of the receiver's pidfd. It cannot be known before the fork; where it is not set,
/// the PID decides alone.
const LISTEN_PIDFD: &[u8] = b"LISTEN_PIDFDID=";

/// The digits of the largest number that a `u32` holds.
const DIGITS: usize = 10;

/// An environment for one start of a program.
#[derive(Debug)]
pub(super) struct Environment<'a> {
    kept: Vec<&'a CString>,
    /// `NAME=`, and zeros: room for the digits, and the NUL.
    rewritten: Vec<Vec<Cell<u8>>>,
}

impl<'a> Environment<'a> {
    /// `env`, of which what names `own` is for the server.
    pub(super) fn new(env: &'a [CString], own: u32) -> Self {
        let [listen, watchdog] = [LISTEN, WATCHDOG].map(|name| format!("{name}={own}"));
        let is = |entry: &CString, text: &str| entry.as_bytes() == text.as_bytes();
        let listens = env.iter().any(|entry| is(entry, &listen));
        let (ours, mut kept): (Vec<_>, Vec<_>) = env
            .iter()
            .partition(|entry| is(entry, &listen) || is(entry, &watchdog));
        kept.retain(|entry| !(listens && entry.as_bytes().starts_with(LISTEN_PIDFD)));
        Self {
            kept,
            rewritten: ours.into_iter().map(room).collect(),
        }
    }

    /// Writes `pid` into the room for it. Async-signal-safe.
    pub(super) fn name(&self, pid: u32) {
        for entry in &self.rewritten {
            write_digits(&entry[entry.len() - DIGITS - 1..], pid);
        }
    }

    /// What exec wants, as long as `self` lives.
    pub(super) fn pointers(&self) -> Vec<*const libc::c_char> {
        let kept = self.kept.iter().map(|entry| entry.as_ptr());
        let rewritten = self.rewritten.iter().map(|entry| entry.as_ptr().cast());
        kept.chain(rewritten).chain([std::ptr::null()]).collect()
    }
}

/// `NAME=1234` as `NAME=`, and zeros.
fn room(entry: &CString) -> Vec<Cell<u8>> {
    let name = entry
        .as_bytes()
        .split_inclusive(|byte| *byte == b'=')
        .next();
    let zeros = [0; DIGITS + 1];
    let bytes = name.unwrap_or_default().iter().chain(&zeros);
    bytes.map(|byte| Cell::new(*byte)).collect()
}

fn write_digits(room: &[Cell<u8>], number: u32) {
    let count = number.checked_ilog10().map_or(1, |log| log as usize + 1);
    let mut left = number;
    for digit in room[..count].iter().rev() {
        digit.set(b'0' + (left % 10) as u8);
        left /= 10;
    }
    room[count].set(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    /// The environment that a program with PID `pid` would find.
    fn found(env: &[&str], own: u32, pid: u32) -> Vec<String> {
        let env: Vec<CString> = env.iter().map(|e| CString::new(*e).unwrap()).collect();
        let environment = Environment::new(&env, own);
        let pointers = environment.pointers();
        environment.name(pid);
        let (null, strings) = pointers.split_last().unwrap();
        assert!(null.is_null());
        // SAFETY: C strings that live in `env` and `environment`.
        let text = |p: &*const libc::c_char| unsafe { CStr::from_ptr(*p) };
        strings
            .iter()
            .map(|p| text(p).to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn what_names_us_names_the_server() {
        let env = [
            "A=b",
            "LISTEN_PID=77",
            "LISTEN_FDS=2",
            "WATCHDOG_PID=77",
            "C=77",
        ];
        for pid in [0, 1, 9, 10, 99_999, 4_194_304, u32::MAX] {
            let [listen, watchdog] = ["LISTEN", "WATCHDOG"].map(|n| format!("{n}_PID={pid}"));
            let expected = ["A=b", "LISTEN_FDS=2", "C=77", &listen, &watchdog];
            assert_eq!(found(&env, 77, pid), expected);
        }
    }

    #[test]
    fn what_names_somebody_else_stays() {
        let env = [
            "LISTEN_PID=7",
            "LISTEN_PIDFDID=5",
            "WATCHDOG_PID=",
            "XLISTEN_PID=77",
        ];
        assert_eq!(found(&env, 77, 80), env);
    }

    #[test]
    fn the_inode_of_our_pidfd_goes_with_our_pid() {
        let env = ["LISTEN_PIDFDID=5", "LISTEN_PID=77", "LISTEN_FDNAMES=a:b"];
        assert_eq!(found(&env, 77, 80), ["LISTEN_FDNAMES=a:b", "LISTEN_PID=80"]);
    }
}
