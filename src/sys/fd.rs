//! Descriptors: pidfds, what a pipe holds, limits.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A descriptor that becomes readable when process `pid` has ended (pidfd_open(2), Linux 5.3).
///
/// The caller knows that `pid` is the process that it means: its own child that was not waited for yet, or a sender whose
/// identity is checked afterwards.
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Sends a signal to the process that `pidfd` names, and to no later one with its PID (pidfd_send_signal(2), Linux 5.1). One
/// that has ended is passed over.
pub fn pidfd_send_signal(pidfd: impl AsFd, signal: i32) {
    let fd = pidfd.as_fd().as_raw_fd();
    // SAFETY: without siginfo there are no pointers.
    let _ = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            fd,
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
}

/// How many bytes wait in a pipe (FIONREAD, pipe(7)).
pub fn unread(pipe: impl AsFd) -> io::Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int.
    let result = unsafe { libc::ioctl(pipe.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut count) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(count.max(0) as usize)
    }
}

/// Whether a file has the extended attribute `name`.
pub fn has_attribute(path: &Path, name: &CStr) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: two C strings; with a size of 0 nothing is written.
    unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) >= 0 }
}

/// `fstat` of a descriptor by its number, for a look at what this program was started with; `None`: it is not open.
pub fn stat_number(fd: i32) -> Option<libc::stat> {
    // SAFETY: all-zero is a valid struct, and the kernel fills it.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        (libc::fstat(fd, &raw mut stat) == 0).then_some(stat)
    }
}

/// How many bytes of what was written to a socket the other side does not have: on TCP those that its kernel has not
/// acknowledged, on a local socket those that it has not read, with the kernel's own overhead (SIOCOUTQ, tcp(7), unix(7)).
pub fn unacknowledged(socket: impl AsFd) -> io::Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: TIOCOUTQ, which is SIOCOUTQ's number, writes one int.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(count.max(0) as usize)
    }
}
