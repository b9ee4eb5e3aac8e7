//! Arguments, environment and config file become a [`Config`](crate::config::Config); everything the user can get wrong is refused here.
//!
//! The options are defined once, in `Args`. The environment and the config file know no option of their own: what they
//! set is put in front of the typed arguments as `--key=value`, so that one parser judges all three and the last one, the
//! command line, wins.

mod fault;
mod identity;
mod layers;
mod settings;
mod supervision;
#[cfg(test)]
mod tests;
mod values;

use crate::config::{Action, Capture, ControlSocket, Leftovers};
use crate::output::format::LineTemplate;
use crate::output::rotate::period::Period;
use crate::output::settings::{Compression, WhenFull, WhenSync};
use crate::output::spec::{Format, TimeStyle};
use crate::record::Languages;
use crate::supervise::restart::{Limit, Success, When};
use crate::supervise::signal_map::Target;
use clap::builder::ArgPredicate;
use clap::{ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, ValueHint};
use clap_complete::Shell;
use layers::Layers;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
pub(crate) use values::shell;

/// Options that are an errand of their own, or that say where options come from: the config file cannot set them, nor
/// can the environment, but for `UNBRAID_CONFIG`.
const ONLY_TYPED: [&str; 6] = [
    "check",
    "install-preload",
    "completions",
    "config",
    "help",
    "version",
];

/// Why there is nothing to run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct UsageError {
    /// The exit status: 2, or 0 for `--help` and `--version`.
    pub status: i32,
    /// What to print, with its last newline. One line when `status` is not 0.
    pub text: String,
    /// Whether it belongs on standard output: the user asked for it.
    pub to_stdout: bool,
}

/// The command line.
#[allow(
    clippy::struct_excessive_bools,
    reason = "a flag of the command line is a bool"
)]
#[derive(Debug, Parser)]
#[command(
    name = "unbraid",
    bin_name = "unbraid",
    version,
    about = "Run a pre-fork server with an output pipe for each process it forks, and write its log records whole",
    override_usage = "unbraid [OPTIONS] [--] COMMAND [ARG]...",
    after_help = "Every setting can also stand in the environment (--stop-timeout as UNBRAID_STOP_TIMEOUT) and in the\n\
                  config file (stop-timeout = \"90s\"). The command line wins, then the environment. See unbraid(1).",
    max_term_width = 110,
    args_override_self = true,
    disable_help_flag = true,
    disable_version_flag = true
)]
struct Args {
    /// The server and its arguments
    #[arg(value_name = "COMMAND", trailing_var_arg = true, value_hint = ValueHint::CommandWithArguments)]
    command: Vec<OsString>,

    /// How to capture output: auto, pipes or none
    #[arg(long, help_heading = "Capture", value_name = "MODE", default_value = "auto",
          hide_possible_values = true, value_parser = values::capture())]
    capture: Capture,
    /// The object to preload, when it is not where unbraid looks
    #[arg(long, help_heading = "Capture", value_name = "PATH", value_hint = ValueHint::FilePath,
          value_parser = values::preload_path())]
    preload: Option<PathBuf>,
    /// Write the object to preload to PATH, and exit
    #[arg(long, help_heading = "Capture", value_name = "PATH", value_hint = ValueHint::FilePath,
          value_parser = values::preload_path(), conflicts_with_all = ["check", "completions", "command"])]
    install_preload: Option<PathBuf>,
    /// Set PYTHONUNBUFFERED=1 for the server
    #[arg(long, help_heading = "Capture")]
    unbuffered: bool,

    /// auto, lines, or languages, as python,java
    #[arg(long, help_heading = "Records", value_name = "RULES", default_value = "auto",
          hide_possible_values = true, value_parser = values::records())]
    records: Languages,
    /// A line that does not match continues its record
    #[arg(long, help_heading = "Records", value_name = "REGEX", value_parser = values::regex())]
    record_start: Option<regex::bytes::Regex>,
    /// Silence that completes an open traceback
    #[arg(long, help_heading = "Records", value_name = "DURATION", default_value = "1s",
          allow_hyphen_values = true, value_parser = values::silence())]
    record_timeout: Duration,
    /// Silence that completes a half line, or off
    #[arg(long, help_heading = "Records", value_name = "DURATION", default_value = "off",
          hide_possible_values = true, allow_hyphen_values = true, value_parser = values::line_timeout())]
    line_timeout: values::LineTimeout,
    /// Write longer records in parts [default: 1MiB]
    #[arg(long, help_heading = "Records", value_name = "SIZE", allow_hyphen_values = true,
          value_parser = values::max_record())]
    max_record: Option<usize>,

    #[arg(short, long, help = "Where records go: [FORMAT:]DEST[,FILTER]..., repeatable", help_heading = "Destinations", value_name = "OUTPUT", value_hint = ValueHint::FilePath,
          action = ArgAction::Append, allow_hyphen_values = true, value_parser = values::output())]
    output: Vec<OsString>,
    /// Format where -o gives none; unbraid(1) lists them
    #[arg(long, help_heading = "Destinations", value_name = "FORMAT", default_value = "raw",
          default_value_if("template", ArgPredicate::IsPresent, Some("template")),
          hide_possible_values = true, value_parser = values::format())]
    format: Format,
    /// Columns of your own: '{time} {pid} {line}'
    #[arg(long, help_heading = "Destinations", value_name = "TEXT", value_parser = values::template())]
    template: Option<LineTemplate>,
    /// Time stamps: utc, local or none
    #[arg(long, help_heading = "Destinations", value_name = "ZONE", default_value = "utc",
          hide_possible_values = true, value_parser = values::time())]
    time: TimeStyle,
    /// The server's name in logs [default: COMMAND's file name]
    #[arg(long, help_heading = "Destinations", value_name = "NAME", value_parser = values::name())]
    name: Option<String>,
    /// Ceiling for all buffers together
    #[arg(long, help_heading = "Destinations", value_name = "SIZE", default_value = "64MiB",
          allow_hyphen_values = true, value_parser = values::max_memory())]
    max_memory: usize,

    /// Begin a new file before it is larger than this
    #[arg(long, help_heading = "Rotation", value_name = "SIZE", allow_hyphen_values = true,
          value_parser = values::rotate_size())]
    rotate_size: Option<usize>,
    /// Begin a new file at each midnight (1d), full hour (1h)
    #[arg(long, help_heading = "Rotation", value_name = "DURATION", allow_hyphen_values = true,
          value_parser = values::period())]
    rotate_every: Option<Period>,
    /// Keep so many old files of a log
    #[arg(long, help_heading = "Rotation", value_name = "N", allow_hyphen_values = true,
          value_parser = values::keep())]
    keep: Option<usize>,
    /// Keep old files so long
    #[arg(long, help_heading = "Rotation", value_name = "DURATION", allow_hyphen_values = true,
          value_parser = values::silence())]
    keep_for: Option<Duration>,
    /// Pack old files: gzip or zstd
    #[arg(long, help_heading = "Rotation", value_name = "HOW", hide_possible_values = true,
          value_parser = values::compress())]
    compress: Option<Compression>,

    /// Hold a file's lock (flock) around each write
    #[arg(long, help_heading = "Destinations")]
    lock: bool,
    /// A destination that takes no more: block or drop
    #[arg(long, help_heading = "Destinations", value_name = "WHAT", default_value = "block",
          hide_possible_values = true, value_parser = values::when_full())]
    when_full: WhenFull,
    /// Sync files to disk: never, rotate or DURATION
    #[arg(long, help_heading = "Destinations", value_name = "WHEN", default_value = "never",
          hide_possible_values = true, allow_hyphen_values = true, value_parser = values::sync())]
    sync: WhenSync,

    /// The server's user: NAME or UID, with a group NAME:GROUP
    #[arg(long, help_heading = "Supervision", value_name = "USER", value_hint = ValueHint::Username,
          value_parser = values::account())]
    user: Option<String>,
    /// The server's group: NAME or GID
    #[arg(long, help_heading = "Supervision", value_name = "GROUP", value_parser = values::account())]
    group: Option<String>,
    /// The server's working directory
    #[arg(long, help_heading = "Supervision", value_name = "DIR", value_hint = ValueHint::DirPath,
          value_parser = values::whole_path())]
    chdir: Option<PathBuf>,
    /// A file for unbraid's own PID, locked while it runs
    #[arg(long, help_heading = "Supervision", value_name = "PATH", value_hint = ValueHint::FilePath,
          value_parser = values::file_path())]
    pid_file: Option<PathBuf>,
    /// Forward TERM, INT and QUIT as this signal
    #[arg(long, help_heading = "Supervision", value_name = "SIGNAL", allow_hyphen_values = true,
          value_parser = supervision::signal())]
    stop_signal: Option<i32>,
    /// From the first stop signal to KILL
    #[arg(long, help_heading = "Supervision", value_name = "DURATION", default_value = "90s",
          allow_hyphen_values = true, value_parser = values::duration())]
    stop_timeout: Duration,
    /// How long reading goes on after the server's end
    #[arg(long, help_heading = "Supervision", value_name = "DURATION", default_value = "5s",
          allow_hyphen_values = true, value_parser = values::duration())]
    drain_timeout: Duration,
    /// What outlives the server: stop it or leave it
    #[arg(long, help_heading = "Supervision", value_name = "WHAT", default_value = "stop",
          hide_possible_values = true, value_parser = values::leftovers())]
    leftovers: Leftovers,
    #[arg(long, help = "What a signal means: FROM=TO, repeatable", help_heading = "Supervision", value_name = "FROM=TO", action = ArgAction::Append,
          allow_hyphen_values = true, value_parser = supervision::mapping())]
    signal: Vec<(i32, Target)>,
    /// Start the server again: no, on-failure or always
    #[arg(long, help_heading = "Supervision", value_name = "WHEN", default_value = "no",
          hide_possible_values = true, value_parser = supervision::restart())]
    restart: When,
    /// Before the first restart; doubled at each
    #[arg(long, help_heading = "Supervision", value_name = "DURATION", default_value = "1s",
          allow_hyphen_values = true, value_parser = values::silence())]
    restart_delay: Duration,
    /// The longest delay before a restart
    #[arg(long, help_heading = "Supervision", value_name = "DURATION", default_value = "1m",
          allow_hyphen_values = true, value_parser = values::silence())]
    restart_max_delay: Duration,
    /// Give up after N starts in a time, as 5/10m
    #[arg(long, help_heading = "Supervision", value_name = "N/DURATION", allow_hyphen_values = true,
          value_parser = supervision::restart_limit())]
    restart_limit: Option<Limit>,
    /// Statuses and signals that are success, besides 0
    #[arg(long, help_heading = "Supervision", value_name = "LIST", allow_hyphen_values = true,
          value_parser = supervision::exit_codes())]
    exit_codes: Option<Success>,
    /// Where the server writes its PID, to be followed
    #[arg(long, help_heading = "Supervision", value_name = "PATH", value_hint = ValueHint::FilePath,
          value_parser = values::file_path())]
    server_pid_file: Option<PathBuf>,
    /// Run so many copies of COMMAND [default: 1]
    #[arg(long, help_heading = "Supervision", value_name = "N", allow_hyphen_values = true,
          value_parser = supervision::count())]
    instances: Option<u32>,
    /// What COMMAND is, as gunicorn; auto finds it out
    #[arg(long, help_heading = "Supervision", value_name = "SERVER", default_value = "auto",
          hide_possible_values = true, value_parser = supervision::server())]
    server: supervision::ServerChoice,
    /// How many workers restart-workers replaces at once
    #[arg(long, help_heading = "Supervision", value_name = "N", default_value = "1",
          allow_hyphen_values = true, value_parser = supervision::count())]
    rolling: u32,
    /// How long each new worker must live before the next
    #[arg(long, help_heading = "Supervision", value_name = "DURATION", default_value = "2s",
          allow_hyphen_values = true, value_parser = values::duration())]
    rolling_wait: Duration,
    /// Socket for unbraidctl, or none
    #[arg(long, help_heading = "Supervision", value_name = "PATH", value_hint = ValueHint::FilePath,
          value_parser = values::control())]
    control: Option<ControlSocket>,

    /// Read settings from FILE (TOML)
    #[arg(long, help_heading = "Other", value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Say what would be done with COMMAND, and exit
    #[arg(long, help_heading = "Other")]
    check: bool,
    /// Print completions for bash, zsh or fish, and exit
    #[arg(long, help_heading = "Other", value_name = "SHELL", hide_possible_values = true,
          value_parser = values::shell(), conflicts_with_all = ["check", "command"])]
    completions: Option<Shell>,
    /// Say nothing of unbraid's own but errors
    #[arg(short, long, help_heading = "Other", overrides_with = "verbose")]
    quiet: bool,
    /// Say more, with counts at the end
    #[arg(short, long, help_heading = "Other", overrides_with = "quiet")]
    verbose: bool,
    /// Print this help, and exit
    #[arg(short, long, help_heading = "Other", action = ArgAction::Help)]
    help: Option<bool>,
    /// Print the version, and exit
    #[arg(short = 'V', long, help_heading = "Other", action = ArgAction::Version)]
    version: Option<bool>,
}

/// What clap of `program` has to say of its arguments, in the house's form.
pub(crate) fn usage(error: clap::Error, program: &str) -> UsageError {
    let mut error = fault::usage(error);
    if let Some(text) = error.text.strip_prefix("unbraid: ") {
        error.text = format!("{program}: {text}");
    }
    error
}

/// The options as clap knows them: for completions, and for the test that holds the documents to them.
pub fn command() -> clap::Command {
    Args::command()
}

/// Reads the arguments (`args` with the program's own name first), the environment through `env`, and the config file
/// that one of these names.
pub fn parse<I>(args: I, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Action, UsageError>
where
    I: IntoIterator<Item = OsString>,
{
    let typed: Vec<OsString> = args.into_iter().skip(1).collect();
    let matches = accepted(typed.iter().cloned())?;
    let given = Args::from_arg_matches(&matches).map_err(fault::usage)?;
    if let Some(errand) = errand(&given) {
        return Ok(errand);
    }
    match given.command.first() {
        None => {
            return Err(fault::refused(
                "no COMMAND; usage: unbraid [OPTIONS] [--] COMMAND [ARG]...",
            ));
        }
        Some(command) if command.is_empty() => return Err(fault::refused("COMMAND is empty")),
        Some(_) => {}
    }
    let layers = Layers::read(given.config.as_deref(), env)?.left_open_by(&matches);
    let matches = accepted(layers.args().chain(typed))?;
    let args = Args::from_arg_matches(&matches).map_err(fault::usage)?;
    let check = args.check;
    let config = settings::config(args).map_err(|fault| layers.blame(&fault))?;
    Ok(if check {
        Action::Check(config)
    } else {
        Action::Run(config)
    })
}

/// What needs no COMMAND and no settings.
fn errand(args: &Args) -> Option<Action> {
    if let Some(path) = &args.install_preload {
        return Some(Action::InstallPreload(path.clone()));
    }
    let shell = args.completions?;
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command(), "unbraid", &mut text);
    Some(Action::Print(text))
}

fn accepted(args: impl Iterator<Item = OsString>) -> Result<ArgMatches, UsageError> {
    matched(args).map_err(fault::usage)
}

/// One pass of clap over `args`, which do not hold the program's name.
fn matched(args: impl Iterator<Item = OsString>) -> Result<ArgMatches, clap::Error> {
    let program = std::iter::once(OsString::from("unbraid"));
    command().try_get_matches_from(program.chain(args))
}
