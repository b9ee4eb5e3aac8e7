//! The checked values of the options become a [`Config`]; what can only be judged together is judged here.

use super::Args;
use super::fault::Fault;
use super::identity::identity;
use crate::config::{Config, Verbosity};
use crate::output::Stream;
use crate::output::network::{IN_MEMORY, MOST_DOUBT};
use crate::output::settings::{Rotation, Settings};
use crate::output::spec::{Filter, Format, OutputSpec, SpecError, Style, Target};
use crate::record;
use crate::supervise::restart;
use crate::supervise::signal_map::{self, can_be_stopped};
use crate::units::{duration_text, size_text};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The default of `--max-record`.
const MAX_RECORD: usize = 1 << 20;

/// The settings of a run. COMMAND is there.
pub(super) fn config(args: Args) -> Result<Config, Fault> {
    let outputs = outputs(&args)?;
    let files = files(&args);
    let max_record = max_record(args.max_record, args.max_memory)?;
    let restart = restart(&args)?;
    let signals = signals(&args)?;
    let server_pid_file = server_pid_file(&args)?;
    let identity = identity(&args)?;
    let name = args
        .name
        .or_else(|| args.command.first().map(|command| name_of(command)))
        .unwrap_or_default();
    Ok(Config {
        command: args.command,
        capture: args.capture,
        preload: args.preload,
        name,
        records: record::Settings {
            languages: args.records,
            record_start: args.record_start,
            record_timeout: args.record_timeout,
            line_timeout: args.line_timeout.0,
            max_record,
        },
        unbuffered: args.unbuffered,
        outputs,
        files,
        max_memory: args.max_memory,
        stop_signal: args.stop_signal,
        stop_timeout: args.stop_timeout,
        drain_timeout: args.drain_timeout,
        identity,
        chdir: args.chdir,
        pid_file: args.pid_file,
        leftovers: args.leftovers,
        signals,
        restart,
        server_pid_file,
        instances: args.instances,
        server: args.server.0,
        rolling: args.rolling,
        rolling_wait: args.rolling_wait,
        control: args.control.unwrap_or_default(),
        verbosity: match (args.quiet, args.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        },
    })
}

/// What holds for every destination. A buffer may be twice what it holds, so a quarter of the memory that waits there is half
/// of it; the other half is the assemblers'.
fn files(args: &Args) -> Settings {
    Settings {
        rotation: Rotation {
            size: args.rotate_size.map(|size| size as u64),
            every: args.rotate_every,
            keep: args.keep,
            keep_for: args.keep_for,
            compress: args.compress,
        },
        lock: args.lock,
        when_full: args.when_full,
        sync: args.sync,
        max_pending: args.max_memory / 4,
    }
}

fn restart(args: &Args) -> Result<restart::Policy, Fault> {
    let (delay, max_delay) = (args.restart_delay, args.restart_max_delay);
    if delay > max_delay {
        return Err(Fault {
            key: "restart-delay",
            value: duration_text(delay),
            reason: format!(
                "must not be above --restart-max-delay, which is {}",
                duration_text(max_delay)
            ),
        });
    }
    Ok(restart::Policy {
        when: args.restart,
        delay,
        max_delay,
        limit: args.restart_limit,
        success: args.exit_codes.clone().unwrap_or_default(),
    })
}

/// One file names one main process.
fn server_pid_file(args: &Args) -> Result<Option<PathBuf>, Fault> {
    match (&args.server_pid_file, args.instances) {
        (Some(path), Some(2..)) => Err(Fault {
            key: "server-pid-file",
            value: path.to_string_lossy().into_owned(),
            reason: "cannot be used with several --instances".into(),
        }),
        (path, _) => Ok(path.clone()),
    }
}

/// `--signal`, the later of two for one signal. A server that nothing could stop any more would have to be killed with unbraid.
fn signals(args: &Args) -> Result<BTreeMap<i32, signal_map::Target>, Fault> {
    let targets = args.signal.iter().copied().collect();
    if can_be_stopped(&targets) {
        return Ok(targets);
    }
    Err(Fault {
        key: "signal",
        value: "TERM, INT and QUIT".into(),
        reason: "one of them, or another signal mapped to stop, must be left to end the server"
            .into(),
    })
}

/// The destinations that `-o` names; without it the server's own two, each record where its stream went.
fn outputs(args: &Args) -> Result<Vec<OutputSpec>, Fault> {
    let style = Style {
        format: args.format,
        time: args.time,
        template: args.template.clone(),
    };
    if args.output.is_empty() {
        if style.format == Format::Template && style.template.is_none() {
            return Err(Fault {
                key: "format",
                value: style.format.to_string(),
                reason: SpecError::NoTemplate.to_string(),
            });
        }
        return Ok(vec![
            own(&style, Target::Stdout, &[Stream::Stdout]),
            own(&style, Target::Stderr, &[Stream::Stderr, Stream::Unbraid]),
        ]);
    }
    let parsed = args.output.iter().map(|text| {
        OutputSpec::parse(text, &style).map_err(|error| output_fault(text, error.to_string()))
    });
    let mut specs = parsed.collect::<Result<Vec<_>, _>>()?;
    bound_queues(&mut specs, args)?;
    Ok(specs)
}

fn output_fault(text: &OsStr, reason: String) -> Fault {
    Fault {
        key: "output",
        value: text.to_string_lossy().into_owned(),
        reason,
    }
}

/// Queues in memory are a part of `--max-memory`, an eighth for all of them: with that, what waits elsewhere may still be as
/// much. The default yields to a small one, and to a second queue; what was asked for does not.
fn bound_queues(specs: &mut [OutputSpec], args: &Args) -> Result<(), Fault> {
    let in_memory = |spec: &OutputSpec| match &spec.target {
        Target::Network(remote) => remote.queue.folder.is_none(),
        _ => false,
    };
    let count = specs.iter().filter(|spec| in_memory(spec)).count();
    let most = args.max_memory as u64 / 8 / count.max(1) as u64;
    for (spec, text) in specs.iter_mut().zip(&args.output) {
        let Target::Network(remote) = &mut spec.target else {
            continue;
        };
        remote.queue.kept = Some(MOST_DOUBT.min(most / 2));
        if remote.queue.folder.is_some() {
            continue;
        }
        let size = *remote.queue.size.get_or_insert(IN_MEMORY.min(most));
        if size > most {
            let reason = format!(
                "queues in memory must together be at most an eighth of --max-memory, which is {}: {} for each; queue= puts one on disk",
                size_text(args.max_memory as u64),
                size_text(most)
            );
            return Err(output_fault(text, reason));
        }
    }
    Ok(())
}

fn own(style: &Style, target: Target, streams: &[Stream]) -> OutputSpec {
    let filter = Filter {
        streams: streams.to_vec(),
        ..Filter::default()
    };
    OutputSpec {
        style: style.clone(),
        target,
        filter,
        when_full: None,
    }
}

/// A record must fit into memory beside others. The default yields to a small `--max-memory`; what was asked for does not.
fn max_record(asked: Option<usize>, max_memory: usize) -> Result<usize, Fault> {
    match asked {
        None => Ok(MAX_RECORD.min(max_memory / 2)),
        Some(size) if size < max_memory => Ok(size),
        Some(size) => Err(Fault {
            key: "max-record",
            value: size_text(size as u64),
            reason: format!(
                "must be below --max-memory, which is {}",
                size_text(max_memory as u64)
            ),
        }),
    }
}

/// The file name of COMMAND. It goes into paths, so it holds no slash.
fn name_of(command: &OsStr) -> String {
    let name = Path::new(command).file_name().unwrap_or(command);
    name.to_string_lossy().replace('/', "_")
}
