//! Starting a program: fork, set the child up, exec.

use super::credentials::Credentials;
use super::fd::pidfd_open;
use super::own_pid::Environment;
use super::signals::{Inherited, MAX_SIGNAL, Mask, dispose};
use crate::capture::wire;
use std::ffi::{CStr, CString};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// A program to start. All of it is prepared before the fork, since the child may not allocate.
#[derive(Debug)]
pub struct Program<'a> {
    /// The file to execute.
    pub path: &'a CStr,
    /// Its arguments, the name first. Not empty.
    pub args: &'a [CString],
    /// Its environment, `NAME=value`. `LISTEN_PID` and `WATCHDOG_PID` that name this program will name the new one.
    pub env: &'a [CString],
    /// Who it is, where that is not who this program is.
    pub credentials: Option<&'a Credentials>,
    /// Its working directory, where that is not this program's. `path` may be relative to it.
    pub folder: Option<&'a CStr>,
    /// Write ends for descriptors 1 and 2; they are marked as streams 1 and 2 in the child.
    pub stdio: Option<[BorrowedFd<'a>; 2]>,
    /// Whether it gets a process group of its own.
    pub own_group: bool,
    /// Signal mask and ignored signals for it; all other signals get their default.
    pub signals: &'a Inherited,
    /// Its limit of open descriptors (soft, hard), where this program changed its own.
    pub descriptors: Option<(u64, u64)>,
}

/// A started child.
#[derive(Debug)]
pub struct Child {
    /// Its process ID.
    pub pid: i32,
    /// Readable when it has ended; `None` before Linux 5.3.
    pub pidfd: Option<OwnedFd>,
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// There is no new process.
    #[error("cannot make a process: {}", crate::cause(.0))]
    Fork(#[from] io::Error),
    /// The new process could not be set up.
    #[error("cannot set up the new process: {0}: {cause}", cause = crate::cause(.1))]
    Prepare(&'static str, io::Error),
    /// The file could not be executed.
    #[error("{}", crate::cause(.0))]
    Exec(io::Error),
}

/// Starts `program`; returns when it runs, or with the error of the step that failed in the child.
///
/// Signals are blocked from before the fork until the child has reset them: one that came between would run this
/// program's handler in the child, on pipes that both share.
pub fn spawn(program: &Program<'_>) -> Result<Child, SpawnError> {
    let args = pointers(program.args);
    let environment = Environment::new(program.env, std::process::id());
    let env = environment.pointers();
    let shell = shell_arguments(program);
    let shell_args = pointers(&shell);
    let (mut verdict, verdict_writer) = io::pipe()?;
    let before = Mask::block_all()?;
    // SAFETY: the child runs `child` alone, which makes system calls on memory prepared here and never returns. The raw call, not
    // fork(3): handlers of pthread_atfork are other objects' (an outer unbraid's would move the pipes that this child is about to get).
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } as i32;
    if pid == 0 {
        environment.name(std::process::id());
        let Failed { step, number } = child(program, &args, &env, &shell_args);
        let [a, b, c, d] = number.to_ne_bytes();
        let _ = nix::unistd::write(&verdict_writer, &[step as u8, a, b, c, d]);
        // SAFETY: ends this process without running anything of the parent's.
        unsafe { libc::_exit(127) };
    }
    let forked = io::Error::last_os_error();
    before.set()?;
    if pid < 0 {
        return Err(forked.into());
    }
    drop(verdict_writer);
    let mut error = Vec::new();
    // The write end closes by itself when exec succeeds.
    verdict.read_to_end(&mut error)?;
    if let [step, number @ ..] = error.as_slice()
        && let Ok(number) = <[u8; 4]>::try_from(number)
    {
        let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None);
        let cause = io::Error::from_raw_os_error(i32::from_ne_bytes(number));
        return Err(match Step::ALL.get(usize::from(*step)) {
            Some(step) => SpawnError::Prepare(step.what(), cause),
            None => SpawnError::Exec(cause),
        });
    }
    Ok(Child {
        pid,
        pidfd: pidfd_open(pid).ok(),
    })
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|s| s.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

/// What execvp(3) runs for a file that has neither a known format nor `#!`: a shell with the file.
fn shell_arguments(program: &Program<'_>) -> Vec<CString> {
    [c"/bin/sh".to_owned(), program.path.to_owned()]
        .into_iter()
        .chain(program.args.iter().skip(1).cloned())
        .collect()
}

type Pointers = [*const libc::c_char];

/// What is done in the child, in this order.
#[derive(Debug, Clone, Copy)]
enum Step {
    Group,
    Streams,
    Limits,
    Credentials,
    Folder,
    Signals,
    Exec,
}

impl Step {
    /// Those that set the process up. A step's place here is its number.
    const ALL: [Self; 6] = [
        Self::Group,
        Self::Streams,
        Self::Limits,
        Self::Credentials,
        Self::Folder,
        Self::Signals,
    ];

    fn what(self) -> &'static str {
        match self {
            Self::Group => "its process group",
            Self::Streams => "its streams",
            Self::Limits => "its limits",
            Self::Credentials => "its user and groups",
            Self::Folder => "its working directory",
            Self::Signals => "its signals",
            Self::Exec => "its program",
        }
    }
}

/// The step that failed, and the error number.
struct Failed {
    step: Step,
    number: i32,
}

/// Sets the child up and executes; returns what failed.
fn child(program: &Program<'_>, args: &Pointers, env: &Pointers, shell: &Pointers) -> Failed {
    for step in Step::ALL {
        if let Err(number) = prepare(program, step) {
            return Failed { step, number };
        }
    }
    // SAFETY: arrays of C strings that end with a null pointer, alive until exec.
    unsafe {
        libc::execve(program.path.as_ptr(), args.as_ptr(), env.as_ptr());
        if errno() == libc::ENOEXEC {
            libc::execve(c"/bin/sh".as_ptr(), shell.as_ptr(), env.as_ptr());
        }
    }
    Failed {
        step: Step::Exec,
        number: errno(),
    }
}

/// The streams and limits are changed by this program's right, before the user; the folder is entered by the user's.
fn prepare(program: &Program<'_>, step: Step) -> Result<(), i32> {
    match step {
        Step::Group if program.own_group => {
            // SAFETY: no pointers.
            check(unsafe { libc::setpgid(0, 0) }).map(drop)
        }
        Step::Streams => program.stdio.map_or(Ok(()), streams),
        Step::Limits => program.descriptors.map_or(Ok(()), limit_descriptors),
        Step::Credentials => program.credentials.map_or(Ok(()), Credentials::take),
        Step::Folder => program.folder.map_or(Ok(()), |folder| {
            // SAFETY: a C string.
            check(unsafe { libc::chdir(folder.as_ptr()) }).map(drop)
        }),
        Step::Signals => reset_signals(program.signals),
        Step::Group | Step::Exec => Ok(()),
    }
}

fn limit_descriptors((soft, hard): (u64, u64)) -> Result<(), i32> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: a valid struct.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }).map(drop)
}

/// Puts the pipes at 1 and 2. They are marked here, after the fork, so that an outer unbraid's object leaves them alone.
///
/// Rust's start-up opens descriptors 0 to 2 where they were closed, so a pipe is never one of them.
fn streams(stdio: [BorrowedFd<'_>; 2]) -> Result<(), i32> {
    for (number, fd) in [1u8, 2].into_iter().zip(stdio) {
        // SAFETY: no pointers.
        unsafe {
            check(libc::fchmod(fd.as_raw_fd(), wire::mode_of(number)))?;
            check(libc::dup2(fd.as_raw_fd(), i32::from(number)))?;
        }
    }
    Ok(())
}

fn reset_signals(signals: &Inherited) -> Result<(), i32> {
    for signal in 1..=MAX_SIGNAL {
        dispose(signal, signals.ignored.contains(&signal));
    }
    signals.mask.set().map_err(|_| errno())
}

fn check(result: i32) -> Result<i32, i32> {
    if result < 0 { Err(errno()) } else { Ok(result) }
}

pub(super) fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
