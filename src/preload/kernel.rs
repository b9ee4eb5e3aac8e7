//! System calls, raw: the C library's wrappers would set `errno`, and there may be no C library that fits.

use core::arch::asm;

/// A failed call: the kernel's error number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

/// Numbers that are the same on both architectures (asm-generic/errno-base.h, fcntl.h, socket.h).
pub(crate) const EINTR: Errno = Errno(4);
pub(crate) const EBADF: Errno = Errno(9);
pub(crate) const O_ACCMODE: i32 = 0o3;
pub(crate) const O_WRONLY: i32 = 0o1;
pub(crate) const O_NONBLOCK: i32 = 0o4000;
pub(crate) const O_APPEND: i32 = 0o2000;
pub(crate) const O_CLOEXEC: i32 = 0o2_000_000;
const FD_CLOEXEC: i32 = 1;
const F_GETFD: usize = 1;
const F_GETFL: usize = 3;
const F_SETFL: usize = 4;
const AF_UNIX: usize = 1;
const SOCK_DGRAM: usize = 2;
const SOL_SOCKET: usize = 1;
const SO_SNDTIMEO: usize = 21;
const MSG_NOSIGNAL: usize = 0x4000;
const CLOCK_MONOTONIC: usize = 1;
const AT_FDCWD: usize = -100isize as usize;

#[cfg(target_arch = "x86_64")]
mod nr {
    pub(super) const CLOSE: usize = 3;
    pub(super) const FSTAT: usize = 5;
    pub(super) const GETPID: usize = 39;
    pub(super) const SOCKET: usize = 41;
    pub(super) const SENDMSG: usize = 46;
    pub(super) const SETSOCKOPT: usize = 54;
    pub(super) const FCNTL: usize = 72;
    pub(super) const FCHMOD: usize = 91;
    pub(super) const GETPPID: usize = 110;
    pub(super) const CLOCK_GETTIME: usize = 228;
    pub(super) const EXIT_GROUP: usize = 231;
    pub(super) const OPENAT: usize = 257;
    pub(super) const PSELECT6: usize = 270;
    pub(super) const PPOLL: usize = 271;
    pub(super) const DUP3: usize = 292;
    pub(super) const PIPE2: usize = 293;
    pub(super) const PIDFD_OPEN: usize = 434;
    pub(super) const READ: usize = 0;
    /// Where `st_mode` stands in the kernel's `struct stat`.
    pub(super) const STAT_MODE: usize = 24;
}

#[cfg(target_arch = "aarch64")]
mod nr {
    pub(super) const DUP3: usize = 24;
    pub(super) const FCNTL: usize = 25;
    pub(super) const FCHMOD: usize = 52;
    pub(super) const OPENAT: usize = 56;
    pub(super) const CLOSE: usize = 57;
    pub(super) const PIPE2: usize = 59;
    pub(super) const READ: usize = 63;
    pub(super) const PSELECT6: usize = 72;
    pub(super) const PPOLL: usize = 73;
    pub(super) const FSTAT: usize = 80;
    pub(super) const EXIT_GROUP: usize = 94;
    pub(super) const CLOCK_GETTIME: usize = 113;
    pub(super) const GETPID: usize = 172;
    pub(super) const GETPPID: usize = 173;
    pub(super) const SOCKET: usize = 198;
    pub(super) const SETSOCKOPT: usize = 208;
    pub(super) const SENDMSG: usize = 211;
    pub(super) const PIDFD_OPEN: usize = 434;
    /// Where `st_mode` stands in the kernel's `struct stat`.
    pub(super) const STAT_MODE: usize = 16;
}

/// Where `st_ino` stands, on both.
const STAT_INO: usize = 8;

/// # Safety
/// The arguments are what the call `n` expects; pointers among them are valid for it.
#[cfg(target_arch = "x86_64")]
unsafe fn call(n: usize, a: [usize; 6]) -> Result<usize, Errno> {
    let result: isize;
    // SAFETY: the kernel's convention: number and result in rax, arguments as listed, rcx and r11 lost.
    unsafe {
        asm!("syscall", inlateout("rax") n as isize => result, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    checked(result)
}

/// # Safety
/// The arguments are what the call `n` expects; pointers among them are valid for it.
#[cfg(target_arch = "aarch64")]
unsafe fn call(n: usize, a: [usize; 6]) -> Result<usize, Errno> {
    let result: isize;
    // SAFETY: the kernel's convention: number in x8, arguments in x0 to x5, result in x0.
    unsafe {
        asm!("svc 0", in("x8") n, inlateout("x0") a[0] => result, in("x1") a[1], in("x2") a[2], in("x3") a[3],
            in("x4") a[4], in("x5") a[5], options(nostack));
    }
    checked(result)
}

/// The kernel returns errors as -4095 to -1.
fn checked(result: isize) -> Result<usize, Errno> {
    if (-4095..0).contains(&result) {
        Err(Errno(-result as i32))
    } else {
        Ok(result as usize)
    }
}

/// A descriptor that this object opened; closed when dropped.
pub(crate) struct Fd(i32);

impl Fd {
    pub(crate) fn raw(&self) -> i32 {
        self.0
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // SAFETY: no pointers; the descriptor is this object's own.
        let _ = unsafe { call(nr::CLOSE, [self.0 as usize, 0, 0, 0, 0, 0]) };
    }
}

/// What `fstat` says, as far as it is needed.
pub(crate) struct Stat {
    pub(crate) mode: u32,
    pub(crate) ino: u64,
}

pub(crate) fn fstat(fd: i32) -> Result<Stat, Errno> {
    // 144 bytes on x86_64, 128 on aarch64.
    let mut buffer = [0u64; 18];
    // SAFETY: the buffer is as large as the kernel's struct.
    unsafe {
        call(
            nr::FSTAT,
            [fd as usize, buffer.as_mut_ptr() as usize, 0, 0, 0, 0],
        )?
    };
    let mode = (buffer[nr::STAT_MODE / 8] >> (nr::STAT_MODE % 8 * 8)) as u32;
    Ok(Stat {
        mode,
        ino: buffer[STAT_INO / 8],
    })
}

/// The status flags (`O_…`).
pub(crate) fn status_flags(fd: i32) -> Result<i32, Errno> {
    // SAFETY: no pointers.
    unsafe { call(nr::FCNTL, [fd as usize, F_GETFL, 0, 0, 0, 0]) }.map(|flags| flags as i32)
}

pub(crate) fn set_status_flags(fd: &Fd, flags: i32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    unsafe { call(nr::FCNTL, [fd.0 as usize, F_SETFL, flags as usize, 0, 0, 0]) }.map(drop)
}

/// Whether the descriptor is closed by exec.
pub(crate) fn close_on_exec(fd: i32) -> bool {
    // SAFETY: no pointers.
    unsafe { call(nr::FCNTL, [fd as usize, F_GETFD, 0, 0, 0, 0]) }
        .is_ok_and(|flags| flags as i32 & FD_CLOEXEC != 0)
}

/// A pipe, read end first.
pub(crate) fn pipe() -> Result<(Fd, Fd), Errno> {
    let mut pair = [0i32; 2];
    // SAFETY: room for two descriptors.
    unsafe {
        call(
            nr::PIPE2,
            [pair.as_mut_ptr() as usize, O_CLOEXEC as usize, 0, 0, 0, 0],
        )?
    };
    Ok((Fd(pair[0]), Fd(pair[1])))
}

pub(crate) fn chmod(fd: &Fd, mode: u32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    unsafe { call(nr::FCHMOD, [fd.0 as usize, mode as usize, 0, 0, 0, 0]) }.map(drop)
}

/// Makes `to` what `from` is.
pub(crate) fn dup_onto(from: &Fd, to: i32, flags: i32) -> Result<(), Errno> {
    // SAFETY: no pointers; the caller replaces a descriptor on purpose.
    unsafe {
        call(
            nr::DUP3,
            [from.0 as usize, to as usize, flags as usize, 0, 0, 0],
        )
    }
    .map(drop)
}

/// Opens `path`, which ends with a NUL.
pub(crate) fn open(path: &[u8], flags: i32) -> Result<Fd, Errno> {
    debug_assert!(path.last() == Some(&0));
    // SAFETY: a C string.
    unsafe {
        call(
            nr::OPENAT,
            [
                AT_FDCWD,
                path.as_ptr() as usize,
                (flags | O_CLOEXEC) as usize,
                0,
                0,
                0,
            ],
        )
    }
    .map(|fd| Fd(fd as i32))
}

pub(crate) fn read(fd: &Fd, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the buffer is as long as told.
    unsafe {
        call(
            nr::READ,
            [
                fd.0 as usize,
                buffer.as_mut_ptr() as usize,
                buffer.len(),
                0,
                0,
                0,
            ],
        )
    }
}

pub(crate) fn own_pidfd() -> Result<Fd, Errno> {
    // SAFETY: no pointers.
    let pid = unsafe { call(nr::GETPID, [0; 6])? };
    // SAFETY: no pointers.
    unsafe { call(nr::PIDFD_OPEN, [pid, 0, 0, 0, 0, 0]) }.map(|fd| Fd(fd as i32))
}

pub(crate) fn parent() -> i32 {
    // SAFETY: no pointers.
    unsafe { call(nr::GETPPID, [0; 6]) }.map_or(0, |pid| pid as i32)
}

/// A Unix datagram socket.
pub(crate) fn socket() -> Result<Fd, Errno> {
    // SAFETY: no pointers.
    unsafe {
        call(
            nr::SOCKET,
            [AF_UNIX, SOCK_DGRAM | O_CLOEXEC as usize, 0, 0, 0, 0],
        )
    }
    .map(|fd| Fd(fd as i32))
}

/// How long a send on `fd` may wait for room.
pub(crate) fn set_send_timeout(fd: &Fd, microseconds: i64) -> Result<(), Errno> {
    let time = [microseconds / 1_000_000, microseconds % 1_000_000];
    // SAFETY: a `struct timeval` of the kernel's size.
    unsafe {
        call(
            nr::SETSOCKOPT,
            [
                fd.0 as usize,
                SOL_SOCKET,
                SO_SNDTIMEO,
                time.as_ptr() as usize,
                16,
                0,
            ],
        )
    }
    .map(drop)
}

/// Microseconds of a clock that only moves forward.
pub(crate) fn microseconds() -> i64 {
    let mut time = [0i64; 2];
    // SAFETY: a `struct timespec` of the kernel's size.
    let _ = unsafe {
        call(
            nr::CLOCK_GETTIME,
            [CLOCK_MONOTONIC, time.as_mut_ptr() as usize, 0, 0, 0, 0],
        )
    };
    time[0] * 1_000_000 + time[1] / 1_000
}

/// The kernel's `struct msghdr` (sendmsg(2)).
#[repr(C)]
pub(crate) struct Message {
    pub(crate) name: *const u8,
    pub(crate) name_len: u32,
    pub(crate) iov: *const IoVec,
    pub(crate) iov_len: usize,
    pub(crate) control: *const u8,
    pub(crate) control_len: usize,
    pub(crate) flags: i32,
}

/// The kernel's `struct iovec`.
#[repr(C)]
pub(crate) struct IoVec {
    pub(crate) base: *const u8,
    pub(crate) len: usize,
}

/// # Safety
/// The message's pointers are valid and its lengths true.
pub(crate) unsafe fn send(fd: &Fd, message: &Message) -> Result<(), Errno> {
    // SAFETY: as promised by the caller.
    unsafe {
        call(
            nr::SENDMSG,
            [
                fd.0 as usize,
                core::ptr::from_ref(message) as usize,
                MSG_NOSIGNAL,
                0,
                0,
                0,
            ],
        )
    }
    .map(drop)
}

/// The kernel's `struct pollfd`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct PollFd {
    pub(crate) fd: i32,
    pub(crate) events: i16,
    pub(crate) revents: i16,
}

/// `revents`: the descriptor is not open.
pub(crate) const POLLNVAL: i16 = 0x20;

/// Asks for the state of descriptors without waiting.
pub(crate) fn poll_now(fds: &mut [PollFd]) -> Result<(), Errno> {
    let zero = [0i64; 2];
    // SAFETY: the array is as long as told; a `struct timespec`; no signal mask.
    unsafe {
        call(
            nr::PPOLL,
            [
                fds.as_mut_ptr() as usize,
                fds.len(),
                zero.as_ptr() as usize,
                0,
                0,
                0,
            ],
        )
    }
    .map(drop)
}

/// `select` without waiting on the one descriptor `fd`, whose bit is set in `bits` (at least `fd` + 1 long).
pub(crate) fn select_now(fd: usize, bits: &mut [u64]) -> Result<(), Errno> {
    debug_assert!(bits.len() * 64 > fd);
    let zero = [0i64; 2];
    // SAFETY: the bits cover `fd`; a `struct timespec`; no signal mask.
    unsafe {
        call(
            nr::PSELECT6,
            [
                fd + 1,
                bits.as_mut_ptr() as usize,
                0,
                0,
                zero.as_ptr() as usize,
                0,
            ],
        )
    }
    .map(drop)
}

pub(crate) fn exit_group(status: i32) -> ! {
    loop {
        // SAFETY: no pointers.
        let _ = unsafe { call(nr::EXIT_GROUP, [status as usize, 0, 0, 0, 0, 0]) };
    }
}
