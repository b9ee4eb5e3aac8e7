//! The arguments of `unbraidctl`.

use crate::cli::{UsageError, shell, usage};
use crate::protocol::Logs;
use crate::supervise::task::Task;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

/// What the user wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// A text to print.
    Print(Vec<u8>),
    /// Something of a running unbraid.
    Ask {
        /// `--control`.
        control: Option<PathBuf>,
        errand: Errand,
    },
}

/// What a running unbraid is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Errand {
    Status { json: bool },
    Watch,
    Task { task: Task, wait: bool },
    Logs { which: Logs, json: bool },
}

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "unbraidctl",
    bin_name = "unbraidctl",
    version,
    about = "Ask a running unbraid how its server is, and have things done with it",
    override_usage = "unbraidctl [--control PATH] COMMAND",
    after_help = "Exit status: 0 done; 1 refused, failed, or (status) the server is not up; 2 malformed. See unbraidctl(1).",
    max_term_width = 110,
    args_override_self = true,
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true
)]
struct Args {
    /// The socket, when it is not the only one
    #[arg(long, global = true, value_name = "PATH", value_hint = ValueHint::FilePath)]
    control: Option<PathBuf>,
    /// Print completions for bash, zsh or fish, and exit
    #[arg(long, value_name = "SHELL", value_parser = shell())]
    completions: Option<Shell>,
    /// Print this help, and exit
    #[arg(short, long, global = true, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print the version, and exit
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the server and its processes
    Status {
        /// Show it anew each second, on a terminal
        #[arg(long, conflicts_with = "json")]
        watch: bool,
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// End the server, and unbraid with it
    Stop,
    /// End the server and start it anew
    Restart {
        /// Do not wait for the outcome
        #[arg(long)]
        no_wait: bool,
    },
    /// Have the server take up changed code or configuration
    Reload,
    /// Replace the workers one after another
    RestartWorkers {
        /// Do not wait for the outcome
        #[arg(long)]
        no_wait: bool,
    },
    /// Open the logs again
    Reopen,
    /// Rotate unbraid's logs
    Rotate,
    /// Execute the server's program anew beside the old one
    Upgrade,
    /// Have the server run more workers, or fewer
    Workers {
        /// How many more or fewer, as +1 or -1
        #[arg(value_name = "CHANGE", allow_hyphen_values = true, value_parser = change)]
        change: i32,
    },
    /// Print the last records, or those to come
    Logs(LogsArgs),
}

#[derive(Debug, clap::Args)]
struct LogsArgs {
    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,
    /// Records of this process only
    #[arg(long, value_name = "N", conflicts_with = "slot", value_parser = clap::value_parser!(i32).range(1..))]
    pid: Option<i32>,
    /// Records of this slot only
    #[arg(long, value_name = "N")]
    slot: Option<u32>,
    /// At most so many of the past [default: all that are kept, with -f none]
    #[arg(short = 'n', long, value_name = "LINES")]
    lines: Option<u64>,
    /// As JSON, one object a record
    #[arg(long)]
    json: bool,
}

fn change(text: &str) -> Result<i32, String> {
    match text.parse() {
        Ok(0) => Err("must not be 0".to_owned()),
        Ok(number @ -1000..=1000) => Ok(number),
        _ => Err("must be a number such as +1 or -1, at most 1000".to_owned()),
    }
}

/// The options and commands as clap knows them: for completions, and for the test that holds the documents to them.
pub fn command() -> clap::Command {
    Args::command()
}

pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Call, UsageError> {
    parse_on(args, std::io::stdout().is_terminal())
}

/// `terminal`: standard output is one.
fn parse_on(args: impl IntoIterator<Item = OsString>, terminal: bool) -> Result<Call, UsageError> {
    let matches = command().try_get_matches_from(args);
    let args = matches
        .and_then(|matches| Args::from_arg_matches(&matches))
        .map_err(|error| usage(error, "unbraidctl"))?;
    if let Some(shell) = args.completions {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command(), "unbraidctl", &mut text);
        return Ok(Call::Print(text));
    }
    let refused = |text: &str| UsageError {
        status: 2,
        text: format!("unbraidctl: {text}\n"),
        to_stdout: false,
    };
    let errand = match args.command {
        None => return Err(refused("no COMMAND; see unbraidctl --help")),
        Some(Command::Status { watch: true, .. }) if !terminal => {
            return Err(refused("--watch needs a terminal; --json is for programs"));
        }
        Some(command) => errand(command),
    };
    let control = args.control;
    if control
        .as_ref()
        .is_some_and(|path| path.as_os_str().is_empty())
    {
        return Err(refused("--control '': empty"));
    }
    Ok(Call::Ask { control, errand })
}

fn errand(command: Command) -> Errand {
    let task = |task| Errand::Task { task, wait: false };
    match command {
        Command::Status { watch: true, .. } => Errand::Watch,
        Command::Status { json, .. } => Errand::Status { json },
        Command::Stop => task(Task::Stop),
        Command::Restart { no_wait } => Errand::Task {
            task: Task::Restart,
            wait: !no_wait,
        },
        Command::Reload => task(Task::Reload),
        Command::RestartWorkers { no_wait } => Errand::Task {
            task: Task::RestartWorkers,
            wait: !no_wait,
        },
        Command::Reopen => task(Task::Reopen),
        Command::Rotate => task(Task::Rotate),
        Command::Upgrade => task(Task::Upgrade),
        Command::Workers { change } => task(Task::Workers(change)),
        Command::Logs(args) => Errand::Logs {
            which: Logs {
                follow: args.follow,
                pid: args.pid,
                slot: args.slot,
                lines: args.lines,
            },
            json: args.json,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str, terminal: bool) -> Result<Call, UsageError> {
        let words = line.split_whitespace().map(OsString::from);
        parse_on(
            [OsString::from("unbraidctl")].into_iter().chain(words),
            terminal,
        )
    }

    #[track_caller]
    fn errand_of(line: &str) -> Errand {
        match parsed(line, true) {
            Ok(Call::Ask { errand, .. }) => errand,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn clap_finds_no_contradiction() {
        command().debug_assert();
    }

    #[test]
    fn every_command_is_understood() {
        let task = |task, wait| Errand::Task { task, wait };
        for (line, expected) in [
            ("status", Errand::Status { json: false }),
            ("status --json", Errand::Status { json: true }),
            ("status --watch", Errand::Watch),
            ("stop", task(Task::Stop, false)),
            ("restart", task(Task::Restart, true)),
            ("restart --no-wait", task(Task::Restart, false)),
            ("reload", task(Task::Reload, false)),
            ("restart-workers", task(Task::RestartWorkers, true)),
            (
                "restart-workers --no-wait",
                task(Task::RestartWorkers, false),
            ),
            ("reopen", task(Task::Reopen, false)),
            ("rotate", task(Task::Rotate, false)),
            ("upgrade", task(Task::Upgrade, false)),
            ("workers +1", task(Task::Workers(1), false)),
            ("workers -2", task(Task::Workers(-2), false)),
            ("workers 3", task(Task::Workers(3), false)),
        ] {
            assert_eq!(errand_of(line), expected, "{line}");
        }
        let which = Logs {
            follow: true,
            pid: None,
            slot: Some(3),
            lines: Some(20),
        };
        let logs = Errand::Logs { which, json: true };
        assert_eq!(errand_of("logs -f --slot 3 -n 20 --json"), logs);
    }

    #[test]
    fn the_socket_may_be_named_on_either_side_of_the_command() {
        for line in [
            "--control /x status",
            "status --control /x",
            "--control=/y status --control=/x",
        ] {
            let Ok(Call::Ask { control, .. }) = parsed(line, true) else {
                panic!("{line}");
            };
            assert_eq!(control, Some(PathBuf::from("/x")), "{line}");
        }
    }

    #[test]
    fn what_is_malformed_is_told_in_one_line() {
        for line in [
            "",
            "nonsense",
            "status --json --watch",
            "stop now",
            "workers",
            "workers 0",
            "workers many",
            "workers -1001",
            "logs --pid 0",
            "logs --pid 1 --slot 1",
            "logs -n -1",
            "status --follow",
            "--control= status",
            "--completions tcsh",
        ] {
            let error = parsed(line, true).expect_err(line);
            assert_eq!((error.status, error.to_stdout), (2, false), "{line}");
            assert!(
                error.text.starts_with("unbraidctl: "),
                "{line}: {}",
                error.text
            );
            assert_eq!(error.text.lines().count(), 1, "{line}: {}", error.text);
        }
        let error = parsed("--completions elvish", true).unwrap_err();
        assert!(
            error.text.contains("must be bash, zsh or fish"),
            "{error:?}"
        );
        let error = parsed("status --watch", false).unwrap_err();
        assert!(error.status == 2 && error.text.contains("terminal"));
    }
}
