//! SIGKILL at the worst moment, a thousand forks a second, and too few descriptors: nothing is lost, nobody dies of it, and
//! unbraid is left with no descriptor and no zombie more than before.

mod support;

use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use support::log;
use support::programs::{Linked, program};
use support::unbraid::{Ended, Running, Unbraid};
use support::verify::{self, Manifest};
use support::{proc, wait};

/// A master with workers that, when told so, stop in mid-line and wait to be killed.
const HALVES: &str = "
import os, signal, sys
from side import event, write, out
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
for number in range(4):
    if os.fork() == 0:
        event('ready', os.getpid())
        signal.sigwait([signal.SIGUSR1])
        write(1, f'whole {os.getpid()}\\nhalf {os.getpid()}')
        write(2, f'error {os.getpid()} ' + 'z' * 30000)
        event('half', os.getpid())
        while True: signal.pause()
for number in range(4):
    os.wait()
out('all are dead')
";

/// The workers, before they have written anything.
fn ready(running: &Running) -> Vec<i32> {
    let ready = running.events.wait_for_count("ready", 4);
    ready
        .iter()
        .map(|pid| pid.parse().expect("a PID"))
        .collect()
}

/// Lets them write, and kills them.
fn write_and_die(running: &Running, workers: &[i32]) {
    for &pid in workers {
        proc::signal(pid, Signal::SIGUSR1);
    }
    running.events.wait_for_count("half", workers.len());
    for &pid in workers {
        proc::signal(pid, Signal::SIGKILL);
    }
}

#[track_caller]
fn assert_halves_kept(ended: &Ended, workers: &[i32]) {
    let entries = log::captured(&ended.log());
    for &pid in workers {
        assert_eq!(log::one(&entries, &format!("whole {pid}")).pid, pid);
        let half = log::one(&entries, &format!("half {pid}"));
        assert_eq!(
            (half.pid, half.eol, half.stream.as_str()),
            (pid, Some(false), "stdout")
        );
        let error = log::one(&entries, &format!("error {pid} {}", "z".repeat(30000)));
        assert_eq!(
            (error.pid, error.eol, error.stream.as_str()),
            (pid, Some(false), "stderr")
        );
    }
}

#[test]
fn workers_killed_in_mid_line() {
    let running = Unbraid::logging_json().python(HALVES).start();
    let workers = ready(&running);
    write_and_die(&running, &workers);
    let ended = running.end();
    ended.assert_code(0);
    assert_halves_kept(&ended, &workers);
    log::one(&log::captured(&ended.log()), "all are dead");
}

#[test]
fn workers_killed_while_all_they_wrote_is_unread() {
    let running = Unbraid::logging_json().python(HALVES).start();
    let workers = ready(&running);
    running.signal(Signal::SIGSTOP);
    let state = |pid| proc::stat(pid).map(|stat| stat.state);
    wait::until_true("a stopped unbraid", || state(running.pid()) == Some('T'));
    write_and_die(&running, &workers);
    for &pid in &workers {
        wait::until_true("the end of a worker", || !proc::runs(pid));
    }
    running.signal(Signal::SIGCONT);
    let ended = running.end();
    ended.assert_code(0);
    assert_halves_kept(&ended, &workers);
}

/// Workers write numbered lines for as long as they live, and say first which line comes.
const WRITERS: &str = "
import os, signal, sys
from side import event, write
for number in range(4):
    if os.fork() == 0:
        stopping = []
        signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
        line = 0
        while not stopping:
            write(1, f'worker {os.getpid()} line {line}\\n')
            line += 1
            if line == 100: event('busy', os.getpid())
        event('wrote', os.getpid(), line)
        os._exit(0)
event('up', os.getpid())
write(1, f'main in mid-li')
event('half')
while True: signal.pause()
";

#[test]
fn main_process_killed_in_mid_line() {
    let running = Unbraid::logging_json().python(WRITERS).start();
    let main = running.events.wait_for_pid("up");
    running.events.wait_for("half");
    running.events.wait_for_count("busy", 4);
    proc::signal(main, Signal::SIGKILL);
    let ended = running.end();
    ended.assert_code(128 + 9);
    let entries = log::captured(&ended.log());
    let half = log::one(&entries, "main in mid-li");
    assert_eq!((half.pid, half.eol), (main, Some(false)));
    // The workers outlived it, and were asked to stop; what each wrote until then is there, once, in order.
    let wrote = ended.events().of("wrote");
    assert_eq!(wrote.len(), 4, "{wrote:?}");
    for text in wrote {
        let (pid, count) = text.split_once(' ').expect("PID and count");
        let of_worker = entries.iter().filter(|entry| entry.pid.to_string() == pid);
        let lines: Vec<&str> = of_worker.map(|entry| entry.message.as_str()).collect();
        let expected = (0..count.parse().expect("a count"))
            .map(|line: usize| format!("worker {pid} line {line}"));
        assert!(
            expected.eq(lines.iter().copied()),
            "{} of {count} lines of {pid}",
            lines.len()
        );
    }
}

const RATE: usize = 1000;

/// `tests/run long` asks for the full ten seconds.
fn count() -> usize {
    RATE * if std::env::var_os("TEST_LONG").is_some() {
        10
    } else {
        2
    }
}

/// A thousand forks a second, each with a line; every fourth is an orphan that unbraid has to reap. Nothing of them is
/// left when they are over.
fn forks(unbraid: Unbraid) -> Ended {
    // Two at once would be twice the rate.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let events = unbraid.events().path().to_owned();
    let line: [std::ffi::OsString; 4] = [
        program("forks", Linked::Shared).into(),
        RATE.to_string().into(),
        count().to_string().into(),
        events.into(),
    ];
    let mut running = unbraid.stdin(Stdio::piped()).command(line).start();
    running.events.wait_for("ready");
    let before = proc::descriptors(running.pid());
    running.tell("go");
    assert_eq!(
        running.events.wait_for("forked"),
        format!("{} bad 0", count())
    );
    wait::until_true("no zombie and no orphan left", || {
        proc::children(running.pid()).len() == 1
    });
    // The server's log and that of unbraid's own messages may have been opened since.
    let after = wait::within(wait::LIMIT, || {
        Some(proc::descriptors(running.pid())).filter(|now| *now <= before + 2)
    });
    assert!(
        after.is_some(),
        "{before} descriptors before, {} after",
        proc::descriptors(running.pid())
    );
    running.tell("end");
    let ended = running.end();
    ended.assert_code(0);
    ended
}

fn assert_every_fork_told(entries: &[log::Entry]) {
    let number = |message: &str| {
        message
            .split(" s=")
            .nth(1)?
            .split(' ')
            .next()?
            .parse::<usize>()
            .ok()
    };
    let numbers: BTreeSet<usize> = entries
        .iter()
        .filter_map(|entry| number(&entry.message))
        .collect();
    assert_eq!((entries.len(), numbers.len()), (count(), count()));
    let is_own =
        |entry: &log::Entry| entry.shared || entry.message.contains(&format!(" p={} ", entry.pid));
    let strangers: Vec<_> = entries.iter().filter(|entry| !is_own(entry)).collect();
    assert!(
        strangers.is_empty(),
        "{} under another's PID, such as {:?}",
        strangers.len(),
        strangers[0]
    );
    let shared = entries.iter().filter(|entry| entry.shared).count();
    println!("{shared} of {} shared another's pipe", count());
}

#[test]
fn a_thousand_forks_a_second() {
    let ended = forks(Unbraid::logging_json());
    assert_every_fork_told(&log::captured(&ended.log()));
}

#[test]
fn a_thousand_forks_a_second_with_a_file_each() {
    let unbraid = Unbraid::new();
    let template = unbraid.folder().join("logs/{pid}");
    let ended = forks(unbraid.options(["--format", "json", "-o"]).option(template));
    let files = std::fs::read_dir(ended.file("logs"))
        .expect("unbraid made the folder")
        .flatten();
    let entries: Vec<log::Entry> = files.flat_map(|file| log::captured(&file.path())).collect();
    assert_every_fork_told(&entries);
}

#[test]
fn a_thousand_forks_a_second_with_40_descriptors() {
    // `bad 0` in there says that none died of SIGPIPE.
    let ended = forks(Unbraid::logging_json().under(["prlimit", "--nofile=40"]));
    assert_every_fork_told(&log::captured(&ended.log()));
}

#[test]
fn more_workers_than_descriptors() {
    let unbraid = Unbraid::logging_json().under(["prlimit", "--nofile=40"]);
    let manifest = unbraid.folder().join("manifest");
    let mut line = vec![program("load", Linked::Shared).into_os_string()];
    // Lines below PIPE_BUF: the kernel keeps them whole in a pipe that is shared.
    let arguments =
        "--workers 64 --generations 3 --records 50 --sizes small --stream both --manifest";
    line.extend(arguments.split(' ').map(Into::into));
    line.push(manifest.into_os_string());
    // The load itself fails unless every process ended with 0.
    let ended = unbraid.command(line).run();
    ended.assert_code(0);
    let report = verify::json(&Manifest::read(&ended.file("manifest")), &ended.log());
    assert!(
        report.shared > 0,
        "64 workers had a pipe each, or sharing is not marked: {report:?}"
    );
    // Which pipe is read first is not promised, and a worker may have had another one than its successor.
    let report = verify::Report {
        shared: 0,
        after_successor: 0,
        ..report
    };
    report.assert_whole();
    let said = [log::said(&ended.log()), vec![ended.stderr()]]
        .concat()
        .join("\n");
    assert!(said.contains("shar"), "the sharing is not told: {said}");
}

#[test]
fn unbraid_killed_leaves_a_log_that_the_next_one_can_continue() {
    let running = Unbraid::logging_json()
        .python("import os, signal\nfrom side import *\nout('first')\nevent('up')\nsignal.pause()")
        .start();
    running.events.wait_for("up");
    let log = running.log();
    log::wait_for(&log, "first");
    // What a full disk or a power cut leaves of the last record.
    std::fs::write(
        &log,
        [std::fs::read(&log).expect("the log"), b"{\"torn".to_vec()].concat(),
    )
    .expect("our own file");
    proc::end_tree(running.pid());
    let ended = Unbraid::new()
        .options(["--format", "json", "-o"])
        .option(&log)
        .shell("echo second")
        .run();
    ended.assert_code(0);
    let text = std::fs::read_to_string(&log).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines.contains(&"{\"torn"),
        "the torn record is closed with a newline: {text}"
    );
    let whole = text.replace("{\"torn\n", "");
    let entries = log::parse(whole.as_bytes());
    log::one(&entries, "first");
    log::one(&entries, "second");
    let said = format!(
        "{}{}",
        ended.stderr(),
        entries
            .iter()
            .filter(|e| !e.is_captured())
            .map(|e| e.message.as_str())
            .collect::<String>()
    );
    assert!(!said.is_empty(), "it is not told");
}
