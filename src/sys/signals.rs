//! Signal dispositions and masks, as they were before this program changed them.

use std::io;
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

/// A set of signals.
#[derive(Clone, Copy)]
pub struct Mask(pub(super) libc::sigset_t);

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // SAFETY: a valid set.
        let members =
            (1..=MAX_SIGNAL).filter(|s| unsafe { libc::sigismember(&raw const self.0, *s) } == 1);
        f.debug_set().entries(members).finish()
    }
}

impl Mask {
    /// The calling thread's.
    pub fn current() -> io::Result<Self> {
        Self::change(libc::SIG_BLOCK, None)
    }

    /// No signal.
    pub fn empty() -> Self {
        // SAFETY: sigemptyset makes the set valid.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            Self(set)
        }
    }

    /// Blocks every signal for the calling thread; returns the mask before.
    pub fn block_all() -> io::Result<Self> {
        // SAFETY: sigfillset makes the set valid.
        let all = unsafe {
            let mut set = std::mem::zeroed();
            libc::sigfillset(&raw mut set);
            Self(set)
        };
        Self::change(libc::SIG_SETMASK, Some(&all))
    }

    /// Makes this the calling thread's mask.
    pub fn set(&self) -> io::Result<()> {
        Self::change(libc::SIG_SETMASK, Some(self)).map(drop)
    }

    fn change(how: i32, new: Option<&Self>) -> io::Result<Self> {
        // SAFETY: both sets are valid or null; pthread_sigmask returns the error itself.
        unsafe {
            let mut old = std::mem::zeroed();
            let new = new.map_or(std::ptr::null(), |mask| &raw const mask.0);
            match libc::pthread_sigmask(how, new, &raw mut old) {
                0 => Ok(Self(old)),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }
}

/// Stops this process by `signal` (TSTP, TTIN or TTOU), and sets what was set for it again when it goes on.
///
/// Not by STOP: where nobody could continue it (an orphaned process group), the kernel ignores the three (signal(7),
/// setpgid(2)), and STOP would stop it for ever.
pub fn stop_self(signal: i32) {
    // SAFETY: valid structs; the disposition set is the default, the one set again was there before.
    unsafe {
        let mut default: libc::sigaction = std::mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        let mut before: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(signal, &raw const default, &raw mut before) == 0 {
            libc::kill(libc::getpid(), signal);
            libc::sigaction(signal, &raw const before, std::ptr::null_mut());
        }
    }
}

/// Ignores a signal from now on.
pub fn ignore(signal: i32) {
    // SAFETY: no function of ours is installed.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Sends a signal by number, real-time signals too; a process that is gone is no error to anybody.
pub fn send(pid: i32, signal: i32) {
    // SAFETY: no pointers.
    unsafe { libc::kill(pid, signal) };
}
