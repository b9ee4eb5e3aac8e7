//! A server that ends is started again, as often and as soon as was asked for, and never beside what it left behind.

mod support;

use nix::sys::signal::Signal;
use regex::Regex;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use support::unbraid::Unbraid;
use support::{proc, wait};

/// Fails at once, again and again.
fn crashing(options: &[&str]) -> Unbraid {
    Unbraid::new()
        .options(options.to_vec())
        .shell("echo run >> \"$EVENTS\"; exit 7")
}

/// What unbraid says of each end: the delay and the attempt.
fn told(stderr: &str) -> Vec<(String, u32)> {
    let again = Regex::new(
        r"(?m)^unbraid: the server \(process \d+\) has ended: exit status 7; it is started again in (\S+) \(attempt (\d+)\)$",
    )
    .expect("a constant");
    let number = |text: &str| text.parse().expect("digits");
    again
        .captures_iter(stderr)
        .map(|found| (found[1].to_owned(), number(&found[2])))
        .collect()
}

#[test]
fn the_delays_of_a_crash_loop_grow_as_told_until_the_limit() {
    let begun = Instant::now();
    let ended = crashing(&[
        "--restart=on-failure",
        "--restart-delay=10ms",
        "--restart-max-delay=40ms",
        "--restart-limit=6/1h",
    ])
    .run();
    ended.assert_code(7);
    assert_eq!(ended.events().of("run").len(), 6);
    let delays = ["10ms", "20ms", "40ms", "40ms", "40ms"].map(str::to_owned);
    let expected: Vec<(String, u32)> = delays.into_iter().zip(2..).collect();
    let stderr = ended.stderr();
    assert_eq!(told(&stderr), expected, "{stderr}");
    assert!(stderr.contains("it is not started again: --restart-limit 6/1h is reached"));
    assert!(begun.elapsed() >= Duration::from_millis(150));
}

#[test]
fn who_is_started_again() {
    let table: [(&[&str], &str, usize); 8] = [
        (&[], "exit 7", 1),
        (&["--restart=no"], "exit 7", 1),
        (&["--restart=on-failure"], "exit 7", 2),
        (&["--restart=on-failure"], "exit 0", 1),
        (&["--restart=always"], "exit 0", 2),
        (&["--restart=on-failure", "--exit-codes=6,7"], "exit 7", 1),
        (
            &["--restart=on-failure", "--exit-codes=0,SIGUSR1"],
            "kill -USR1 $$",
            1,
        ),
        (&["--restart=on-failure"], "kill -USR1 $$", 2),
    ];
    for (options, last, runs) in table {
        let ended = Unbraid::new()
            .options(["--restart-delay=1ms", "--restart-limit=2/1h"])
            .options(options.to_vec())
            .shell(&format!("echo run >> \"$EVENTS\"; {last}"))
            .run();
        assert_eq!(ended.events().of("run").len(), runs, "{options:?} {last}");
        let status = match last {
            "exit 0" => 0,
            "exit 7" => 7,
            _ => 128 + 10,
        };
        ended.assert_code(status);
    }
}

#[test]
fn a_stop_during_the_delay_is_immediate_and_the_loop_costs_nothing() {
    let running = crashing(&[
        "--restart=always",
        "--restart-delay=1h",
        "--restart-max-delay=1h",
    ])
    .start();
    wait::until_true("the end is told", || told(&running.stderr()).len() == 1);
    assert!(proc::children(running.pid()).is_empty());
    // What is under way comes to rest, and nothing is looked at while the delay runs: a loop with a clock of its own, even one
    // that ticks once a second, would never let that time pass without a switch.
    wait::until_true("a second without a turn of any loop", || {
        let before = proc::switches(running.pid());
        wait::pause(Duration::from_secs(1));
        proc::switches(running.pid()) == before
    });
    running.signal(Signal::SIGTERM);
    let ended = running.end();
    ended.assert_code(7);
    assert_eq!(ended.events().of("run").len(), 1);
}

#[test]
fn a_server_that_was_stopped_is_not_started_again() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let running = Unbraid::new()
            .options(["--restart=always", "--restart-delay=1ms"])
            .python(
                "import os, signal\nfrom side import event\nevent('up', os.getpid())\nsignal.pause()",
            )
            .start();
        running.events.wait_for("up");
        running.signal(signal);
        let ended = running.end();
        let status = if signal == Signal::SIGINT {
            130
        } else {
            128 + signal as i32
        };
        ended.assert_code(status);
        assert_eq!(ended.events().of("up").len(), 1);
    }
}

/// Listens with a worker that keeps the port when its master dies, deaf to TERM where asked for.
const HOLDING_THE_PORT: &str = "
import os, signal, socket, sys
from side import event
port = int(os.environ['PORT'])
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    listener.bind(('127.0.0.1', port))
except OSError as error:
    event('taken', error)
    os._exit(1)
listener.listen()
if os.fork() == 0:
    if os.environ.get('DEAF'): signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.setsid()
    event('worker', os.getpid())
    while True: signal.pause()
event('up', os.getpid())
while True: signal.pause()
";

/// A port that nobody has now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn what_holds_the_port_is_gone_before_the_restart() {
    for deaf in ["", "1"] {
        let running = Unbraid::new()
            .options(["--restart=on-failure", "--restart-delay=1ms"])
            .options(["--drain-timeout=100ms"])
            .variable("PORT", free_port().to_string())
            .variable("DEAF", deaf)
            .python(HOLDING_THE_PORT)
            .start();
        let (master, worker) = (
            running.events.wait_for_pid("up"),
            running.events.wait_for_pid("worker"),
        );
        proc::signal(master, Signal::SIGKILL);
        running.events.wait_for_count("up", 2);
        running.events.wait_for_count("worker", 2);
        assert!(!proc::runs(worker));
        assert_eq!(running.events.of("taken"), [""; 0]);
        let stderr = running.stderr();
        assert!(
            stderr.contains("has ended: killed by SIGKILL; it is started again in 1ms (attempt 2)"),
            "{stderr}"
        );
        assert!(
            stderr.contains("processes outlived the server: ")
                && stderr.contains("they are stopped"),
            "{stderr}"
        );
        running.signal(Signal::SIGTERM);
        running.end().assert_code(143);
    }
}

#[test]
fn a_stop_while_leftovers_are_stopped_is_the_end_of_them_too() {
    let running = Unbraid::new()
        .options(["--restart=always", "--stop-timeout=1ms"])
        .variable("PORT", free_port().to_string())
        .variable("DEAF", "1")
        .python(HOLDING_THE_PORT)
        .start();
    let (master, worker) = (
        running.events.wait_for_pid("up"),
        running.events.wait_for_pid("worker"),
    );
    proc::signal(master, Signal::SIGKILL);
    wait::until_true("the end is told", || {
        running.stderr().contains("they are stopped")
    });
    running.signal(Signal::SIGTERM);
    running.end().assert_code(137);
    assert!(!proc::runs(worker));
}

#[test]
fn a_program_that_is_gone_for_a_while_is_tried_again() {
    let unbraid = Unbraid::new().options(["--restart=always", "--restart-delay=10ms"]);
    let (program, away) = (
        unbraid.folder().join("server"),
        unbraid.folder().join("away"),
    );
    std::fs::write(
        &program,
        "#!/bin/sh\necho up >> \"$EVENTS\"\n[ -f \"$0\".stay ] && exec sleep 1000\nuntil [ -f \"$0\".go ]; do sleep 0.01; done\n",
    )
    .expect("our own folder");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("our own file");
    let running = unbraid.command([program.clone()]).start();
    running.events.wait_for("up");
    std::fs::rename(&program, &away).expect("our own folder");
    std::fs::write(program.with_extension("go"), "").expect("our own folder");
    wait::until_true("two attempts", || {
        running
            .stderr()
            .matches(": not found; it is started again in ")
            .count()
            >= 2
    });
    std::fs::write(program.with_extension("stay"), "").expect("our own folder");
    std::fs::rename(&away, &program).expect("our own folder");
    running.events.wait_for_count("up", 2);
    wait::until_true("the server runs", || {
        proc::children(running.pid()).len() == 1
    });
    running.signal(Signal::SIGTERM);
    running.end().assert_code(143);
}

#[test]
fn records_of_each_run_stand_with_its_own_process_and_the_same_slot() {
    let ended = Unbraid::logging_json()
        .options([
            "--restart=always",
            "--restart-delay=1ms",
            "--restart-limit=5/1h",
        ])
        .shell("echo $$; exit 0")
        .run();
    ended.assert_code(0);
    let entries = support::log::captured(&ended.log());
    assert_eq!(entries.len(), 5);
    for entry in &entries {
        assert_eq!(entry.message, entry.pid.to_string());
        assert_eq!(entry.slot, 0);
    }
    let pids: std::collections::BTreeSet<i32> = entries.iter().map(|e| e.pid).collect();
    assert_eq!(pids.len(), 5);
}

/// A gunicorn with this application.
fn gunicorn_with(app: &str, options: &[&str]) -> Unbraid {
    let unbraid = Unbraid::new().options(options.to_vec());
    let folder = unbraid.folder().to_owned();
    let text = "raise RuntimeError('as the test wants')\n";
    std::fs::write(folder.join("broken.py"), text).expect("our own folder");
    let gunicorn = support::python::environment().join("bin/gunicorn");
    let mut line: Vec<OsString> = vec![gunicorn.into()];
    line.extend(["--bind", "127.0.0.1:0", "--chdir"].map(Into::into));
    line.extend([folder.into(), app.into()]);
    unbraid.command(line)
}

#[test]
fn gunicorn_s_two_statuses_are_told_by_their_meaning() {
    for (app, status, meaning) in [
        ("broken:app", 3, "a worker failed to boot"),
        ("os:nothing", 4, "the application failed to load"),
    ] {
        let ended = gunicorn_with(app, &["--restart=always", "--restart-limit=1/1h"]).run();
        ended.assert_code(status);
        let stderr = ended.stderr();
        let said = format!("has ended: exit status {status}, which means that {meaning}; ");
        assert!(stderr.contains(&said), "{stderr}");
    }
}

#[test]
fn gunicorn_that_fails_to_boot_waits_as_long_as_may_be() {
    let running = gunicorn_with("broken:app", &["--restart=on-failure"]).start();
    let again = "which means that a worker failed to boot; it is started again in 1m (attempt 2)";
    wait::until_true("the end is told", || running.stderr().contains(again));
    running.signal(Signal::SIGTERM);
    running.end().assert_code(3);
}
