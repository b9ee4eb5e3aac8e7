//! The checked values of the options become a [`Config`]; what can only be judged together is judged here.

use super::fault::Fault;
use super::{Args, values};
use crate::config::{Config, Verbosity};
use crate::output::Stream;
use crate::output::spec::{Filter, Format, OutputSpec, Target, TimeStyle};
use crate::record;
use std::ffi::OsStr;
use std::path::Path;

/// The default of `--max-record`.
const MAX_RECORD: usize = 1 << 20;

/// The settings of a run. COMMAND is there.
pub(super) fn config(args: Args) -> Result<Config, Fault> {
    let outputs = outputs(&args)?;
    let max_record = max_record(args.max_record, args.max_memory)?;
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
        max_memory: args.max_memory,
        stop_signal: args.stop_signal,
        stop_timeout: args.stop_timeout,
        drain_timeout: args.drain_timeout,
        leftovers: args.leftovers,
        verbosity: match (args.quiet, args.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        },
    })
}

/// The destinations that `-o` names; without it the server's own two, each record where its stream went.
fn outputs(args: &Args) -> Result<Vec<OutputSpec>, Fault> {
    if args.output.is_empty() {
        return Ok(vec![
            own(args.format, args.time, Target::Stdout, &[Stream::Stdout]),
            own(
                args.format,
                args.time,
                Target::Stderr,
                &[Stream::Stderr, Stream::Unbraid],
            ),
        ]);
    }
    let parsed = args.output.iter().map(|text| {
        OutputSpec::parse(text, args.format, args.time).map_err(|error| Fault {
            key: "output",
            value: text.to_string_lossy().into_owned(),
            reason: error.to_string(),
        })
    });
    parsed.collect()
}

fn own(format: Format, time: TimeStyle, target: Target, streams: &[Stream]) -> OutputSpec {
    let filter = Filter {
        streams: streams.to_vec(),
        ..Filter::default()
    };
    OutputSpec {
        format,
        time,
        target,
        filter,
    }
}

/// A record must fit into memory beside others. The default yields to a small `--max-memory`; what was asked for does not.
fn max_record(asked: Option<usize>, max_memory: usize) -> Result<usize, Fault> {
    match asked {
        None => Ok(MAX_RECORD.min(max_memory / 2)),
        Some(size) if size < max_memory => Ok(size),
        Some(size) => Err(Fault {
            key: "max-record",
            value: values::size_text(size),
            reason: format!(
                "must be below --max-memory, which is {}",
                values::size_text(max_memory)
            ),
        }),
    }
}

/// The file name of COMMAND. It goes into paths, so it holds no slash.
fn name_of(command: &OsStr) -> String {
    let name = Path::new(command).file_name().unwrap_or(command);
    name.to_string_lossy().replace('/', "_")
}
