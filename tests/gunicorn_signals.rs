//! gunicorn's signals do under unbraid what they do without it.

mod support;

use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};
use support::gunicorn::{Gunicorn, Server, workers_of};
use support::unbraid::Unbraid;
use support::{http, log, proc, wait};

fn serving(workers: usize) -> Server {
    Gunicorn::sync(workers).start(Unbraid::logging_json())
}

/// Ends it as a user would, and looks at what is left.
#[track_caller]
fn stop(server: Server) {
    let port = server.port;
    let all: Vec<i32> = proc::descendants(server.running.pid())
        .iter()
        .map(|stat| stat.pid)
        .collect();
    server.running.signal(Signal::SIGTERM);
    server.running.end().assert_code(0);
    assert!(
        !all.into_iter().any(proc::runs),
        "something outlived the server"
    );
    assert!(http::get(port, "/pid/0").is_err());
}

#[test]
fn gunicorn_hup_reloads() {
    let server = serving(3);
    let before = server.workers();
    server.running.signal(Signal::SIGHUP);
    server.running.events.wait_for_count("worker", 6);
    let after = wait::until("new workers alone", || {
        Some(server.workers())
            .filter(|now| now.len() == 3 && now.iter().all(|pid| !before.contains(pid)))
    });
    assert!(proc::runs(server.master));
    let answer = server.get("/traceback/1");
    assert!(after.contains(&answer.pid), "{} of {after:?}", answer.pid);
    let entry = log::wait_for(&server.running.log(), "failure id=1 ");
    assert_eq!(
        (entry.pid, entry.message.as_str()),
        (answer.pid, answer.body.trim_end())
    );
    stop(server);
}

#[test]
fn gunicorn_ttin_and_ttou_change_the_count() {
    let server = serving(2);
    let mut want = 2;
    for (signal, change) in [
        (Signal::SIGTTIN, 1),
        (Signal::SIGTTIN, 1),
        (Signal::SIGTTOU, -1),
        (Signal::SIGTTOU, -1),
    ] {
        server.running.signal(signal);
        want += change;
        server.wait_for_workers(usize::try_from(want).expect("2 to 4"));
    }
    stop(server);
}

/// Sends USR2 and waits for the new master and its workers; returns its PID.
fn upgrade(server: &Server, workers: usize) -> i32 {
    server.running.signal(Signal::SIGUSR2);
    let ready = server.running.events.wait_for_count("ready", 2);
    let (master, port) = ready[1].split_once(' ').expect("PID and port");
    assert_eq!(
        port,
        server.port.to_string(),
        "the new one serves the same socket"
    );
    server.running.events.wait_for_count("worker", 2 * workers);
    master.parse().expect("a PID")
}

#[test]
fn gunicorn_usr2_and_term_upgrade() {
    let mut server = serving(2);
    let new = upgrade(&server, 2);
    assert_ne!(new, server.master);
    // The operator ends the old one, as gunicorn's manual says.
    proc::signal(server.master, Signal::SIGTERM);
    wait::until_true("the end of the old master", || !proc::runs(server.master));
    let answer = server.get("/long/7");
    assert!(workers_of(new).contains(&answer.pid));
    let entry = log::wait_for(&server.running.log(), "long id=7 ");
    assert_eq!(
        (entry.pid, entry.message.as_str()),
        (answer.pid, answer.body.trim_end())
    );
    assert!(
        !server.running.has_ended(),
        "unbraid stays with the new master"
    );
    // From now on signals go to the new one.
    server.running.signal(Signal::SIGTTIN);
    wait::until_true("a third worker of the new master", || {
        workers_of(new).len() == 3
    });
    stop(server);
}

#[test]
fn gunicorn_upgraded_ends_with_the_new_one_s_status() {
    let server = serving(2);
    let new = upgrade(&server, 2);
    proc::signal(server.master, Signal::SIGTERM);
    wait::until_true("the end of the old master", || !proc::runs(server.master));
    // The old one ended with 0.
    proc::signal(new, Signal::SIGKILL);
    server.running.end().assert_code(128 + 9);
}

#[test]
fn gunicorn_killed_is_no_upgrade() {
    let server = serving(2);
    let workers = server.workers();
    proc::signal(server.master, Signal::SIGKILL);
    let port = server.port;
    server.running.end().assert_code(128 + 9);
    assert!(!workers.into_iter().any(proc::runs), "workers were left");
    assert!(http::get(port, "/pid/0").is_err(), "the port is still held");
}

#[test]
fn gunicorn_usr1_reopens() {
    let unbraid = Unbraid::logging_json();
    let errors = unbraid.folder().join("gunicorn.log");
    let log = unbraid.log();
    let server = Gunicorn::sync(2)
        .with(["--error-logfile".into(), errors.clone().into_os_string()])
        .start(unbraid);
    let answer = server.get("/traceback/1");
    log::wait_for(&log, "failure id=1 ");
    let (old_errors, old_log) = (errors.with_extension("old"), log.with_extension("old"));
    fs::rename(&errors, &old_errors).expect("gunicorn made its log");
    fs::rename(&log, &old_log).expect("unbraid made its log");
    server.running.signal(Signal::SIGUSR1);
    wait::until_true("both logs anew", || errors.exists() && log.exists());
    let again = server.get("/traceback/2");
    let entry = log::wait_for(&log, "failure id=2 ");
    assert_eq!(
        (entry.pid, entry.message.as_str()),
        (again.pid, again.body.trim_end())
    );
    assert_ne!(
        fs::metadata(&log).expect("the new one").ino(),
        fs::metadata(&old_log).expect("the old one").ino()
    );
    let old = log::captured(&old_log);
    assert_eq!(log::one(&old, answer.body.trim_end()).pid, answer.pid);
    stop(server);
}

#[test]
fn gunicorn_winch_is_harmless() {
    let server = serving(2);
    let before = server.workers();
    server.running.signal(Signal::SIGWINCH);
    // The signal after it has been dealt with, so WINCH has too.
    server.running.signal(Signal::SIGTTIN);
    let after = server.wait_for_workers(3);
    assert!(
        before.iter().all(|pid| after.contains(pid)),
        "{before:?} {after:?}"
    );
    stop(server);
}

/// A request that goes on until it is released; returns what came of it.
fn in_flight(server: &Server) -> std::thread::JoinHandle<std::io::Result<http::Answer>> {
    let port = server.port;
    let request = std::thread::spawn(move || http::get(port, "/wait/0"));
    server.running.events.wait_for("in-flight");
    request
}

#[test]
fn gunicorn_term_is_graceful() {
    let mut server = serving(2);
    let request = in_flight(&server);
    server.running.signal(Signal::SIGTERM);
    // The worker that has nothing to do ends; the other one serves on.
    server.running.events.wait_for("gone");
    assert!(!request.is_finished() && !server.running.has_ended());
    server.release();
    let answer = request
        .join()
        .expect("no panic")
        .expect("the request is served to its end");
    assert_eq!((answer.status, answer.body.as_str()), (200, "released\n"));
    server.running.end().assert_code(0);
}

/// What a client sees of a request in flight when INT comes: the server's status, and the answer's.
fn interrupted(server: Server) -> (Option<i32>, Option<u16>) {
    let request = in_flight(&server);
    server.running.signal(Signal::SIGINT);
    // It ends although the request is never released; gunicorn's graceful time would be 60 s.
    let (ended, took) = server.running.end_timed(Instant::now());
    assert!(took < Duration::from_secs(30), "{took:?}");
    (
        ended.code(),
        request
            .join()
            .expect("no panic")
            .ok()
            .map(|answer| answer.status),
    )
}

#[test]
fn gunicorn_int_is_quick() {
    let without = interrupted(Gunicorn::sync(2).start_without(Unbraid::new()));
    assert_eq!(interrupted(serving(2)), without);
    assert_eq!(without.0, Some(0));
}
