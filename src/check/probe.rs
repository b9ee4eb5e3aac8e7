//! A shell that runs another program, as COMMAND would be run: does each of them register?

use crate::capture::environment::{Change, Preload, for_server};
use crate::capture::gate::{Arrival, Gate, Look};
use crate::capture::{holders, object, wire};
use crate::output::FdBudget;
use crate::supervise::place::Place;
use crate::supervise::registry::inode;
use crate::sys::signals::{Inherited, send};
use crate::sys::spawn::{Child, Program, SpawnError, spawn};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::collections::HashMap;
use std::ffi::CString;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the probe may take to register; a limit to fail by.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs a shell that runs another program, and reports which of them registered.
pub(super) fn run(place: &object::Place, server: &Place) -> Result<String, String> {
    let told =
        |what: &'static str| move |error: io::Error| format!("{what}: {}", crate::cause(&error));
    let (path, _kept) = loadable_copy(place).map_err(told("cannot make a copy of the object"))?;
    let mut gate = Gate::new(Arc::new(FdBudget::new(64)))
        .map_err(told("cannot make the registration socket"))?;
    let socket = gate.variable(&[]);
    let env = for_server(
        std::env::vars_os(),
        Change::Add(Preload {
            object: &path,
            socket: &socket,
        }),
        false,
    );
    let (_out, out_writer) = io::pipe().map_err(told("cannot make a pipe"))?;
    let (_err, err_writer) = io::pipe().map_err(told("cannot make a pipe"))?;
    let child = start_probe(&env, [out_writer.as_fd(), err_writer.as_fd()], server)
        .map_err(|error| format!("cannot start /bin/sh: {error}"))?;
    drop((out_writer, err_writer));
    let arrivals = collect(&mut gate);
    let owners: HashMap<u64, i32> = arrivals
        .iter()
        .flat_map(|a| a.streams.iter().map(|(_, fd)| (inode(fd), a.pid)))
        .collect();
    let sharing = holders::strangers(&owners).len();
    // Negative: the process group, which is the probe's own.
    send(-child.pid, libc::SIGKILL);
    let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child.pid), None);
    Ok(verdict(&arrivals, sharing))
}

/// The object's path, or that of a copy in memory where it would have to be written first.
fn loadable_copy(place: &object::Place) -> io::Result<(PathBuf, Option<OwnedFd>)> {
    match place {
        object::Place::Present(path) => Ok((path.clone(), None)),
        object::Place::Makeable(_) => {
            let copy = memfd_create(c"unbraid-preload.so", MFdFlags::empty())?;
            std::fs::File::from(copy.try_clone()?).write_all(object::OBJECT)?;
            Ok((
                PathBuf::from(format!("/proc/self/fd/{}", copy.as_raw_fd())),
                Some(copy),
            ))
        }
    }
}

/// A shell with a child that executes a program. Both live until they are killed; nobody waits for the 60 s, which end them
/// should this program be killed itself.
fn start_probe(
    env: &[CString],
    stdio: [BorrowedFd<'_>; 2],
    server: &Place,
) -> Result<Child, SpawnError> {
    let args = [
        c"sh".to_owned(),
        c"-c".to_owned(),
        c"sleep 60 </dev/null & wait".to_owned(),
    ];
    spawn(&Program {
        path: c"/bin/sh",
        args: &args,
        env,
        credentials: server.credentials.as_ref(),
        folder: server.folder.as_deref(),
        stdio: Some(stdio),
        own_group: true,
        signals: &Inherited::read()?,
        descriptors: None,
    })
}

/// Registrations until the shell, its child and the child's program have come, or time is up.
fn collect(gate: &mut Gate) -> Vec<Arrival> {
    const EXPECTED: usize = 3;
    let end = Instant::now() + PATIENCE;
    let mut arrivals = Vec::new();
    while arrivals.len() < EXPECTED {
        match gate.look() {
            Ok(Look::Arrival(arrival)) => arrivals.push(arrival),
            Ok(Look::Refused(_)) => {}
            Ok(Look::Empty) => {
                let left = end.saturating_duration_since(Instant::now());
                let mut wanted = [PollFd::new(gate.as_fd(), PollFlags::POLLIN)];
                if left.is_zero() || poll(&mut wanted, left.as_millis() as u16).is_err() {
                    break;
                }
            }
            Ok(Look::Full) | Err(_) => break,
        }
    }
    arrivals
}

fn verdict(arrivals: &[Arrival], sharing: usize) -> String {
    let seen = |event| {
        if arrivals.iter().any(|a| a.hello.event == event) {
            "is captured"
        } else {
            "IS NOT CAPTURED"
        }
    };
    let (fork, exec) = (seen(wire::Event::Fork), seen(wire::Event::Exec));
    format!("a forked process {fork}, an executed program {exec}, {sharing} share a pipe")
}
