//! Starting a program: fork, set the child up, exec.

use super::fd::pidfd_open;
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
    /// Its environment, `NAME=value`.
    pub env: &'a [CString],
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
    /// The new process could not be set up: group, pipes, limits, signals.
    #[error("cannot set up the new process: {}", crate::cause(.0))]
    Prepare(io::Error),
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
    let env = pointers(program.env);
    let shell = shell_arguments(program);
    let shell_args = pointers(&shell);
    let (mut verdict, verdict_writer) = io::pipe()?;
    let before = Mask::block_all()?;
    // SAFETY: the child runs `child` alone, which makes system calls on memory prepared here and never returns. The raw call, not
    // fork(3): handlers of pthread_atfork are other objects' (an outer unbraid's would move the pipes that this child is about to get).
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } as i32;
    if pid == 0 {
        let error = child(program, &args, &env, &shell_args);
        let _ = nix::unistd::write(&verdict_writer, &error.to_ne_bytes());
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
    if let Ok(number) = <[u8; 4]>::try_from(error.as_slice()) {
        let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None);
        return Err(match i32::from_ne_bytes(number) {
            number @ ..0 => SpawnError::Prepare(io::Error::from_raw_os_error(-number)),
            number => SpawnError::Exec(io::Error::from_raw_os_error(number)),
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

/// Sets the child up and executes; returns the error number of what failed, negative where it was not the exec.
fn child(program: &Program<'_>, args: &Pointers, env: &Pointers, shell: &Pointers) -> i32 {
    if let Err(number) = prepare(program) {
        return -number;
    }
    // SAFETY: arrays of C strings that end with a null pointer, alive until exec.
    unsafe {
        libc::execve(program.path.as_ptr(), args.as_ptr(), env.as_ptr());
        if errno() == libc::ENOEXEC {
            libc::execve(c"/bin/sh".as_ptr(), shell.as_ptr(), env.as_ptr());
        }
    }
    errno()
}

fn prepare(program: &Program<'_>) -> Result<(), i32> {
    if program.own_group {
        // SAFETY: no pointers.
        check(unsafe { libc::setpgid(0, 0) })?;
    }
    if let Some(stdio) = program.stdio {
        streams(stdio)?;
    }
    if let Some((soft, hard)) = program.descriptors {
        let limit = libc::rlimit {
            rlim_cur: soft,
            rlim_max: hard,
        };
        // SAFETY: a valid struct.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    }
    reset_signals(program.signals)
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

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
