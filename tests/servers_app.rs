//! Application servers under unbraid: what their profiles say is what they do, and while workers are replaced no request fails.

mod support;

use nix::sys::signal::Signal;
use std::collections::HashMap;
use support::ctl;
use support::gunicorn::Gunicorn;
use support::http::{self, Address};
use support::load::{Fewest, Load};
use support::site::{self, Site, file};
use support::unbraid::Unbraid;
use support::{log, proc, python, wait};

/// So that a rolling restart of four workers takes two seconds.
const QUICK: [&str; 2] = ["--rolling-wait", "300ms"];

#[test]
fn gunicorn_restart_workers_loses_no_request_and_no_line() {
    const WORKERS: usize = 8;
    let server = Gunicorn::sync(WORKERS).start(site::unbraid().options(QUICK));
    let (port, before) = (server.port, server.workers());
    let load = Load::begin(4, move |id| http::get(port, &format!("/traceback/{id}")));
    let fewest = Fewest::of(server.master, |_| true);
    server.running.signal(Signal::SIGPROF);
    let done = format!("done, {WORKERS} of {WORKERS} workers are replaced");
    log::wait_for(&server.running.log(), &done);
    load.more(20);
    let answers = load.end();
    let after = server.wait_for_workers(WORKERS);
    assert!(
        after.iter().all(|pid| !before.contains(pid)),
        "{before:?} {after:?}"
    );
    assert_eq!(fewest.end(), WORKERS - 1);
    server.running.signal(Signal::SIGTERM);
    let ended = server.running.end();
    ended.assert_code(0);
    // What a worker answered with is what it wrote.
    let mut written: HashMap<(i32, String), usize> = HashMap::new();
    let entries = log::captured(&ended.log()).into_iter();
    for entry in entries.filter(|entry| entry.kind.as_deref() == Some("traceback")) {
        *written.entry((entry.pid, entry.message)).or_default() += 1;
    }
    let expected = answers.len();
    let found = answers
        .into_iter()
        .map(|answer| (answer.pid, answer.body.trim_end().to_owned()));
    let found = found.filter(|key| written.get(key) == Some(&1)).count();
    assert_eq!((found, written.len()), (expected, expected));
}

#[test]
fn gunicorn_gets_more_and_fewer_workers() {
    let server = Gunicorn::sync(2).start(ctl::controlled(site::unbraid()));
    let ask = |change: &str| {
        // So many signals at once would be one, if each did not wait for the last to be taken.
        let answer = server.running.ctl(&format!("workers {change}"));
        assert_eq!(
            (answer.code, answer.stdout),
            (Some(0), format!("workers {change}: accepted\n"))
        );
    };
    ask("+3");
    server.wait_for_workers(5);
    ask("-4");
    server.wait_for_workers(1);
    server.running.signal(Signal::SIGTERM);
    server.running.end().assert_code(0);
}

fn uwsgi(listen: &[&str]) -> Site {
    let unbraid = site::unbraid().options(QUICK);
    let socket = unbraid.folder().join("socket");
    let servers = python::folder("servers");
    let (address, value) = match listen {
        ["--http", ..] => {
            let port = site::free_port();
            (Address::Port(port), format!("127.0.0.1:{port}"))
        }
        _ => (
            Address::Socket(socket.clone()),
            socket.display().to_string(),
        ),
    };
    let mut line: Vec<String> = "uwsgi --plugin python3 --plugin http --master --processes 4 --need-app --disable-logging --pythonpath"
        .split(' ')
        .map(str::to_owned)
        .collect();
    line.extend([
        servers.display().to_string(),
        "--module".into(),
        "wsgi_app:app".into(),
    ]);
    line.extend(listen.iter().map(|word| (*word).to_owned()));
    line.push(value);
    let unbraid = unbraid
        .variable("PYTHONDONTWRITEBYTECODE", "1")
        .command(line);
    // Alone too, uWSGI closes a connection in one of a hundred reloads that a worker has accepted and not begun to read.
    let site = Site::start(unbraid, address)
        .counting(ends_by_hup)
        .resetting();
    site.wait_for_workers(4);
    site
}

/// A worker does, once it is ready to; the HTTP router ignores it.
fn ends_by_hup(pid: i32) -> bool {
    let caught = proc::status(pid, "SigCgt").unwrap_or_default();
    u64::from_str_radix(&caught, 16).is_ok_and(|mask| mask & 1 == 1)
}

#[test]
fn uwsgi_reloads_replaces_its_workers_and_stops() {
    let site = uwsgi(&["--http-socket"]);
    site.reload(4, "/pid/");
    site.restart_workers(4, "/pid/");
    // TERM alone would be a reload.
    site.running.signal(Signal::SIGTERM);
    site.running.end().assert_code(0);
}

#[test]
fn uwsgi_keeps_its_router_while_workers_are_replaced() {
    let site = uwsgi(&["--http"]);
    let routers = || -> Vec<i32> {
        let children = proc::children(site.main).into_iter().map(|stat| stat.pid);
        children.filter(|pid| !ends_by_hup(*pid)).collect()
    };
    let before = routers();
    assert_eq!(before.len(), 1);
    site.restart_workers(4, "/pid/");
    assert_eq!(routers(), before);
}

#[test]
fn uwsgi_has_no_signal_for_its_logs() {
    let site = uwsgi(&["--http-socket"]);
    let workers = site.workers();
    site.ask("reopen");
    site.wait_until_told("uwsgi has no signal for it");
    site.ask("upgrade");
    site.wait_until_told("upgrade: uwsgi has no signal for it");
    assert_eq!(site.workers(), workers);
}

fn ruby(command: impl FnOnce(&std::path::Path, &std::path::Path) -> Vec<String>) -> Site {
    let unbraid = site::unbraid().options(QUICK);
    let socket = unbraid.folder().join("socket");
    let line = command(&socket, unbraid.folder());
    Site::start(unbraid.command(line), Address::Socket(socket))
}

fn puma() -> Site {
    let site = ruby(|socket, folder| {
        // With queue_requests, its default, puma itself drops connections that a stopping worker has taken and not read yet.
        let config = file(folder, "puma.rb", "threads 1, 2\nqueue_requests false\n");
        let bind = format!("unix://{}", socket.display());
        let app = python::folder("servers/app.ru");
        [
            "puma",
            "-w",
            "3",
            "-b",
            &bind,
            "-C",
            &text(&config),
            &text(&app),
        ]
        .map(str::to_owned)
        .into()
    });
    let site = site.counting(|pid| title(pid).contains("puma: cluster worker"));
    site.wait_until_told_by_server("Worker 2 (PID");
    site
}

fn unicorn() -> Site {
    ruby(|socket, folder| {
        let config = file(folder, "unicorn.rb", "worker_processes 3\n");
        let app = python::folder("servers/app.ru");
        [
            "unicorn",
            "-l",
            &text(socket),
            "-c",
            &text(&config),
            &text(&app),
        ]
        .map(str::to_owned)
        .into()
    })
    .counting(|pid| title(pid).contains(" worker["))
}

fn text(path: &std::path::Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

fn title(pid: i32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

#[test]
fn puma_reloads_replaces_its_workers_and_stops() {
    let site = puma();
    site.restart_workers(3, "/pid/");
    // The phased restart.
    site.reload(3, "/pid/");
    // It ends by the signal that it was sent.
    site.stop_gracefully(128 + 15);
}

#[test]
fn puma_is_not_ended_by_what_would_open_the_logs_of_others() {
    let site = puma();
    site.ask("reopen");
    site.wait_until_told("puma has no signal for it");
    // As it is told by hand: without stdout_redirect it ends.
    site.running.signal(Signal::SIGHUP);
    site.running.end().assert_code(0);
}

#[test]
fn ruby_unicorn_reloads_replaces_its_workers_and_stops() {
    let site = unicorn();
    site.restart_workers(3, "/pid/");
    site.reload(3, "/pid/");
    // TERM alone would not wait for the request.
    site.stop_gracefully(0);
}

#[test]
fn ruby_unicorn_is_followed_over_an_upgrade() {
    let site = unicorn();
    site.wait_for_workers(3);
    let load = site.load("/pid/");
    site.ask("upgrade");
    let heir = site.wait_until_told(&format!("will follow the main process {}", site.main));
    let heir = heir
        .split(' ')
        .nth(2)
        .and_then(|pid| pid.parse().ok())
        .expect("a PID");
    let workers = || {
        proc::children(heir)
            .into_iter()
            .filter(|stat| title(stat.pid).contains(" worker["))
    };
    wait::until_true("its workers", || workers().count() == 3);
    proc::signal(site.main, Signal::SIGQUIT);
    site.wait_until_told(&format!("process {heir} follows {}", site.main));
    load.more(20);
    load.end();
    site.running.signal(Signal::SIGTERM);
    site.running.end().assert_code(0);
}

#[test]
fn puma_is_known_by_its_output() {
    let unbraid = Unbraid::logging_json().option("-v");
    let socket = unbraid.folder().join("socket");
    let bind = format!("unix://{}", socket.display());
    let app = python::folder("servers/app.ru");
    let script = format!("exec puma -w 1 -b {bind} {}", app.display());
    let site = Site::start(unbraid.shell(&script), Address::Socket(socket));
    site.wait_until_told("by its output the server is puma");
}
