//! `restart-workers` on servers of any kind: what goes wrong ends it, and says so.

mod support;

use nix::sys::signal::Signal;
use support::unbraid::{Running, Unbraid};
use support::{log, proc, wait};

/// A server that replaces each of its workers when it ends. `worker` is a worker's life, `replaced` what the main process
/// does before it starts another.
fn prefork(worker: &str, replaced: &str) -> String {
    format!(
        r#"
import os, signal, sys, time
from side import event, pause, told, until

def worker(first):
    event("worker", os.getpid(), os.environ.get("UNBRAID_INSTANCE", "-"))
{worker}
    while True: pause()

def start(first):
    if os.fork() == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        worker(first)

def replaced():
{replaced}
    pass

event("main", os.getpid())
for _ in range(3): start(True)
while True:
    pid, status = os.wait()
    event("gone", pid, os.WTERMSIG(status))
    replaced()
    start(False)
"#
    )
}

fn start(unbraid: Unbraid, worker: &str, replaced: &str) -> Running {
    let log = unbraid.log();
    let unbraid = unbraid.options([
        "--signal",
        "PROF=restart-workers",
        "--format",
        "json",
        "-v",
        "-o",
    ]);
    let running = unbraid
        .option(log)
        .python(&prefork(worker, replaced))
        .start();
    running.events.wait_for_count("worker", 3);
    running
}

/// Waits until unbraid has said this.
#[track_caller]
fn told(running: &Running, text: &str) -> String {
    log::wait_for(&running.log(), text).message
}

#[track_caller]
fn stop(running: Running) {
    running.signal(Signal::SIGTERM);
    running.end().assert_code(128 + 15);
}

const QUICK: [&str; 2] = ["--rolling-wait", "100ms"];

#[test]
fn without_capture_too_every_worker_is_replaced_once() {
    for capture in ["auto", "none"] {
        let unbraid = Unbraid::new()
            .options(QUICK)
            .options(["--capture", capture]);
        let running = start(unbraid, "", "");
        running.signal(Signal::SIGPROF);
        told(
            &running,
            "restart-workers: done, 3 of 3 workers are replaced",
        );
        let gone = running.events.of("gone");
        assert!(
            gone.len() == 3 && gone.iter().all(|end| end.ends_with(" 15")),
            "{gone:?}"
        );
        assert_eq!(running.events.wait_for_count("worker", 6).len(), 6);
        stop(running);
    }
}

#[test]
fn several_at_once() {
    let unbraid = Unbraid::new().options(QUICK).options(["--rolling", "3"]);
    let running = start(unbraid, "", "");
    running.signal(Signal::SIGPROF);
    told(&running, "restart-workers: done, 3 of 3");
    // None of the second generation was there before the last one of the first was told to end.
    let said = log::said(&running.log()).join("\n");
    assert!(
        said.contains("0 of 3 workers are replaced, 3 at a time"),
        "{said}"
    );
    stop(running);
}

#[test]
fn a_replacement_that_dies_ends_it() {
    let mortal = "    if not first:\n        until(lambda: told('die'))\n        os._exit(9)";
    let running = start(Unbraid::new().options(["--rolling-wait", "1h"]), mortal, "");
    running.signal(Signal::SIGPROF);
    running.events.wait_for_count("worker", 4);
    running.events.tell("die");
    let told = told(&running, "restart-workers: given up");
    assert!(
        told.contains("which replaced") && told.contains("0 of 3 workers are replaced"),
        "{told}"
    );
    stop(running);
}

#[test]
fn a_helper_that_the_server_starts_meanwhile_is_no_replacement() {
    let helper = "    import subprocess\n    subprocess.Popen(['sleep', '60'])";
    // Longer than a busy machine takes from a fork to the program: until then nothing tells the helper from a worker.
    let unbraid = Unbraid::new().options(["--rolling-wait", "700ms"]);
    let running = start(unbraid, "", helper);
    running.signal(Signal::SIGPROF);
    told(&running, "restart-workers: done, 3 of 3");
    for line in log::said(&running.log()) {
        let words: Vec<&str> = line.split(' ').collect();
        if let [_, _, "process", new, "replaced", _] = words[..] {
            let begins = format!("{new} ");
            wait::until_true(&line, || {
                let workers = running.events.of("worker");
                workers.iter().any(|worker| worker.starts_with(&begins))
            });
        }
    }
    stop(running);
}

#[test]
fn a_worker_that_does_not_end_is_killed() {
    let stubborn = "    if first: signal.signal(signal.SIGTERM, lambda *_: None)";
    let unbraid = Unbraid::new()
        .options(QUICK)
        .options(["--stop-timeout", "300ms"]);
    let running = start(unbraid, stubborn, "");
    running.signal(Signal::SIGPROF);
    told(&running, "restart-workers: done, 3 of 3");
    let killed = running.events.of("gone");
    assert!(killed.iter().all(|end| end.ends_with(" 9")), "{killed:?}");
    told(&running, "has not ended by --stop-timeout: it is killed");
    stop(running);
}

#[test]
fn a_second_request_and_a_stop_meanwhile() {
    let patient = "    signal.signal(signal.SIGTERM, lambda *_: event('asked'))";
    let running = start(Unbraid::new(), patient, "");
    running.signal(Signal::SIGPROF);
    running.events.wait_for("asked");
    running.signal(Signal::SIGPROF);
    told(
        &running,
        "restart-workers: under way already: 0 of 3 workers are replaced",
    );
    running.signal(Signal::SIGTERM);
    told(
        &running,
        "restart-workers: given up: the server is told to end",
    );
    proc::end_tree(running.pid());
}

#[test]
fn the_end_of_the_server_ends_it() {
    let patient = "    signal.signal(signal.SIGTERM, lambda *_: event('asked'))";
    let unbraid = Unbraid::new().options(["--restart", "always", "--drain-timeout", "100ms"]);
    let running = start(unbraid, patient, "");
    let main = running.events.wait_for_pid("main");
    running.signal(Signal::SIGPROF);
    running.events.wait_for("asked");
    proc::signal(main, Signal::SIGKILL);
    told(
        &running,
        &format!("restart-workers: given up: the main process {main} has ended"),
    );
    running.signal(Signal::SIGTERM);
    running.end();
}

#[test]
fn a_server_without_workers_has_none_to_restart() {
    let log = Unbraid::new();
    let path = log.log();
    let options = [
        "--signal",
        "PROF=restart-workers",
        "--signal",
        "URG=reload",
        "--format",
        "json",
        "-o",
    ];
    let unbraid = log.options(options).option(path);
    let running = unbraid
        .python("import signal\nfrom side import event\nevent('up')\nsignal.pause()")
        .start();
    running.events.wait_for("up");
    running.signal(Signal::SIGPROF);
    told(&running, "restart-workers: the server has no workers");
    // It would die of HUP.
    running.signal(Signal::SIGURG);
    told(&running, "does not handle SIGHUP, and is not sent it");
    stop(running);
}

#[test]
fn instances_are_restarted_one_after_another() {
    let unbraid = Unbraid::new().options(QUICK).options(["--instances", "2"]);
    let running = start(unbraid, "", "");
    running.events.wait_for_count("worker", 6);
    running.signal(Signal::SIGPROF);
    told(
        &running,
        "restart-workers: done, 2 of 2 instances are replaced",
    );
    assert_eq!(running.events.wait_for_count("main", 4).len(), 4);
    let said = log::said(&running.log());
    let at = |text: &str| {
        said.iter()
            .position(|line| line.contains(text))
            .expect(text)
    };
    // The second one was not touched before the first had been replaced.
    assert!(
        at("restart-workers: process ") < at("instance 1 of the server (process"),
        "{said:?}"
    );
    wait::until_true("all workers", || running.events.of("worker").len() == 12);
    running.signal(Signal::SIGTERM);
    running.end();
}
