//! The settings of supervision, as a user would write them.

use crate::config::{Config, ControlSocket, Leftovers};
use crate::supervise::identity::Identity;
use crate::supervise::recognize::by_command;
use crate::supervise::restart::{Success, When};
use crate::supervise::signal_map::Target;
use crate::sys::credentials::Credentials;
use crate::units::duration_text;
use nix::sys::signal::Signal;

/// One line a setting; those that are off by default only where they are set.
pub(super) fn settings(config: &Config) -> Vec<String> {
    let mut list = vec![
        format!("stop-timeout = {}", duration_text(config.stop_timeout)),
        format!("drain-timeout = {}", duration_text(config.drain_timeout)),
        format!("leftovers = {}", leftovers(config.leftovers)),
    ];
    list.push(format!("control = {}", control(&config.control)));
    let stop_signal = config.stop_signal;
    list.extend(stop_signal.map(|signal| format!("stop-signal = {}", typed(signal))));
    let signals = config.signals.iter();
    list.extend(signals.map(|(from, to)| format!("signal = {}={}", typed(*from), target(*to))));
    list.extend(restart(config));
    let file = config.server_pid_file.as_ref();
    list.extend(file.map(|path| format!("server-pid-file = {}", path.display())));
    list.extend(config.identity.iter().map(identity));
    for (name, path) in [("chdir", &config.chdir), ("pid-file", &config.pid_file)] {
        let path = path.iter();
        list.extend(path.map(|path| format!("{name} = {}", path.display())));
    }
    list.push(format!("server = {}", server(config)));
    list.push(format!("rolling = {}", config.rolling));
    list.push(format!(
        "rolling-wait = {}",
        duration_text(config.rolling_wait)
    ));
    list.extend(config.instances.map(|count| format!("instances = {count}")));
    list
}

/// The user with the numbers that the kernel is told.
fn identity(identity: &Identity) -> String {
    let Credentials { uid, gid, groups } = &identity.credentials;
    let groups = groups.iter().flatten().map(ToString::to_string);
    match uid {
        Some(uid) => format!(
            "user = {} (uid {uid}, gid {gid}, groups {})",
            identity.name,
            groups.collect::<Vec<_>>().join(",")
        ),
        None => format!(
            "group = {} (gid {gid})",
            identity.name.trim_start_matches(':')
        ),
    }
}

fn server(config: &Config) -> String {
    let known = config.server.or_else(|| by_command(&config.command));
    match (known, config.server) {
        (Some(server), Some(_)) => server.profile().name.to_owned(),
        (Some(server), None) => format!("auto ({}, by COMMAND)", server.profile().name),
        (None, _) => "auto (not known by COMMAND)".to_owned(),
    }
}

fn restart(config: &Config) -> Vec<String> {
    let policy = &config.restart;
    let when = match policy.when {
        When::No => return vec!["restart = no".into()],
        When::OnFailure => "on-failure",
        When::Always => "always",
    };
    let mut list = vec![
        format!("restart = {when}"),
        format!("restart-delay = {}", duration_text(policy.delay)),
        format!("restart-max-delay = {}", duration_text(policy.max_delay)),
    ];
    let limit = policy.limit;
    list.extend(limit.map(|l| format!("restart-limit = {}/{}", l.starts, duration_text(l.within))));
    if policy.success != Success::default() {
        let statuses = policy.success.statuses.iter().map(ToString::to_string);
        let signals = policy.success.signals.iter().map(|signal| typed(*signal));
        let codes: Vec<String> = statuses.chain(signals).collect();
        list.push(format!("exit-codes = {}", codes.join(",")));
    }
    list
}

/// A signal as the options take it.
fn typed(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| signal.to_string(), |s| s.as_str().to_owned())
}

fn leftovers(what: Leftovers) -> &'static str {
    match what {
        Leftovers::Stop => "stop",
        Leftovers::Leave => "leave",
    }
}

fn control(socket: &ControlSocket) -> String {
    match socket {
        ControlSocket::Default => "in the default folder".into(),
        ControlSocket::At(path) => path.display().to_string(),
        ControlSocket::None => "none".into(),
    }
}

fn target(target: Target) -> String {
    match target {
        Target::Signal(signal) => typed(signal),
        Target::Ignore => "ignore".into(),
        Target::Task(task) => task.to_string(),
    }
}
