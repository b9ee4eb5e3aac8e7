//! The values of the options for supervision: signals, restarts, instances. As in [`super::values`], text → type.

use super::values::{nonzero, text, worded};
use crate::supervise::profile::Server;
use crate::supervise::restart::{Limit, Success, When};
use crate::supervise::signal_map::Target;
use crate::supervise::task::{NAMED, Task};
use crate::sys::signals::MAX_SIGNAL;
use clap::builder::TypedValueParser;
use nix::sys::signal::Signal;
use std::str::FromStr;

/// The first real-time signal that programs use, `RTMIN`: the C library keeps two (signal(7)).
const RTMIN: i32 = 34;

const WANTED: &str = "must be a signal's name, with or without SIG, or its number";

pub(super) fn signal() -> impl TypedValueParser<Value = i32> {
    text(|text| match signal_number(text)? {
        32 | 33 => Err(format!("no such signal; {WANTED}")),
        number => Ok(number),
    })
}

/// `TERM`, `SIGTERM`, `15`, `RTMIN+3`, `RTMAX-1`.
fn signal_number(text: &str) -> Result<i32, String> {
    if let Ok(number) = text.parse::<i32>() {
        return match number {
            1..=MAX_SIGNAL => Ok(number),
            _ => Err(format!("no such signal; {WANTED}")),
        };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    match real_time(name) {
        Some(number @ RTMIN..=MAX_SIGNAL) => Ok(number),
        Some(_) => Err(format!("no such signal; {WANTED}")),
        None => Signal::from_str(&format!("SIG{name}"))
            .map(|signal| signal as i32)
            .map_err(|_| WANTED.to_owned()),
    }
}

/// The number of a real-time signal's name; whether there is such a signal is another question.
fn real_time(name: &str) -> Option<i32> {
    let (base, sign, rest) = match name.strip_prefix("RTMIN") {
        Some(rest) => (RTMIN, '+', rest),
        None => (MAX_SIGNAL, '-', name.strip_prefix("RTMAX")?),
    };
    if rest.is_empty() {
        return Some(base);
    }
    let digits = rest.strip_prefix(sign)?;
    // No second sign, which a number may have.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let offset: i32 = digits.parse().ok().filter(|_| plain)?;
    base.checked_add(if sign == '+' { offset } else { -offset })
}

pub(super) fn mapping() -> impl TypedValueParser<Value = (i32, Target)> {
    text(|text| {
        let (from, to) = text
            .split_once('=')
            .ok_or("must be FROM=TO, as in HUP=USR2 or USR1=ignore")?;
        let from = match signal_number(from).map_err(|why| format!("FROM '{from}': {why}"))? {
            libc::SIGKILL | libc::SIGSTOP => {
                return Err(format!("FROM '{from}': cannot be caught"));
            }
            number => number,
        };
        target(to).map(|to| (from, to))
    })
}

fn target(to: &str) -> Result<Target, String> {
    if to == "ignore" {
        return Ok(Target::Ignore);
    }
    if let Some(task) = Task::named(to) {
        return Ok(Target::Task(task));
    }
    signal_number(to).map(Target::Signal).map_err(|_| {
        let names: Vec<&str> = NAMED.iter().map(|(name, _)| *name).collect();
        format!(
            "TO '{to}': must be a signal, ignore, or of: {}",
            names.join(", ")
        )
    })
}

pub(super) fn restart() -> impl TypedValueParser<Value = When> {
    worded(&["no", "on-failure", "always"], |text| match text {
        "no" => Ok(When::No),
        "on-failure" => Ok(When::OnFailure),
        "always" => Ok(When::Always),
        _ => Err("must be no, on-failure or always".to_owned()),
    })
}

pub(super) fn restart_limit() -> impl TypedValueParser<Value = Limit> {
    text(|text| {
        const MOST: usize = 10_000;
        let wanted = "must be N/DURATION, as in 5/10m";
        let (starts, within) = text.split_once('/').ok_or(wanted)?;
        let starts = starts.parse().map_err(|_| wanted)?;
        if !(1..=MOST).contains(&starts) {
            return Err(format!("N must be from 1 to {MOST}"));
        }
        let within = nonzero(within)?;
        Ok(Limit { starts, within })
    })
}

pub(super) fn exit_codes() -> impl TypedValueParser<Value = Success> {
    text(|text| {
        let mut success = Success::default();
        for item in text.split(',').map(str::trim) {
            if let Ok(status) = item.parse::<i64>() {
                let status = i32::try_from(status).ok().filter(|s| (0..=255).contains(s));
                let status = status.ok_or("a status is from 0 to 255")?;
                success.statuses.push(status);
            } else {
                let wrong = format!("'{item}': must be a status, or a signal's name");
                let signal = signal_number(item).map_err(|_| wrong)?;
                success.signals.push(signal);
            }
        }
        Ok(success)
    })
}

/// How many processes: more than a thousand are asked for by a mistake.
pub(super) fn count() -> impl TypedValueParser<Value = u32> {
    text(|text| match text.parse() {
        Ok(count @ 1..=1000) => Ok(count),
        _ => Err("must be a number from 1 to 1000".to_owned()),
    })
}

/// `--server`; `None` is `auto`. A type of its own, since clap reads a bare `Option` as "may be absent".
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerChoice(pub(super) Option<Server>);

pub(super) fn server() -> impl TypedValueParser<Value = ServerChoice> {
    let names = Server::ALL.map(|server| server.profile().name);
    worded(&[&["auto"], &names[..]].concat(), |text| {
        if text == "auto" {
            return Ok(ServerChoice(None));
        }
        let names = Server::ALL.map(|server| server.profile().name);
        let server = Server::named(text);
        server
            .map(|server| ServerChoice(Some(server)))
            .ok_or_else(|| format!("must be auto or of: {}", names.join(", ")))
    })
}
