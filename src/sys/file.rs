//! Files that others use too: locks, leases, names that are not taken.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Takes the exclusive lock of an open file (flock(2)), if nobody else has it; false: somebody has.
pub fn try_lock(file: impl AsFd) -> io::Result<bool> {
    match flock(file, libc::LOCK_EX | libc::LOCK_NB) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives the lock back. A descriptor that was duplicated would keep it for as long as it is open.
pub fn unlock(file: impl AsFd) -> io::Result<()> {
    flock(file, libc::LOCK_UN)
}

fn flock(file: impl AsFd, operation: libc::c_int) -> io::Result<()> {
    // SAFETY: no pointers.
    match unsafe { libc::flock(file.as_fd().as_raw_fd(), operation) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether any process has this file, which is open for reading only, open for writing.
///
/// A read lease is granted only where nobody has (fcntl(2), F_SETLEASE); it is given back at once. An error: the file is
/// not ours and there is no `CAP_LEASE`, or the file system knows no leases.
pub fn has_writer(file: impl AsFd) -> io::Result<bool> {
    /// asm-generic/fcntl.h in Linux; libc has no name for it.
    const F_SETSIG: libc::c_int = 10;
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: no pointers. The kernel tells of somebody who opens the file in the moment of the lease by a signal: SIGIO,
    // which would end this program or be forwarded, unless another is named. SIGCHLD only has it look for ended children.
    let lease = unsafe {
        if libc::fcntl(fd, F_SETSIG, libc::SIGCHLD) < 0 {
            return Err(io::Error::last_os_error());
        }
        libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK)
    };
    if lease < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock {
            Ok(true)
        } else {
            Err(error)
        };
    }
    // SAFETY: no pointers.
    unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK) };
    Ok(false)
}

/// Renames where nothing has the new name; `EEXIST` otherwise (renameat2(2), `RENAME_NOREPLACE`).
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let [from, to] = [from, to].map(|path| CString::new(path.as_os_str().as_bytes()));
    let (from, to) = (from?, to?);
    // SAFETY: two C strings.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes the calling thread yield to all others, for the processor and for the disk.
pub fn yield_to_others() {
    /// ioprio_set(2): a thread; the class that the usual one is, at its lowest level. The idle class could wait for ever.
    const ONE_THREAD: libc::c_int = 1;
    const LOWEST: libc::c_int = (2 << 13) | 7;
    // SAFETY: no pointers; 0 is the calling thread. Where it is refused, the thread works as any other.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, 19);
        libc::syscall(libc::SYS_ioprio_set, ONE_THREAD, 0, LOWEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::until;
    use std::fs::{self, File};

    #[test]
    fn a_lock_is_one_descriptions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let (one, other) = (File::create(&path).unwrap(), File::create(&path).unwrap());
        assert!(try_lock(&one).unwrap());
        assert!(!try_lock(&other).unwrap());
        unlock(&one).unwrap();
        assert!(try_lock(&other).unwrap());
    }

    #[test]
    fn a_writer_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let writer = File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        assert!(has_writer(&reader).unwrap());
        drop(writer);
        // A process that another test is starting may have a copy of the writer for a moment.
        until("it is closed", || !has_writer(&reader).unwrap());
        // The lease is not kept: this would wait for it.
        File::options().append(true).open(&path).unwrap();
    }

    #[test]
    fn no_name_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| dir.path().join(name));
        fs::write(&a, "a").unwrap();
        fs::write(&b, "b").unwrap();
        let error = rename_new(&a, &b).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        fs::remove_file(&b).unwrap();
        rename_new(&a, &b).unwrap();
        assert_eq!(fs::read(&b).unwrap(), b"a");
    }
}
