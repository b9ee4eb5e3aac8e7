//! Signals: dispositions and masks as they were before this program changed them, reading them, sending them.
//!
//! By raw system calls: the C library takes its own two, 32 and 33, out of every set, and a caller may have blocked or ignored
//! them, or send them.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The highest signal number of Linux (signal(7)).
pub const MAX_SIGNAL: i32 = 64;

static PIPE_WAS_IGNORED: AtomicBool = AtomicBool::new(false);

/// Rust's start-up code sets SIGPIPE to be ignored before `main`, so what the caller had set is asked for earlier.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    PIPE_WAS_IGNORED.store(is_ignored(libc::SIGPIPE), Ordering::Relaxed);
}

fn is_ignored(signal: i32) -> bool {
    let mut old = KernelAction::default();
    action(signal, None, Some(&mut old)) && old.handler == libc::SIG_IGN
}

/// The kernel's `struct sigaction`. The C library refuses its own two signals, 32 and 33, which a caller may have ignored too.
#[repr(C)]
#[derive(Default)]
struct KernelAction {
    handler: usize,
    flags: usize,
    restorer: usize,
    mask: u64,
}

fn action(signal: i32, new: Option<&KernelAction>, old: Option<&mut KernelAction>) -> bool {
    let new = new.map_or(std::ptr::null(), std::ptr::from_ref);
    let old = old.map_or(std::ptr::null_mut(), std::ptr::from_mut);
    // SAFETY: structs of the kernel's layout, or null; 8 is the size of its signal set.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, new, old, 8usize) == 0 }
}

/// Sets the default or `SIG_IGN` for a signal; for KILL and STOP nothing happens. Async-signal-safe.
pub(super) fn dispose(signal: i32, ignored: bool) {
    let handler = if ignored {
        libc::SIG_IGN
    } else {
        libc::SIG_DFL
    };
    action(
        signal,
        Some(&KernelAction {
            handler,
            ..KernelAction::default()
        }),
        None,
    );
}

/// What the caller of this program had set for signals: handed on to the server.
#[derive(Debug, Clone)]
pub struct Inherited {
    /// The blocked signals.
    pub mask: Mask,
    /// The ignored signals.
    pub ignored: Vec<i32>,
}

impl Inherited {
    /// Asks the kernel. To be called once, before any handler is set.
    pub fn read() -> io::Result<Self> {
        let pipe = PIPE_WAS_IGNORED.load(Ordering::Relaxed);
        let ignored = (1..=MAX_SIGNAL)
            .filter(|s| {
                if *s == libc::SIGPIPE {
                    pipe
                } else {
                    is_ignored(*s)
                }
            })
            .collect();
        Ok(Self {
            mask: Mask::current()?,
            ignored,
        })
    }
}

/// A set of signals, as the kernel has it: bit N - 1 is signal N.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mask(u64);

/// The size of the kernel's signal set, which each of its calls wants to be told.
const SET: usize = size_of::<u64>();

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let members = (1..=MAX_SIGNAL).filter(|signal| self.0 >> (signal - 1) & 1 == 1);
        f.debug_set().entries(members).finish()
    }
}

impl Mask {
    /// The calling thread's.
    pub fn current() -> io::Result<Self> {
        change(libc::SIG_BLOCK, None)
    }

    /// Blocks every signal for the calling thread; returns the mask before.
    pub fn block_all() -> io::Result<Self> {
        change(libc::SIG_SETMASK, Some(Self(u64::MAX)))
    }

    /// Makes this the calling thread's mask. Async-signal-safe.
    pub fn set(self) -> io::Result<()> {
        change(libc::SIG_SETMASK, Some(self)).map(drop)
    }
}

fn change(how: i32, new: Option<Mask>) -> io::Result<Mask> {
    let mut old = 0u64;
    let new = new
        .as_ref()
        .map_or(std::ptr::null(), |mask| &raw const mask.0);
    // SAFETY: both sets are of the size told, or null.
    let result = unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, new, &raw mut old, SET) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(Mask(old))
    }
}

/// What sigqueue(3) gave a signal to carry, and who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    pid: u32,
    uid: u32,
    content: u64,
}

/// A signal that was read.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// Its number.
    pub signal: i32,
    /// `si_code` (sigaction(2)): 0 and below when a process sent it.
    pub code: i32,
    /// With `SI_QUEUE` only.
    pub value: Option<Value>,
}

/// A descriptor from which the signals are read that are blocked (signalfd(2)).
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

/// Signals that one look takes; there may be more.
const AT_ONCE: usize = 32;

impl SignalFd {
    /// For all signals.
    pub fn new() -> io::Result<Self> {
        let (all, flags) = (u64::MAX, libc::SFD_CLOEXEC);
        // SAFETY: a set of the size told.
        let fd = unsafe { libc::syscall(libc::SYS_signalfd4, -1, &raw const all, SET, flags) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
    }

    /// Waits for signals to this process, or to the calling thread, and takes those that are there.
    pub fn read(&self) -> io::Result<Vec<Info>> {
        // SAFETY: plain numbers, for which all-zero is valid.
        let mut infos: [libc::signalfd_siginfo; AT_ONCE] = unsafe { zeroed() };
        let room = size_of_val(&infos);
        // SAFETY: the kernel writes no more than there is room for.
        let len = unsafe { libc::read(self.0.as_raw_fd(), infos.as_mut_ptr().cast(), room) };
        if len < 0 {
            return Err(io::Error::last_os_error());
        }
        let count = len as usize / size_of::<libc::signalfd_siginfo>();
        Ok(infos[..count].iter().map(info).collect())
    }
}

fn info(info: &libc::signalfd_siginfo) -> Info {
    let value = Value {
        pid: info.ssi_pid,
        uid: info.ssi_uid,
        content: info.ssi_ptr,
    };
    Info {
        signal: info.ssi_signo as i32,
        code: info.ssi_code,
        value: (info.ssi_code == libc::SI_QUEUE).then_some(value),
    }
}

/// Sets a signal's default.
pub fn use_default(signal: i32) {
    dispose(signal, false);
}

/// Stops this process by `signal` (TSTP, TTIN or TTOU), which is blocked and has its default; returns when it goes on.
///
/// Not by STOP: where nobody could continue it (an orphaned process group), the kernel ignores the three (signal(7),
/// setpgid(2)), and STOP would stop it for ever.
pub fn stop_self(signal: i32) {
    // To this thread: what comes to the process is read by another. Its number by system call: std knows the function as one that
    // may be missing, and a static link takes it as missing then (a jump to address 0).
    // SAFETY: no pointers.
    unsafe {
        let thread = libc::syscall(libc::SYS_gettid);
        libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal)
    };
    // Let in, for this one signal and this moment: it stops the process before the call returns.
    if let Ok(before) = Mask::current() {
        let _ = Mask(before.0 & !(1 << (signal - 1))).set();
        let _ = before.set();
    }
}

/// Sends a signal by number, real-time signals too; a process that is gone is no error to anybody.
pub fn send(pid: i32, signal: i32) {
    // SAFETY: no pointers.
    unsafe { libc::kill(pid, signal) };
}

/// `siginfo_t` as sigqueue(3) fills it: the union's first members are the sender and the value.
#[repr(C)]
struct Queued {
    signal: i32,
    errno: i32,
    code: i32,
    /// The union begins where a pointer may stand.
    _padding: i32,
    value: QueuedValue,
    _rest: [u64; 12],
}

#[repr(C)]
struct QueuedValue {
    pid: u32,
    uid: u32,
    content: u64,
}

/// The kernel copies a whole `siginfo_t`.
const _: () = assert!(size_of::<Queued>() == size_of::<libc::siginfo_t>());

/// Sends a signal with its value and its first sender, as if that one had sent it itself.
pub fn send_value(pid: i32, signal: i32, value: Value) {
    let queued = Queued {
        signal,
        errno: 0,
        code: libc::SI_QUEUE,
        _padding: 0,
        value: QueuedValue {
            pid: value.pid,
            uid: value.uid,
            content: value.content,
        },
        _rest: [0; 12],
    };
    // SAFETY: a struct of the kernel's layout and size.
    unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, pid, signal, &raw const queued) };
}
