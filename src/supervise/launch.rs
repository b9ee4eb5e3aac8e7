//! Starting the server, the first time and again.

use super::command::CommandError;
use super::place::Place;
use crate::output::FdBudget;
use crate::plan::Way;
use crate::sys::signals::Inherited;
use crate::sys::spawn::{Program, SpawnError, spawn};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

/// All that a start needs; the same at every start.
#[derive(Debug)]
pub struct Launch {
    /// The file to execute, as it is called in `place`.
    pub program: PathBuf,
    /// Who the server is, and where.
    pub place: Place,
    /// Its arguments, the name first.
    pub args: Vec<CString>,
    /// Its environment, but for [`Launch::numbered`].
    pub env: Vec<CString>,
    /// How its output is captured.
    pub way: Way,
    /// Whether it gets a process group of its own.
    pub own_group: bool,
    /// Whether it is told its instance's number, as `UNBRAID_INSTANCE`.
    pub numbered: bool,
    /// What the caller had set for signals.
    pub inherited: Inherited,
    /// The limit of open descriptors (soft, hard) to give back to it.
    pub limits: Option<(u64, u64)>,
    /// Counts descriptors.
    pub budget: Arc<FdBudget>,
}

/// A main process, just started.
#[derive(Debug)]
pub struct Started {
    /// Its PID.
    pub pid: i32,
    /// Readable when it has ended.
    pub pidfd: Option<OwnedFd>,
    /// The read ends of its first pipes, with the streams' numbers.
    pub pipes: Vec<(u8, OwnedFd)>,
}

/// Why the server was not started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// COMMAND: 127 or 126.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// What it needs cannot be had now: 125.
    #[error("cannot start the server: {0}")]
    Impossible(String),
}

impl LaunchError {
    /// The exit status that tells it.
    pub fn status(&self) -> i32 {
        match self {
            Self::Command(error) => error.status(),
            Self::Impossible(_) => 125,
        }
    }
}

/// Descriptors that stay open: two pipes and a pidfd.
const KEPT: usize = 3;

impl Launch {
    /// Starts instance number `instance`.
    pub fn start(&self, instance: usize) -> Result<Started, LaunchError> {
        if !self.budget.try_take(KEPT) {
            return Err(LaunchError::Impossible(
                "no descriptors are left; raise the limit (ulimit -n)".into(),
            ));
        }
        let started = self.spawn(instance);
        let used = started.as_ref().map_or(0, |started| {
            started.pipes.len() + usize::from(started.pidfd.is_some())
        });
        self.budget.give(KEPT - used);
        started
    }

    fn spawn(&self, instance: usize) -> Result<Started, LaunchError> {
        let mut readers: Vec<(u8, OwnedFd)> = Vec::new();
        let mut writers: Vec<OwnedFd> = Vec::new();
        let numbers: &[u8] = match self.way {
            Way::Pipes(_) | Way::Shared => &[1, 2],
            Way::Nothing => &[],
        };
        for number in numbers {
            let (reader, writer) = io::pipe().map_err(|error| {
                LaunchError::Impossible(format!("no pipe: {}", crate::cause(&error)))
            })?;
            readers.push((*number, reader.into()));
            writers.push(writer.into());
        }
        let stdio = match &writers[..] {
            [out, err] => Some([out.as_fd(), err.as_fd()]),
            _ => None,
        };
        let path = CString::new(self.program.as_os_str().as_bytes()).unwrap_or_default();
        let child = spawn(&Program {
            path: &path,
            args: &self.args,
            env: &self.environment(instance),
            credentials: self.place.credentials.as_ref(),
            folder: self.place.folder.as_deref(),
            stdio,
            own_group: self.own_group,
            signals: &self.inherited,
            descriptors: self.limits,
        })
        .map_err(|error| match error {
            SpawnError::Exec(_) if !self.place.seen_from_here(&self.program).exists() => {
                CommandError::NotFound(self.program.display().to_string()).into()
            }
            SpawnError::Exec(error) => {
                CommandError::from_exec(self.program.as_os_str(), &error).into()
            }
            error => LaunchError::Impossible(error.to_string()),
        })?;
        Ok(Started {
            pid: child.pid,
            pidfd: child.pidfd,
            pipes: readers,
        })
    }

    fn environment(&self, instance: usize) -> Vec<CString> {
        let mut env = self.env.clone();
        if self.numbered {
            // An outer unbraid may have set its own.
            env.retain(|entry| !entry.as_bytes().starts_with(b"UNBRAID_INSTANCE="));
            env.extend(CString::new(format!("UNBRAID_INSTANCE={instance}")));
        }
        env
    }
}
