//! How COMMAND is captured: decided without making anything, then prepared.

use crate::capture::environment::{Change, Preload, for_server};
use crate::capture::gate::Gate;
use crate::capture::loadable::{Finding, inspect};
use crate::capture::{object, wire};
use crate::config::{Capture, Config};
use crate::output::FdBudget;
use crate::run::{RunError, impossible};
use crate::supervise::command::{CommandError, resolve};
use crate::supervise::identity;
use crate::supervise::place::Place;
use std::ffi::{CString, OsStr};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the server's output will be captured.
#[derive(Debug)]
pub struct Plan {
    /// The file to execute, as it is called in the server's folder.
    pub program: PathBuf,
    /// The same, as it is called here.
    pub file: PathBuf,
    /// Who the server is, and where.
    pub place: Place,
    /// What was found of the file.
    pub finding: Option<Finding>,
    /// The way.
    pub way: Way,
    /// What people must be told of it.
    pub remark: Option<String>,
}

/// A way of capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// A pipe for each process, by the object at this place.
    Pipes(object::Place),
    /// One pair of pipes for all.
    Shared,
    /// None.
    Nothing,
}

/// Decides how COMMAND is captured. Makes nothing.
pub fn plan(config: &Config) -> Result<Plan, RunError> {
    let command = config
        .command
        .first()
        .map_or(OsStr::new(""), |c| c.as_os_str());
    let place = Place::new(config.identity.as_ref(), config.chdir.as_deref())?;
    let program = place.find(command)?;
    let file = place.seen_from_here(&program);
    if config.capture == Capture::None {
        return Ok(Plan {
            program,
            file,
            place,
            finding: None,
            way: Way::Nothing,
            remark: None,
        });
    }
    let object = find_object(config, &place)?;
    let finding = inspect(&file, &|name| {
        Some(place.seen_from_here(&resolve(name, config.chdir.as_deref()).ok()?))
    });
    if let Some(why) = finding.as_ref().err().and_then(certain_failure) {
        return Err(CommandError::NotExecutable(
            program.to_string_lossy().into_owned(),
            why.into(),
        )
        .into());
    }
    // What cannot be read cannot be judged; the loader will say what it thinks.
    let finding = finding.ok();
    let (way, remark) = way(finding.as_ref(), object);
    Ok(Plan {
        program,
        file,
        place,
        finding,
        way,
        remark,
    })
}

/// Where the object lies; the inner error is why it can lie nowhere. The outer one: where the user said, it cannot.
fn find_object(config: &Config, place: &Place) -> Result<Result<object::Place, String>, RunError> {
    let object = match object::find(config.preload.as_deref()) {
        Err(error) if config.preload.is_some() => {
            return Err(RunError::Impossible(error.to_string()));
        }
        object => object.map_err(|error| error.to_string()),
    };
    Ok(object.and_then(|object| match &object {
        object::Place::Present(path) => readable(path, place).map(|()| object),
        object::Place::Makeable(_) => Ok(object),
    }))
}

/// The way of capture, and what people must be told of it.
fn way(finding: Option<&Finding>, object: Result<object::Place, String>) -> (Way, Option<String>) {
    let obstacle = finding.and_then(|f| f.obstacle.map(|o| (f.program.display(), o)));
    match (obstacle, object) {
        (Some((path, obstacle)), _) => {
            let remark = format!(
                "nothing can be preloaded into {path}: {obstacle}; all its processes share one pipe"
            );
            (Way::Shared, Some(remark))
        }
        (None, Err(error)) => (
            Way::Shared,
            Some(format!("{error}; all processes share one pipe")),
        ),
        (None, Ok(object)) => (Way::Pipes(object), None),
    }
}

/// All that capture needs before the server starts.
#[derive(Debug)]
pub struct Prepared {
    /// The file to execute, as it is called in the server's folder.
    pub program: PathBuf,
    /// Who the server is, and where.
    pub place: Place,
    /// The way that is taken in the end.
    pub way: Way,
    /// Where processes register.
    pub gate: Option<Gate>,
    /// The server's environment.
    pub env: Vec<CString>,
    /// What people must be told.
    pub remarks: Vec<String>,
}

/// Why exec would fail, where a look at the file has shown it.
fn certain_failure(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::NotFound => Some("the interpreter that its #! line names was not found"),
        _ if error.raw_os_error() == Some(libc::ENOEXEC) => Some("Exec format error"),
        _ => None,
    }
}

/// Descriptors without which processes could not register: the first process's, and two registrations.
const NEEDED: usize = 3 + 2 * wire::MAX_FDS;

/// Makes what `plan` decided. Where the object cannot be written after all, the server still runs, on one pair of pipes.
pub fn prepare(plan: Plan, config: &Config, budget: &Arc<FdBudget>) -> Result<Prepared, RunError> {
    let mut remarks: Vec<String> = plan.remark.into_iter().collect();
    let mut way = plan.way;
    if let Way::Pipes(object) = &way
        && let Err(error) = made(object, &plan.place)
    {
        remarks.push(format!("{error}; all processes share one pipe"));
        way = Way::Shared;
    }
    if matches!(way, Way::Pipes(_)) && budget.left() < NEEDED {
        remarks.push("too few descriptors for a pipe for each process: all share one; raise the limit (ulimit -n)".into());
        way = Way::Shared;
    }
    let gate = match &way {
        Way::Pipes(_) => Some(
            Gate::new(Arc::clone(budget)).map_err(impossible("make the registration socket"))?,
        ),
        Way::Shared | Way::Nothing => None,
    };
    let variable = gate.as_ref().map(|gate| gate.variable(&foreign_pipes()));
    let change = match (&way, &variable) {
        (Way::Pipes(place), Some(socket)) => Change::Add(Preload {
            object: place.path(),
            socket,
        }),
        (Way::Nothing, _) => Change::Keep,
        (Way::Pipes(_) | Way::Shared, _) => Change::Strip,
    };
    let account = config.identity.as_ref().and_then(|i| i.account.as_ref());
    let ours = identity::environment(std::env::vars_os(), account);
    let env = for_server(ours.into_iter(), change, config.unbuffered);
    Ok(Prepared {
        program: plan.program,
        place: plan.place,
        way,
        gate,
        env,
        remarks,
    })
}

/// Writes the object where it does not lie yet, and where the server's user will find it.
fn made(object: &object::Place, place: &Place) -> Result<(), String> {
    let path = object.path();
    object::make(object)
        .map_err(|error| format!("cannot write {}: {}", path.display(), crate::cause(&error)))?;
    readable(path, place)
}

/// An object that the server's user cannot read makes the loader complain at each of its programs.
fn readable(path: &Path, place: &Place) -> Result<(), String> {
    place.can_read(path).map_err(|error| {
        format!(
            "cannot read {}{}: {}; install the object where that user can read it (unbraid --install-preload)",
            path.display(),
            place.whose(),
            crate::cause(&error)
        )
    })
}

/// Marked pipes that this program was started with: an outer unbraid's.
fn foreign_pipes() -> Vec<u64> {
    let entries = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers
        .filter_map(crate::sys::fd::stat_number)
        .filter(|s| wire::stream_of(s.st_mode).is_some())
        .map(|s| s.st_ino)
        .collect()
}
