//! One run, from the configuration to the exit status.

use crate::config::{Config, ControlSocket};
use crate::data;
use crate::output::spec::{Filter, OutputSpec, Style, Target};
use crate::output::{Destinations, FdBudget, Stream};
use crate::plan::{plan, prepare};
use crate::plane::{Level, Links, Lost, MessageCount, Outbox, Report};
use crate::record::Rules;
use crate::supervise::command::{CommandError, c_string};
use crate::supervise::control::{self, Control, Ended, Settings};
use crate::supervise::launch::{Launch, LaunchError, Started};
use crate::supervise::machine::Policy;
use crate::supervise::own_pid_file::{OwnPidFile, OwnPidFileError};
use crate::supervise::pid_file::PidFile;
use crate::supervise::place::PlaceError;
use crate::supervise::profile::Server;
use crate::supervise::recognize::by_command;
use crate::supervise::remote::{Remote, Socket};
use crate::supervise::signal_map::SignalMap;
use crate::supervise::signals::Signals;
use crate::supervise::{rolling, tree};
use crate::sys::signals::{Inherited, Mask};
use mio::{Poll, Waker};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::fstat;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

/// Why a run ended before the server was started.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// COMMAND: 127 or 126.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The server could not be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Well-formed, but impossible: 125.
    #[error("{0}")]
    Impossible(String),
}

impl RunError {
    /// The exit status that tells it.
    pub fn status(&self) -> i32 {
        match self {
            Self::Command(error) => error.status(),
            Self::Launch(error) => error.status(),
            Self::Impossible(_) => 125,
        }
    }
}

impl From<PlaceError> for RunError {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::Command(error) => Self::Command(error),
            error => Self::Impossible(error.to_string()),
        }
    }
}

impl From<OwnPidFileError> for RunError {
    fn from(error: OwnPidFileError) -> Self {
        Self::Impossible(error.to_string())
    }
}

pub(crate) fn impossible(what: &str) -> impl Fn(io::Error) -> RunError + '_ {
    move |error| RunError::Impossible(format!("cannot {what}: {}", crate::cause(&error)))
}

/// Descriptors that stay free for what is open during one call only: /proc, a destination's folder.
const SPARE: usize = 6;

/// Runs the server to its end; returns the exit status.
pub fn run(config: &Config) -> Result<i32, RunError> {
    let inherited = Inherited::read().map_err(impossible("read the signal mask"))?;
    let plan = plan(config)?;
    let mut own_pid_file = config
        .pid_file
        .as_deref()
        .map(OwnPidFile::lock)
        .transpose()?;
    let limits = raise_descriptors();
    let budget = Arc::new(FdBudget::new(free_descriptors()));
    let control_poll = Poll::new().map_err(impossible("make a poll"))?;
    let (socket, no_socket) = control_socket(config, &budget)?;
    let (plane, mut links, reports) = data_plane(config, &budget, &control_poll, socket.is_some())?;
    if let Some(why) = no_socket {
        links.say(Level::Info, why);
    }
    let remote = socket
        .map(|socket| remote(socket, &control_poll, &budget))
        .transpose()?;
    let mut prepared = prepare(plan, config, &budget)?;
    for remark in prepared.remarks.drain(..) {
        links.say(Level::Warning, remark);
    }
    let terminal = has_terminal();
    // Caught from before the server starts: a signal that comes now is for it.
    let signals = Signals::new().map_err(impossible("catch signals"))?;
    become_reaper();
    let given = tree::given_children();
    // The thread first: where none can be made, there is no server yet that would be left behind.
    start_data_plane(plane).map_err(impossible("start a thread"))?;
    let gate = prepared.gate.take();
    let launch = Launch {
        args: config.command.iter().map(|arg| c_string(arg)).collect(),
        program: prepared.program,
        place: prepared.place,
        env: prepared.env,
        way: prepared.way,
        own_group: !terminal,
        numbered: config.instances.is_some(),
        inherited,
        limits,
        budget: Arc::clone(&budget),
    };
    let server = launch.start(0)?;
    if let Some(Err(error)) = own_pid_file.as_mut().map(OwnPidFile::write) {
        links.say(Level::Error, error.to_string());
    }
    let parts = control::Parts {
        poll: control_poll,
        gate,
        links,
        pid_file: server_pid_file(config, &reports),
        own: reports,
        budget,
        others: given,
        launch,
        settings: settings(config, terminal),
        remote,
        name: config.name.clone(),
    };
    supervise(parts, signals, server)
}

/// The control plane's whole run; whatever becomes of it, no server is left without one.
fn supervise(parts: control::Parts, signals: Signals, server: Started) -> Result<i32, RunError> {
    let given = parts.others.clone();
    let ended = Control::new(parts, signals, server)
        .and_then(Control::run)
        .map_err(|error| {
            tree::kill_all(|| tree::descendants(&given));
            impossible("wait for events")(error)
        })?;
    tell_lost(ended);
    Ok(ended.status)
}

fn server_pid_file(config: &Config, reports: &Outbox<Report>) -> Option<PidFile> {
    let path = config.server_pid_file.clone()?;
    let reports = reports.clone();
    Some(PidFile { path, reports })
}

/// The socket for clients; where the default cannot be had, why there is none. To be called while there is one thread.
fn control_socket(
    config: &Config,
    budget: &FdBudget,
) -> Result<(Option<Socket>, Option<String>), RunError> {
    let made = match &config.control {
        ControlSocket::None => return Ok((None, None)),
        ControlSocket::At(path) => {
            Socket::at(path).map_err(|error| RunError::Impossible(error.to_string()))?
        }
        ControlSocket::Default => {
            match Socket::by_default(&config.name, &|name| std::env::var_os(name)) {
                Ok(socket) => socket,
                Err(error) => return Ok((None, Some(error.to_string()))),
            }
        }
    };
    // Open already: it is counted, and nobody else may have its place.
    budget.try_take(1);
    Ok((Some(made), None))
}

fn remote(socket: Socket, poll: &Poll, budget: &Arc<FdBudget>) -> Result<Remote, RunError> {
    control::remote(socket, poll, budget).map_err(impossible("watch the control socket"))
}

/// Opens the destinations, and makes the data plane with the links between it and control.
fn data_plane(
    config: &Config,
    budget: &Arc<FdBudget>,
    control: &Poll,
    remote: bool,
) -> Result<(data::Plane, Links, Outbox<Report>), RunError> {
    let poll = Poll::new().map_err(impossible("make a poll"))?;
    let specs = with_own_messages(config);
    refuse_unwritable_templates(&specs)?;
    let (destinations, notices) = Destinations::open(
        &specs,
        &config.name,
        config.files.clone(),
        Arc::clone(budget),
        poll.registry(),
        data::DESTINATIONS,
    )
    .map_err(|error| RunError::Impossible(error.to_string()))?;
    let rules =
        Rules::new(&config.records).map_err(|error| RunError::Impossible(error.to_string()))?;
    let wake =
        |poll: &Poll, token| Waker::new(poll.registry(), token).map_err(impossible("make a waker"));
    let (orders, order_queue) = Outbox::new(wake(&poll, data::WAKE)?);
    let (reports, report_queue) = Outbox::new(wake(control, control::WAKE)?);
    let links = Links {
        orders,
        reports: report_queue,
        messages: MessageCount::default(),
        wanted: Arc::default(),
        shortages: Arc::default(),
    };
    let plane = data::Plane::new(data::Parts {
        poll,
        orders: order_queue,
        reports: reports.clone(),
        messages: links.messages.clone(),
        wanted: Arc::clone(&links.wanted),
        shortages: Arc::clone(&links.shortages),
        rules: Arc::new(rules),
        destinations,
        notices,
        instances: config.instances.unwrap_or(1),
        recognize: known_server(config).is_none(),
        max_memory: config.max_memory,
        verbosity: config.verbosity,
        remote,
    });
    Ok((plane, links, reports))
}

/// Files of a template are opened at their first record; a folder where that cannot succeed is refused like a file is.
fn refuse_unwritable_templates(specs: &[OutputSpec]) -> Result<(), RunError> {
    for spec in specs
        .iter()
        .filter(|spec| matches!(spec.target, Target::Template(_)))
    {
        for (name, verdict) in Destinations::check(std::slice::from_ref(spec)) {
            verdict.map_err(|why| RunError::Impossible(format!("cannot open {name}: {why}")))?;
        }
    }
    Ok(())
}

fn settings(config: &Config, terminal: bool) -> Settings {
    Settings {
        signals: SignalMap {
            targets: config.signals.clone(),
            stop_signal: config.stop_signal,
            server: known_server(config).unwrap_or_default(),
            terminal,
            leads_session: nix::unistd::getsid(None) == Ok(nix::unistd::Pid::this()),
        },
        stop: Policy {
            stop_timeout: config.stop_timeout,
            drain_timeout: config.drain_timeout,
            leftovers: config.leftovers,
        },
        restart: config.restart.clone(),
        instances: config.instances.unwrap_or(1) as usize,
        rolling: rolling::Settings {
            at_once: config.rolling as usize,
            wait: config.rolling_wait,
        },
        files: config.outputs.iter().any(OutputSpec::has_path),
    }
}

/// The server, where it is known before it has written anything.
fn known_server(config: &Config) -> Option<Server> {
    config.server.or_else(|| by_command(&config.command))
}

/// The data plane's thread takes no signals either. Both threads block them afresh: with its first thread, glibc lets its own two
/// through (32 and 33; the second changes all threads' user, which this program never does).
fn start_data_plane(plane: data::Plane) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("data".into());
    let work = move || {
        let _ = Mask::block_all();
        plane.run();
    };
    thread.spawn(work)?;
    Mask::block_all().map(drop)
}

/// The destinations, and standard error for this program's own messages where no destination is it already.
fn with_own_messages(config: &Config) -> Vec<OutputSpec> {
    let mut specs = config.outputs.clone();
    let same_file = || match (fstat(io::stdout()), fstat(io::stderr())) {
        (Ok(out), Ok(err)) => (out.st_dev, out.st_ino) == (err.st_dev, err.st_ino),
        _ => false,
    };
    let told = specs.iter().any(|spec| match spec.target {
        Target::Stderr => true,
        Target::Stdout => same_file(),
        Target::File(_) | Target::Template(_) | Target::Network(_) => false,
    });
    if !told {
        let filter = Filter {
            streams: vec![Stream::Unbraid],
            ..Filter::default()
        };
        specs.push(OutputSpec {
            style: Style::default(),
            target: Target::Stderr,
            filter,
            when_full: None,
        });
    }
    specs
}

/// Raises this program's limit of descriptors to the hard one; returns the limits to give back to the server.
fn raise_descriptors() -> Option<(u64, u64)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok()?;
    Some((soft, hard))
}

/// How many descriptors may still be opened.
fn free_descriptors() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft as usize);
    let open = std::fs::read_dir("/proc/self/fd").map_or(16, Iterator::count);
    // Still to come: two polls, two wakers, the signals' pair and source, the registration socket, three while the server is started.
    limit.saturating_sub(open + 11 + SPARE)
}

/// Whether there is a controlling terminal (tty(4)).
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Orphans come to this program, so that it can reap and find them. PID 1 has them anyway.
fn become_reaper() {
    let _ = nix::sys::prctl::set_child_subreaper(true);
}

/// The last words, past every destination, since they are about what could not be written. Never waits: a standard error
/// that takes nothing gets nothing.
fn tell_lost(ended: Ended) {
    let text = match ended.lost {
        Some(Lost {
            unwritten: 0,
            unread: 0,
        }) => return,
        Some(Lost { unwritten, unread }) => format!(
            "unbraid: at the end {unwritten} bytes were not taken by their destination, and {unread} bytes were left unread in pipes\n"
        ),
        None => "unbraid: at the end a destination did not answer; what it had not taken is lost\n"
            .to_owned(),
    };
    let stderr = io::stderr();
    // poll says of a pipe that 4,096 bytes fit, and always yes of a regular file, where RWF_NOWAIT may say no.
    let mut room = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut room, PollTimeout::ZERO) == Ok(1) {
        let _ = nix::unistd::write(&stderr, text.as_bytes());
    }
}
