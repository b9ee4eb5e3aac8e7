//! A destination that takes nothing, for ever: signals still reach the server at once, processes are still forked, and the
//! stop deadline still holds.
//!
//! The server speaks to the test by a file, past every pipe.

mod support;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs::File;
use std::io::{PipeReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::unbraid::{Running, Unbraid};
use support::{log, proc};

/// Writes for ever, and says so when its pipe has been full for a while.
const FLOOD: &str = "
import os, select, signal, sys
from side import event, write
room = select.poll()
room.register(1, select.POLLOUT)
line = b'x' * 999 + b'\\n'
def flood():
    while room.poll(500):
        write(1, line)
    event('full')
    while True:
        write(1, line)
";

/// A server whose child is stuck in a write; it forks for each line of its stdin and counts TERM.
const FORKING: &str = "
def stopping(*_):
    event('term', os.getpid())
signal.signal(signal.SIGTERM, stopping)
writer = os.fork()
if writer == 0:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    flood()
event('up', os.getpid())
commands = b''
while True:
    command = os.read(0, 1)
    if command == b'f':
        child = os.fork()
        if child == 0:
            event('forked', os.getpid())
            os._exit(0)
        os.waitpid(child, 0)
    elif not command:
        break
os.kill(writer, signal.SIGKILL)
os.waitpid(writer, 0)
sys.exit(7)
";

/// What takes nothing. Held by the test, so that it stays so.
enum Blocked {
    Fifo,
    Stdout { _reader: PipeReader },
}

/// A server below an unbraid whose only destination is blocked.
fn blocked_fifo(program: &str) -> (Running, Blocked) {
    let unbraid = Unbraid::new();
    let fifo = unbraid.folder().join("fifo");
    mkfifo(&fifo, Mode::from_bits_truncate(0o600)).expect("our own folder");
    let unbraid = unbraid.option("-o").option(fifo);
    (start(unbraid, program), Blocked::Fifo)
}

fn blocked_stdout(program: &str) -> (Running, Blocked) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let unbraid = Unbraid::new().options(["-o", "-"]).stdout(writer);
    (start(unbraid, program), Blocked::Stdout { _reader: reader })
}

fn start(unbraid: Unbraid, program: &str) -> Running {
    // Little memory is soon full.
    let unbraid = unbraid.options(["--stop-timeout", "5s", "--max-memory", "1MiB"]);
    unbraid
        .stdin(Stdio::piped())
        .python(&format!("{FLOOD}{program}"))
        .start()
}

fn signals_and_forks_go_on((mut running, _blocked): (Running, Blocked)) {
    running.events.wait_for("up");
    running.events.wait_for("full");
    for count in 1..=20 {
        running.tell("f");
        running.events.wait_for_count("forked", count);
    }
    // A repeated TERM is forwarded each time, so it can be measured more than once.
    let mut latencies: Vec<Duration> = (1..=11)
        .map(|count| term_latency(&running, count))
        .collect();
    latencies.sort();
    println!(
        "TERM reached the server after {:?} (median), {:?} (most)",
        latencies[5], latencies[10]
    );
    assert!(latencies[5] < Duration::from_millis(50), "{latencies:?}");
    let stop = Instant::now();
    let (ended, took) = running.end_timed(stop);
    ended.assert_code(7);
    assert!(took < Duration::from_secs(7), "{took:?}");
}

fn term_latency(running: &Running, count: usize) -> Duration {
    let sent = Instant::now();
    running.signal(Signal::SIGTERM);
    running.events.wait_for_count("term", count);
    sent.elapsed()
}

#[test]
fn fifo_without_reader_delays_no_signal_and_no_fork() {
    signals_and_forks_go_on(blocked_fifo(FORKING));
}

#[test]
fn stopped_reader_of_stdout_delays_no_signal_and_no_fork() {
    signals_and_forks_go_on(blocked_stdout(FORKING));
}

/// Ignores TERM and waits.
const DEAF: &str = "
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child == 0:
    flood()
event('up', os.getpid())
while True:
    signal.pause()
";

/// Is stuck in a write itself, where TERM finds it deaf.
const STUCK: &str = "
signal.signal(signal.SIGTERM, signal.SIG_IGN)
event('up', os.getpid())
flood()
";

fn all_is_over_within_seven_seconds((running, _blocked): (Running, Blocked)) {
    running.events.wait_for("up");
    running.events.wait_for("full");
    let below: Vec<i32> = proc::descendants(running.pid())
        .iter()
        .map(|stat| stat.pid)
        .collect();
    assert!(!below.is_empty());
    let sent = Instant::now();
    running.signal(Signal::SIGTERM);
    let (ended, took) = running.end_timed(sent);
    ended.assert_code(128 + 9);
    assert!(
        took > Duration::from_secs(4),
        "KILL came before its time: {took:?}"
    );
    assert!(took < Duration::from_secs(7), "{took:?}");
    assert!(!below.into_iter().any(proc::runs), "something was left");
}

#[test]
fn fifo_without_reader_and_a_server_that_ignores_term() {
    all_is_over_within_seven_seconds(blocked_fifo(DEAF));
}

#[test]
fn stopped_reader_of_stdout_and_a_server_that_ignores_term() {
    all_is_over_within_seven_seconds(blocked_stdout(DEAF));
}

#[test]
fn fifo_without_reader_and_a_server_stuck_in_a_write() {
    all_is_over_within_seven_seconds(blocked_fifo(STUCK));
}

#[test]
fn stopped_reader_of_stdout_and_a_server_stuck_in_a_write() {
    all_is_over_within_seven_seconds(blocked_stdout(STUCK));
}

/// Counts its lines, and ends by itself.
const COUNTING: &str = "
for number in range(5000):
    write(1, f'line {number} ' + 'y' * 900 + '\\n')
    if number == 50: event('begun')
event('done')
";

#[test]
fn what_waited_arrives_when_the_reader_comes() {
    let unbraid = Unbraid::new();
    let fifo = unbraid.folder().join("fifo");
    mkfifo(&fifo, Mode::from_bits_truncate(0o600)).expect("our own folder");
    let running = start(unbraid.option("-o").option(&fifo), COUNTING);
    // Five megabytes do not fit into one: it has to wait for the reader.
    running.events.wait_for("begun");
    let mut text = String::new();
    File::open(&fifo)
        .and_then(|mut fifo| fifo.read_to_string(&mut text))
        .expect("the log");
    running.end().assert_code(0);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5000);
    assert!(
        lines
            .iter()
            .enumerate()
            .all(|(i, line)| *line == format!("line {i} {}", "y".repeat(900)))
    );
}

#[test]
fn a_blocked_destination_does_not_hold_up_a_file() {
    // Two destinations: the file has everything although the FIFO takes nothing.
    let unbraid = Unbraid::logging_json();
    let fifo = unbraid.folder().join("fifo");
    mkfifo(&fifo, Mode::from_bits_truncate(0o600)).expect("our own folder");
    let program = "
for number in range(20):
    write(1, f'line {number}\\n')
event('done')
sys.stdin.read()
";
    let running = start(unbraid.option("-o").option(&fifo), program);
    running.events.wait_for("done");
    log::wait_for(&running.log(), "line 19");
    let stop = Instant::now();
    running.signal(Signal::SIGTERM);
    let (ended, took) = running.end_timed(stop);
    ended.assert_code(128 + 15);
    assert!(took < Duration::from_secs(7), "{took:?}");
    assert_eq!(log::captured(&ended.log()).len(), 20);
}

#[test]
fn a_stopped_terminal_is_a_blocked_destination_too() {
    // As after Ctrl-S: the terminal takes no byte.
    let pty = nix::pty::openpty(None, None).expect("a pseudo-terminal");
    nix::sys::termios::tcflow(&pty.slave, nix::sys::termios::FlowArg::TCOOFF).expect("a terminal");
    let unbraid = Unbraid::new().options(["-o", "-"]).stdout(pty.slave);
    let running = start(unbraid, STUCK);
    running.events.wait_for("up");
    running.events.wait_for("full");
    let sent = Instant::now();
    running.signal(Signal::SIGTERM);
    let (ended, took) = running.end_timed(sent);
    ended.assert_code(128 + 9);
    assert!(took < Duration::from_secs(7), "{took:?}");
    drop(pty.master);
}
