//! Writing to a pipe that others share, without waiting.

use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Writes what a pipe takes at once, without setting `O_NONBLOCK`, which everybody who shares the description would get.
///
/// Returns the number of bytes taken. `EAGAIN`: nothing fits now. `EOPNOTSUPP`, `EINVAL` or `ENOSYS`: this kernel cannot
/// do that with this kind of descriptor (Linux before 6.4, and FIFOs with a name). See pwritev2(2), `RWF_NOWAIT`.
pub fn write_nowait(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    let part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: `fd` is open while it is borrowed. `part` describes `bytes`, which is borrowed until the call returns, and
    // the kernel only reads from it. The offset -1 means the current position, as with write(2).
    let written =
        unsafe { libc::pwritev2(fd.as_raw_fd(), &raw const part, 1, -1, libc::RWF_NOWAIT) };
    Errno::result(written).map(|n| n as usize)
}
