//! Several copies of a server: each with its own number, slot, restart and leftovers.

mod support;

use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::process::Stdio;
use support::unbraid::{Running, Unbraid};
use support::{log, proc, wait};

/// Says who it is, forks a worker that says so too, and waits.
const MASTER: &str = "
import os, signal
from side import event, out, pause
number = os.environ['UNBRAID_INSTANCE']
out('master ' + number)
child = os.fork()
if child == 0:
    signal.signal(signal.SIGHUP, lambda *_: event('worker-hup', number))
    if os.environ.get('LEAVE'): os.setsid()
    out('worker ' + number)
    event('worker', number, os.getpid())
    while True: pause()
signal.signal(signal.SIGHUP, lambda *_: event('hup', number))
signal.signal(signal.SIGUSR1, lambda *_: os._exit(int(number)))
event('master', number, os.getpid())
while True: pause()
";

fn started(unbraid: Unbraid, count: usize) -> Running {
    let running = unbraid
        .under(["setsid"])
        .options(["--instances".to_owned(), count.to_string()])
        .python(MASTER)
        .start();
    running.events.wait_for_count("master", count);
    running.events.wait_for_count("worker", count);
    running
}

/// The PIDs by number, the later of two.
fn pids(running: &Running, word: &str) -> BTreeMap<usize, i32> {
    let pairs = running.events.of(word);
    let numbers = pairs.iter().map(|line| {
        let (number, pid) = line.split_once(' ').expect("two words");
        (
            number.parse().expect("a number"),
            pid.parse().expect("a PID"),
        )
    });
    numbers.collect()
}

#[test]
fn each_has_its_number_its_pipes_and_its_slot() {
    let running = started(Unbraid::logging_json(), 4);
    let (masters, workers) = (pids(&running, "master"), pids(&running, "worker"));
    assert_eq!(masters.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
    running.signal(Signal::SIGTERM);
    let ended = running.end();
    ended.assert_code(143);
    let entries = log::captured(&ended.log());
    assert_eq!(entries.len(), 8);
    for number in 0..4 {
        let master = log::one(&entries, &format!("master {number}"));
        assert_eq!(
            (master.pid, master.slot as usize),
            (masters[&number], number)
        );
        let worker = log::one(&entries, &format!("worker {number}"));
        assert_eq!(worker.pid, workers[&number]);
        assert!((4..8).contains(&worker.slot), "{worker:?}");
        assert!(!master.shared && !worker.shared);
    }
}

#[test]
fn signals_go_to_every_main_process_and_to_no_other() {
    let running = started(Unbraid::new(), 3);
    running.signal(Signal::SIGHUP);
    let mut got = running.events.wait_for_count("hup", 3);
    got.sort();
    assert_eq!(got, ["0", "1", "2"]);
    assert_eq!(running.events.of("worker-hup"), [""; 0]);
    running.signal(Signal::SIGTERM);
    running.end().assert_code(143);
}

#[test]
fn one_is_started_again_alone_and_only_its_own_leftovers_are_stopped() {
    // With workers that keep their master's process group, and with workers that leave it.
    for leave in ["", "1"] {
        let unbraid = Unbraid::logging_json()
            .options(["--restart=on-failure", "--restart-delay=1ms"])
            .variable("LEAVE", leave);
        let running = started(unbraid, 3);
        let (masters, workers) = (pids(&running, "master"), pids(&running, "worker"));
        proc::signal(masters[&1], Signal::SIGKILL);
        running.events.wait_for_count("master", 4);
        running.events.wait_for_count("worker", 4);
        let (new_masters, new_workers) = (pids(&running, "master"), pids(&running, "worker"));
        for number in [0, 2] {
            assert_eq!(new_masters[&number], masters[&number]);
            assert_eq!(new_workers[&number], workers[&number]);
            assert!(proc::runs(masters[&number]) && proc::runs(workers[&number]));
        }
        assert_ne!(new_masters[&1], masters[&1]);
        assert!(!proc::runs(workers[&1]));
        running.signal(Signal::SIGTERM);
        let ended = running.end();
        ended.assert_code(143);
        let entries = log::captured(&ended.log());
        let slots: Vec<u32> = entries
            .iter()
            .filter(|entry| entry.message == "master 1")
            .map(|entry| entry.slot)
            .collect();
        assert_eq!(slots, [1, 1]);
        let stderr = ended.stderr();
        let said = format!("instance 1 of the server (process {})", masters[&1]);
        assert!(stderr.contains(&said), "{stderr}");
    }
}

#[test]
fn one_that_ends_for_good_leaves_the_others_and_nothing_behind() {
    let running = started(Unbraid::new(), 3);
    let (masters, workers) = (pids(&running, "master"), pids(&running, "worker"));
    proc::signal(masters[&2], Signal::SIGUSR1);
    wait::until_true("its worker is gone", || !proc::runs(workers[&2]));
    for number in [0, 1] {
        assert!(proc::runs(masters[&number]) && proc::runs(workers[&number]));
    }
    proc::signal(masters[&0], Signal::SIGUSR1);
    wait::until_true("its worker is gone", || !proc::runs(workers[&0]));
    proc::signal(masters[&1], Signal::SIGUSR1);
    // The first that failed: 0 did not.
    running.end().assert_code(2);
}

#[test]
fn all_that_succeed_are_a_success() {
    for (options, status) in [(&["--exit-codes=0"][..], 1), (&["--exit-codes=1,2"], 0)] {
        let ended = Unbraid::new()
            .option("--instances=3")
            .options(options.to_vec())
            .shell("exit $UNBRAID_INSTANCE")
            .run();
        // Of two that failed, either may have been the first.
        let code = ended.code().expect("a status");
        assert_eq!(code.min(1), status, "{options:?}");
    }
}

#[test]
fn a_restart_is_everybodys() {
    let running = started(Unbraid::new().options(["--signal", "HUP=restart"]), 3);
    let before = pids(&running, "master");
    running.signal(Signal::SIGHUP);
    running.events.wait_for_count("master", 6);
    running.events.wait_for_count("worker", 6);
    let after = pids(&running, "master");
    for number in 0..3 {
        assert_ne!(before[&number], after[&number]);
    }
    running.signal(Signal::SIGTERM);
    running.end().assert_code(143);
}

#[test]
fn a_tree_that_is_deaf_is_killed_with_all_instances() {
    let running = Unbraid::new()
        .options(["--instances=3", "--stop-timeout=100ms"])
        .python(
            "
import os, signal
from side import event
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0: os.setsid()
event('up', os.getpid())
while True: signal.pause()
",
        )
        .start();
    running.events.wait_for_count("up", 6);
    let pids = running.events.of("up");
    running.signal(Signal::SIGTERM);
    running.end().assert_code(137);
    let runs = |pid: &String| proc::runs(pid.parse().expect("a PID"));
    assert!(!pids.iter().any(runs));
}

#[test]
fn the_number_is_told_where_instances_were_asked_for() {
    let show = "echo \"<${UNBRAID_INSTANCE-unset}>\"";
    for (options, shown) in [(&[][..], "<unset>\n"), (&["--instances=1"], "<0>\n")] {
        let ended = Unbraid::new().options(options.to_vec()).shell(show).run();
        assert_eq!(ended.stdout(), shown);
    }
}

#[test]
fn many_start_and_every_line_comes() {
    let running = Unbraid::logging_json()
        .options(["--instances=100"])
        .stdin(Stdio::piped())
        .shell("echo $UNBRAID_INSTANCE; (echo child $UNBRAID_INSTANCE); cat > /dev/null")
        .start();
    let log = running.log();
    let count = || log::captured(&log).len();
    wait::until_true("200 lines", || log.exists() && count() == 200);
    // Dropped with its stdin, which all of them read.
    let ended = running.end();
    ended.assert_code(0);
    let entries = log::captured(&ended.log());
    for number in 0..100 {
        let main = log::one(&entries, &number.to_string());
        assert_eq!(main.slot, number);
        let child = log::one(&entries, &format!("child {number}"));
        assert!(child.slot >= 100 && child.pid != main.pid);
    }
}
