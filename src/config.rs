//! What the user asked for, checked. Made by `cli`, read by everything else.

use crate::output::Settings;
use crate::output::spec::OutputSpec;
use crate::record;
use crate::supervise::identity::Identity;
use crate::supervise::profile::Server;
use crate::supervise::restart;
use crate::supervise::signal_map::Target;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that a run needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// COMMAND and its arguments. Not empty.
    pub command: Vec<OsString>,
    /// `--capture`.
    pub capture: Capture,
    /// `--preload`: where the object to preload lies.
    pub preload: Option<PathBuf>,
    /// `--name`, else the file name of COMMAND.
    pub name: String,
    /// `--records`, `--record-start`, the time-outs and `--max-record`.
    pub records: record::Settings,
    /// `--unbuffered`: set `PYTHONUNBUFFERED=1` for the server.
    pub unbuffered: bool,
    /// The destinations, in the order given. Without `-o`: stdout's records to stdout, all others to stderr.
    pub outputs: Vec<OutputSpec>,
    /// What holds for every destination: rotation, exclusive access, a destination that is full.
    pub files: Settings,
    /// `--max-memory`, in bytes, for all buffers together.
    pub max_memory: usize,
    /// `--stop-signal`: what TERM, INT and QUIT are forwarded as; `None`: as themselves.
    pub stop_signal: Option<i32>,
    /// `--stop-timeout`: from the first stop signal to KILL.
    pub stop_timeout: Duration,
    /// `--drain-timeout`: how long reading goes on after the main process has ended.
    pub drain_timeout: Duration,
    /// `--user` and `--group`; `None`: the server is who unbraid is.
    pub identity: Option<Identity>,
    /// `--chdir`: the server's working directory; absolute.
    pub chdir: Option<PathBuf>,
    /// `--pid-file`: absolute.
    pub pid_file: Option<PathBuf>,
    /// `--leftovers`.
    pub leftovers: Leftovers,
    /// `--signal`: what caught signals mean instead.
    pub signals: BTreeMap<i32, Target>,
    /// `--restart`, its delays, its limit, and `--exit-codes`.
    pub restart: restart::Policy,
    /// `--server-pid-file`.
    pub server_pid_file: Option<PathBuf>,
    /// `--instances`; `None`: one, which is not told its number.
    pub instances: Option<u32>,
    /// `--server`; `None`: to be found out.
    pub server: Option<Server>,
    /// `--rolling`: how many workers are replaced at the same time.
    pub rolling: u32,
    /// `--rolling-wait`: how long a replacement must live before the next worker's turn.
    pub rolling_wait: Duration,
    /// `--control`.
    pub control: ControlSocket,
    /// `-q`, `-v`.
    pub verbosity: Verbosity,
}

/// `--control`: where `unbraidctl` finds this program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ControlSocket {
    /// In the default folder; where there is none, nowhere.
    #[default]
    Default,
    /// At this path, or the run fails.
    At(PathBuf),
    /// Nowhere.
    None,
}

/// `--capture`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Capture {
    /// Pipes, unless COMMAND cannot be preloaded.
    #[default]
    Auto,
    /// A pipe for each process, by the preloaded object.
    Pipes,
    /// An init only; nothing is piped.
    None,
}

/// `--leftovers`: what becomes of descendants that outlive the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Leftovers {
    /// TERM, then KILL.
    #[default]
    Stop,
    /// Nothing; they are told of.
    Leave,
}

/// How much unbraid says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Errors only (`-q`).
    Quiet,
    /// Errors and warnings.
    #[default]
    Normal,
    /// Also what it does, and counts at the end (`-v`).
    Verbose,
}

/// What this call of the program is for.
#[derive(Debug)]
pub enum Action {
    /// Start the server and stay with it.
    Run(Config),
    /// `--check`.
    Check(Config),
    /// `--install-preload PATH`.
    InstallPreload(PathBuf),
    /// `--completions SHELL`: the text to print.
    Print(Vec<u8>),
}
