//! Another user's credentials, for one thread: the child that becomes the server, or a look with that user's eyes.
//!
//! By raw system calls. The C library's `setuid` and its relatives change every thread that it believes to exist, by a
//! signal to each (nptl(7)); in a forked child those threads are gone, and in this program they must stay root.

use std::io;

/// Who to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user; `None` keeps this program's own.
    pub uid: Option<u32>,
    /// The group.
    pub gid: u32,
    /// The supplementary groups; `None` keeps this program's own.
    pub groups: Option<Vec<u32>>,
}

impl Credentials {
    /// Takes them for the calling thread. Async-signal-safe. The error is the number of the call that failed.
    ///
    /// The user comes last: it is by root's right that the others are set.
    pub(super) fn take(&self) -> Result<(), i32> {
        if let Some(groups) = &self.groups {
            // SAFETY: a list and its length.
            call(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })?;
        }
        let gid = self.gid;
        // SAFETY: no pointers.
        call(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
        if let Some(uid) = self.uid {
            // SAFETY: no pointers.
            call(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })?;
        }
        Ok(())
    }

    /// Runs `look` in a thread that has these credentials: what the kernel lets it do, it lets the server do.
    pub fn look<T: Send>(&self, look: impl FnOnce() -> T + Send) -> io::Result<T> {
        // A change of user takes the right away to look into this program (prctl(2), PR_SET_DUMPABLE): given back below.
        let dumpable = nix::sys::prctl::get_dumpable();
        let seen = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().spawn_scoped(scope, || {
                self.take().map_err(io::Error::from_raw_os_error)?;
                Ok(look())
            })?;
            thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("it failed")))
        });
        let _ = nix::sys::prctl::set_dumpable(dumpable == Ok(true));
        seen
    }
}

fn call(result: libc::c_long) -> Result<(), i32> {
    if result < 0 {
        Err(super::spawn::errno())
    } else {
        Ok(())
    }
}
