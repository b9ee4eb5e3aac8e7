//! A stream goes on over exec, whoever still holds the old pipe; an unbraid inside another captures its own; and with ten
//! thousand open descriptors every fork is captured.

mod support;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs::{self, File};
use std::io::Write;
use std::process::Stdio;
use support::log::{self, Entry};
use support::programs::{Linked, program};
use support::unbraid::{Ended, Unbraid, binary};
use support::{proc, python, wait};

/// Leaves half a line and a static child that holds the pipe, and becomes another program, which goes on with the line.
const EXECUTE: &str = "
import os, subprocess, sys
from side import event, write
fifo, hold = sys.argv[1:]
holder = subprocess.Popen([hold, os.environ['EVENTS']], stdin=open(fifo, 'rb'))
write(1, f'first {os.getpid()}\\nhalf of {os.getpid()}')
then = '''
import os, sys
os.write(1, f' and half of {os.getpid()}\\\\nafter {os.getpid()}\\\\n'.encode())
sys.stdin.read()
os.write(1, b'last\\\\n')
'''
os.execv(sys.executable, [sys.executable, '-c', then])
";

/// This program with its holder, and what keeps the holder's stdin open.
fn with_holder(unbraid: Unbraid, text: &str) -> (Unbraid, File) {
    let fifo = unbraid.folder().join("fifo");
    mkfifo(&fifo, Mode::from_bits_truncate(0o600)).expect("our own folder");
    // Open for reading too, so that opening it waits for nobody.
    let release = File::options()
        .read(true)
        .write(true)
        .open(&fifo)
        .expect("the FIFO");
    let mut line = python::program(text);
    line.extend([
        fifo.into_os_string(),
        program("hold", Linked::Static).into_os_string(),
    ]);
    (unbraid.command(line), release)
}

#[test]
fn exec_while_a_child_holds_the_old_pipe() {
    let unbraid = Unbraid::logging_json().stdin(Stdio::piped());
    let (unbraid, mut release) = with_holder(unbraid, EXECUTE);
    let mut running = unbraid.start();
    let holder = running.events.wait_for_pid("holding");
    // The record after exec is there while the holder lives.
    let after = log::wait_for(&running.log(), "after ");
    assert!(proc::runs(holder), "the holder was not waited for");
    assert_eq!(after.message, format!("after {}", after.pid));
    let entries = log::captured(&running.log());
    let half = log::one(&entries, &format!("half of {0} and half of {0}", after.pid));
    assert_eq!((half.pid, half.eol), (after.pid, None));
    assert_eq!(
        log::one(&entries, &format!("first {}", after.pid)).pid,
        after.pid
    );
    // What the holder writes at last is captured as well.
    release.write_all(b"x").expect("the FIFO");
    drop(release);
    wait::until_true("the end of the holder", || !proc::runs(holder));
    log::wait_for(&running.log(), "let go");
    running.tell("go on");
    let ended = running.end();
    ended.assert_code(0);
    let messages: Vec<String> = log::captured(&ended.log())
        .into_iter()
        .map(|entry| entry.message)
        .collect();
    assert_eq!(messages.len(), 5, "{messages:?}");
}

#[test]
fn end_while_a_child_holds_the_pipe() {
    // The holder's stdin never ends, so it must be stopped: unbraid does not wait for it longer than it says.
    let text = EXECUTE.replace("sys.stdin.read()", "pass");
    let (unbraid, _release) = with_holder(Unbraid::logging_json(), &text);
    let ended = unbraid.run();
    ended.assert_code(0);
    let holder = ended.events().wait_for_pid("holding");
    assert!(!proc::runs(holder));
    let entries = log::captured(&ended.log());
    assert_eq!(
        entries
            .iter()
            .filter(|entry| entry.message == "last")
            .count(),
        1
    );
}

#[test]
fn exec_a_hundred_times_in_mid_line() {
    // Each program writes half a line more: one record in the end, whole.
    let script = r#"printf '%s,' "$1"; if [ "$1" -lt 100 ]; then exec sh -c "$0" "$0" $(($1 + 1)); else echo end; fi"#;
    let ended = Unbraid::logging_json()
        .command(["sh", "-c", script, script, "1"])
        .run();
    ended.assert_code(0);
    let entries = log::captured(&ended.log());
    let numbers: Vec<String> = (1..=100).map(|number| number.to_string()).collect();
    log::one(&entries, &format!("{},end", numbers.join(",")));
    assert_eq!(entries.len(), 1);
}

/// Each of four hundred children leaves half a line, executes a program that ends the line, and is gone.
const HURRY: &str = "
import os
for number in range(400):
    if os.fork() == 0:
        os.write(1, b'half of %d ' % os.getpid())
        os.execv('/bin/sh', ['sh', '-c', 'echo and half of $$'])
    if number % 8 == 7:
        for _ in range(8): assert os.wait()[1] == 0
";

#[test]
fn exec_right_before_the_end() {
    let ended = Unbraid::logging_json().python(HURRY).run();
    ended.assert_code(0);
    let entries = log::captured(&ended.log());
    let is_whole =
        |entry: &&Entry| entry.message == format!("half of {0} and half of {0}", entry.pid);
    let whole = entries.iter().filter(is_whole).count();
    assert_eq!((whole, entries.len()), (400, 400));
}

const SAYS: &str =
    "echo main $$; (read -r pid _ < /proc/self/stat; echo child $pid; echo error $pid >&2)";

#[track_caller]
fn assert_own(entries: &[Entry]) {
    assert_eq!(entries.len(), 3, "{entries:?}");
    for entry in entries {
        assert!(
            entry.message.ends_with(&format!(" {}", entry.pid)),
            "{entry:?}"
        );
    }
}

#[test]
fn unbraid_inside_unbraid() {
    let outer = Unbraid::logging_json();
    let inner_log = outer.folder().join("inner");
    let script = format!(
        "{SAYS}; '{}' --format json -o '{}' -- sh -c '{SAYS}'; exit $?",
        binary().display(),
        inner_log.display()
    );
    let ended = outer.shell(&script).run();
    ended.assert_code(0);
    let (outer, inner) = (log::captured(&ended.log()), log::captured(&inner_log));
    assert_own(&inner);
    assert_own(&outer);
    let pids = |entries: &[Entry]| {
        entries
            .iter()
            .map(|entry| entry.pid)
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert!(
        pids(&outer).is_disjoint(&pids(&inner)),
        "one line is in both"
    );
}

#[test]
fn unbraid_inside_unbraid_as_its_server() {
    // The inner one writes to its own streams, which are the outer's pipes.
    let command = [
        binary().into_os_string(),
        "--".into(),
        "sh".into(),
        "-c".into(),
        SAYS.into(),
    ];
    let ended = Unbraid::logging_json().command(command).run();
    ended.assert_code(0);
    let entries = log::captured(&ended.log());
    assert_eq!(entries.len(), 3, "{entries:?}");
    let inner = entries[0].pid;
    assert!(
        entries.iter().all(|entry| entry.pid == inner),
        "the inner unbraid wrote them: {entries:?}"
    );
    assert!(
        entries
            .iter()
            .all(|entry| !entry.message.ends_with(&format!(" {inner}")))
    );
}

/// Runs many_fds; returns what it says of its forks.
fn fork_times(descriptors: &str, with_unbraid: bool) -> (String, Ended) {
    let unbraid = Unbraid::logging_json();
    let report = unbraid.folder().join("report");
    let mut line: Vec<std::ffi::OsString> = vec!["prlimit".into(), "--nofile=11000".into()];
    line.extend([
        program("many_fds", Linked::Shared).into(),
        descriptors.into(),
        FORKS.to_string().into(),
    ]);
    line.push(report.clone().into());
    let unbraid = unbraid.command(line);
    let ended = if with_unbraid {
        unbraid.start()
    } else {
        unbraid.start_without()
    }
    .end();
    ended.assert_code(0);
    (fs::read_to_string(report).expect("the report"), ended)
}

const FORKS: usize = 50;

#[test]
fn ten_thousand_open_descriptors() {
    let (with, ended) = fork_times("10000", true);
    let entries = log::captured(&ended.log());
    assert_eq!(entries.len(), FORKS);
    for entry in &entries {
        assert!(
            !entry.shared && entry.message.contains(&format!(" p={} ", entry.pid)),
            "{entry:?}"
        );
    }
    print!(
        "with unbraid: {with}with unbraid: {}",
        fork_times("10", true).0
    );
    print!(
        "without: {}without: {}",
        fork_times("10000", false).0,
        fork_times("10", false).0
    );
}
