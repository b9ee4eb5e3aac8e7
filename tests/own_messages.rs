//! A message of unbraid's own during a 300 kB record on the same destination stands beside the record, not in it.

mod support;

use nix::sys::signal::Signal;
use std::fs;
use std::io::{PipeReader, Read};
use std::process::Stdio;
use support::pipes;
use support::unbraid::{Running, Unbraid};
use support::{log, wait};

const HALF: usize = 150_000;

/// A record of 300 kB in two halves, and datagrams that unbraid refuses with a message; each when told so.
const LINE: &str = "
import os, signal, socket, sys
from side import event, write
def provoke():
    name = os.environ['UNBRAID_PRELOAD_SOCKET'].split(':')[1]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for _ in range(10): sender.sendto(b'no registration', b'\\0' + name.encode())
for number in (signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, lambda *_: event('got'))
write(FD, 'begin ' + 'a' * 150000)
event('half')
for line in sys.stdin:
    if line == 'provoke\\n': provoke()
    elif line == 'go on\\n': write(FD, 'b' * 150000 + ' end\\n')
    event('did', line.strip())
";

fn record() -> String {
    format!("begin {}{} end", "a".repeat(HALF), "b".repeat(HALF))
}

/// Makes unbraid say ten things.
fn provoke(running: &mut Running) {
    let before = running.events.of("got").len();
    running.tell("provoke");
    // The main thread has taken the datagrams when it has taken the signal that came after them.
    running.signal(Signal::SIGHUP);
    running.events.wait_for_count("got", before + 1);
}

/// The second half.
fn go_on(running: &mut Running) {
    running.tell("go on");
    wait::until_true("the second half", || {
        running.events.of("did").iter().any(|did| did == "go on")
    });
}

fn lines_but_the_record(text: &str) -> Vec<&str> {
    let record = record();
    assert_eq!(
        text.lines().filter(|line| *line == record).count(),
        1,
        "the record is not whole in {} bytes",
        text.len()
    );
    text.lines().filter(|line| *line != record).collect()
}

#[track_caller]
fn assert_messages(lines: &[&str]) {
    assert_eq!(
        lines.iter().filter(|line| line.contains("refused")).count(),
        20,
        "{lines:?}"
    );
    assert!(
        lines.iter().all(|line| line.starts_with("unbraid: ")),
        "{lines:?}"
    );
}

#[test]
fn while_the_record_is_being_read() {
    let unbraid = Unbraid::new().stdin(Stdio::piped());
    let log = unbraid.log();
    let mut running = unbraid
        .option("-o")
        .option(&log)
        .python(&LINE.replace("FD", "1"))
        .start();
    running.events.wait_for("half");
    provoke(&mut running);
    // The messages do not wait for the record, nor break into it.
    wait::until_true("the messages", || {
        fs::read_to_string(&log).is_ok_and(|text| text.matches("refused").count() == 10)
    });
    go_on(&mut running);
    provoke(&mut running);
    let ended = running.end();
    ended.assert_code(0);
    assert_messages(&lines_but_the_record(
        &fs::read_to_string(&log).expect("text"),
    ));
}

/// unbraid with stdout and stderr on one pipe, as `unbraid … 2>&1 | reader`.
fn on_one_pipe(options: &[&str], fd: &str) -> (Running, PipeReader) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let unbraid = Unbraid::new()
        .options(options.iter().copied())
        .stdin(Stdio::piped());
    let watch = writer.try_clone().expect("a descriptor");
    let unbraid = unbraid
        .stdout(writer.try_clone().expect("a descriptor"))
        .stderr(writer);
    let mut running = unbraid.python(&LINE.replace("FD", fd)).start();
    running.events.wait_for("half");
    go_on(&mut running);
    // The pipe holds a fifth of the record: unbraid is in the middle of it.
    pipes::wait_until_full(&watch);
    (running, reader)
}

fn while_the_record_is_being_written(options: &[&str], fd: &str) {
    let (mut running, mut reader) = on_one_pipe(options, fd);
    provoke(&mut running);
    let text = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("text");
        text
    });
    provoke(&mut running);
    running.end().assert_code(0);
    assert_messages(&lines_but_the_record(
        &text.join().expect("the reader ends"),
    ));
}

#[test]
fn while_the_record_is_half_in_a_full_pipe() {
    while_the_record_is_being_written(&["-o", "-"], "1");
}

#[test]
fn while_the_record_is_half_in_a_pipe_that_is_both_streams() {
    // Two destinations by name, and one in truth.
    while_the_record_is_being_written(&[], "1");
    while_the_record_is_being_written(&[], "2");
}

#[test]
fn with_a_file_renamed_under_it() {
    let unbraid = Unbraid::logging_json().stdin(Stdio::piped());
    let (log, other) = (unbraid.log(), unbraid.folder().join("other"));
    let mut running = unbraid
        .option("-o")
        .option(format!("raw:{}", other.display()))
        .python(&LINE.replace("FD", "2"))
        .start();
    running.events.wait_for("half");
    fs::rename(&other, other.with_extension("old")).ok();
    running.signal(Signal::SIGUSR1);
    running.events.wait_for("got");
    go_on(&mut running);
    wait::until_true("the record in the log", || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains(" end\""))
    });
    let ended = running.end();
    assert_eq!(
        log::one(&log::captured(&ended.log()), &record()).stream,
        "stderr"
    );
}
