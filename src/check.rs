//! `--check`: what a run would do, without making anything.

mod supervision;

use crate::capture::environment::{Change, Preload, for_server};
use crate::capture::gate::{Arrival, Gate, Look};
use crate::capture::{holders, object, wire};
use crate::config::Config;
use crate::output::network::Remote;
use crate::output::settings::WhenSync;
use crate::output::spec::{OutputSpec, Piece, Target};
use crate::output::{Destinations, FdBudget, Settings};
use crate::plan::{Plan, Way, plan};
use crate::record::Languages;
use crate::run::RunError;
use crate::supervise::own_pid_file::OwnPidFile;
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

/// Prints the answers; the exit status is 0 where a run could start.
pub fn check(config: &Config) -> Result<i32, RunError> {
    let plan = plan(config)?;
    let mut out = String::new();
    line(&mut out, "command", &command(&plan));
    line(&mut out, "capture", &capture(&plan));
    if let Way::Pipes(place) = &plan.way {
        line(&mut out, "object", &whereabouts(place));
        line(
            &mut out,
            "probe",
            &probe(place, &plan.place).unwrap_or_else(|error| format!("could not be run: {error}")),
        );
    }
    let mut status = 0;
    if let Some(path) = &config.pid_file
        && let Err(error) = OwnPidFile::check(path)
    {
        status = 125;
        line(&mut out, "pid-file", &error.to_string());
    }
    for (name, verdict) in Destinations::check(&config.outputs) {
        let text = match verdict {
            Ok(what) => format!("{name}: {what}"),
            Err(why) => {
                status = 125;
                format!("{name}: cannot be written: {why}")
            }
        };
        line(&mut out, "destination", &text);
    }
    for setting in settings(config) {
        line(&mut out, "setting", &setting);
    }
    io::stdout().write_all(out.as_bytes()).map_err(|error| {
        RunError::Impossible(format!("cannot write to stdout: {}", crate::cause(&error)))
    })?;
    Ok(status)
}

fn line(out: &mut String, name: &str, text: &str) {
    out.push_str(name);
    out.push_str(": ");
    out.push_str(text);
    out.push('\n');
}

fn command(plan: &Plan) -> String {
    let path = plan.file.display();
    match &plan.finding {
        Some(finding) if finding.program != plan.file => {
            format!("{path}, run by {}", finding.program.display())
        }
        _ => path.to_string(),
    }
}

fn capture(plan: &Plan) -> String {
    let way = match plan.way {
        Way::Pipes(_) => "pipes, a pair for each process",
        Way::Shared => "one pair of pipes for all processes",
        Way::Nothing => "none",
    };
    match &plan.remark {
        Some(remark) => format!("{way} ({remark})"),
        None => way.to_owned(),
    }
}

fn whereabouts(place: &object::Place) -> String {
    match place {
        object::Place::Present(path) => path.display().to_string(),
        object::Place::Makeable(path) => format!("{} (would be written)", path.display()),
    }
}

/// Runs a shell that runs another program, and reports which of them registered.
fn probe(place: &object::Place, server: &Place) -> Result<String, String> {
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

fn settings(config: &Config) -> Vec<String> {
    let time = |d: Duration| humantime::format_duration(d).to_string();
    let size = |n: usize| bytesize::ByteSize(n as u64).to_string();
    let records = match &config.records.languages {
        Languages::Auto => "auto".to_owned(),
        Languages::Lines => "lines".to_owned(),
        Languages::Only(names) => names.join(","),
    };
    let mut list = vec![
        format!("name = {}", config.name),
        format!("records = {records}"),
        format!("record-timeout = {}", time(config.records.record_timeout)),
        format!(
            "line-timeout = {}",
            config
                .records
                .line_timeout
                .map_or_else(|| "off".into(), time)
        ),
        format!("max-record = {}", size(config.records.max_record)),
        format!("max-memory = {}", size(config.max_memory)),
        format!("unbuffered = {}", config.unbuffered),
    ];
    list.extend(
        config
            .records
            .record_start
            .iter()
            .map(|regex| format!("record-start = {regex}")),
    );
    list.extend(files(&config.files));
    list.extend(supervision::settings(config));
    let template = config
        .outputs
        .first()
        .and_then(|spec| spec.style.template.as_ref());
    list.extend(template.map(|template| format!("template = {}", template.text())));
    list.extend(
        config
            .outputs
            .iter()
            .map(|spec| format!("output = {}", output(spec))),
    );
    list
}

/// Rotation, exclusive access, and what is done when a destination is full.
fn files(settings: &Settings) -> Vec<String> {
    let time = |d: Duration| humantime::format_duration(d).to_string();
    let Settings { rotation, sync, .. } = settings;
    let mut list = vec![
        format!("lock = {}", settings.lock),
        format!("when-full = {}", settings.when_full.name()),
        match sync {
            WhenSync::Never => "sync = never".to_owned(),
            WhenSync::Rotate => "sync = rotate".to_owned(),
            WhenSync::Every(span) => format!("sync = {}", time(*span)),
        },
    ];
    let rotation = [
        rotation
            .size
            .map(|n| format!("rotate-size = {}", bytesize::ByteSize(n))),
        rotation
            .every
            .map(|every| format!("rotate-every = {}", time(every.length()))),
        rotation.keep.map(|n| format!("keep = {n}")),
        rotation
            .keep_for
            .map(|span| format!("keep-for = {}", time(span))),
        rotation
            .compress
            .map(|kind| format!("compress = {}", kind.name())),
    ];
    list.extend(rotation.into_iter().flatten());
    list
}

fn output(spec: &OutputSpec) -> String {
    let target = match &spec.target {
        Target::Stdout => "stdout".to_owned(),
        Target::Stderr => "stderr".to_owned(),
        Target::File(path) => path.display().to_string(),
        Target::Template(template) => template.pieces.iter().map(piece).collect(),
        Target::Network(remote) => remote.peer.to_string(),
    };
    let mut text = match &spec.target {
        Target::Network(_) => target,
        _ => format!("{}:{target}", spec.style.format),
    };
    text.extend(
        spec.filter
            .streams
            .iter()
            .map(|s| format!(",stream={}", s.name())),
    );
    text.extend(
        spec.filter
            .traceback
            .map(|t| format!(",kind={}", if t { "traceback" } else { "line" })),
    );
    text.extend(spec.filter.slots.iter().map(|n| format!(",slot={n}")));
    text.extend(
        spec.when_full
            .map(|what| format!(",when-full={}", what.name())),
    );
    if let Target::Network(Remote { queue, .. }) = &spec.target {
        let folder = queue.folder.iter();
        text.extend(folder.map(|path| format!(",queue={}", path.display())));
        text.extend([format!(",queue-size={}", bytesize::ByteSize(queue.limit()))]);
    }
    text
}

fn piece(piece: &Piece) -> String {
    match piece {
        Piece::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Piece::Pid => "{pid}".into(),
        Piece::Slot => "{slot}".into(),
        Piece::Stream => "{stream}".into(),
        Piece::Name => "{name}".into(),
    }
}
