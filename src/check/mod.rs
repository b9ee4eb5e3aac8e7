//! `--check`: what a run would do, without making anything.

mod probe;
mod settings;
mod supervision;

use crate::capture::object;
use crate::config::Config;
use crate::output::Destinations;
use crate::plan::{Plan, Way, plan};
use crate::run::RunError;
use crate::supervise::own_pid_file::OwnPidFile;
use std::io::{self, Write};

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
            &probe::run(place, &plan.place)
                .unwrap_or_else(|error| format!("could not be run: {error}")),
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
    for setting in settings::list(config) {
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
