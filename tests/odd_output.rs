//! Whatever a process writes, and whatever it does to its streams: nothing is lost, and memory is bounded.

mod support;

use nix::sys::signal::Signal;
use std::fs;
use std::process::Stdio;
use support::log;
use support::unbraid::Unbraid;
use support::{proc, python, wait};

/// Every byte, and no sequence that is UTF-8 for long; with the lines that a log meets.
fn odd_bytes() -> Vec<u8> {
    let mut bytes = Vec::new();
    for round in 0..64_u8 {
        bytes.extend(
            (0..=255_u8)
                .map(|byte| byte.wrapping_mul(round | 1))
                .filter(|&byte| byte != b'\n'),
        );
        bytes.push(b'\n');
    }
    bytes.extend(b"\0\n\0\0\0\n\xff\xfe\n\xc3\x28\n\xed\xa0\x80\n\xf0\x9f\x92\n\r\n\n\x1b[31mred\x1b[0m\r\nlast without newline\xff");
    bytes
}

const COPY: &str = "
import os, sys
from side import write
write(int(sys.argv[2]), open(sys.argv[1], 'rb').read())
";

fn copying(unbraid: Unbraid, bytes: &[u8], fd: &str) -> Unbraid {
    let file = unbraid.folder().join("bytes");
    fs::write(&file, bytes).expect("our own folder");
    let mut line = python::program(COPY);
    line.extend([file.into_os_string(), fd.into()]);
    unbraid.command(line)
}

#[test]
fn odd_bytes_raw() {
    for fd in ["1", "2"] {
        let unbraid = Unbraid::new();
        let log = unbraid.log();
        let ended = copying(unbraid.option("-o").option(&log), &odd_bytes(), fd).run();
        ended.assert_code(0);
        let expected = [odd_bytes(), b"\n".to_vec()].concat();
        assert!(
            fs::read(&log).expect("the log") == expected,
            "the bytes are not the same"
        );
    }
}

#[test]
fn odd_bytes_as_json() {
    let ended = copying(Unbraid::logging_json(), &odd_bytes(), "2").run();
    ended.assert_code(0);
    let entries = log::captured(&ended.log());
    let lines: Vec<Vec<u8>> = entries.iter().map(log::Entry::bytes).collect();
    assert!(
        lines.join(&b'\n') == odd_bytes(),
        "the bytes are not the same"
    );
    assert_eq!(entries.last().and_then(|entry| entry.eol), Some(false));
    assert!(entries.iter().filter(|entry| entry.raw.is_some()).count() > 60);
}

#[test]
fn nul_bytes_as_prefix_lines() {
    let unbraid = Unbraid::new();
    let log = unbraid.log();
    let ended = copying(
        unbraid.options(["--format", "prefix", "-o"]).option(&log),
        b"a\0b\n\0\n",
        "1",
    )
    .run();
    ended.assert_code(0);
    let text = fs::read(&log).expect("the log");
    let bodies: Vec<&[u8]> = text
        .split_inclusive(|&byte| byte == b'\n')
        .map(|line| line.splitn(2, |&byte| byte == b'|').nth(1).expect("a body"))
        .collect();
    assert_eq!(bodies, [b" a\0b\n".as_slice(), b" \0\n"]);
}

const MEGABYTES: usize = 100;

/// One line of 100 MiB, without a newline at its end.
const LONG_LINE: &str = "
import os, sys
from side import event, write
for number in range(100 * 16):
    write(1, (b'%07d ' % number) * 8192)
event('written')
sys.stdin.readline()
";

fn long_line() -> impl Iterator<Item = u8> {
    (0..MEGABYTES * 16).flat_map(|number| format!("{number:07} ").repeat(8192).into_bytes())
}

#[test]
fn a_line_of_100_mib_raw() {
    let unbraid = Unbraid::new().stdin(Stdio::piped());
    let log = unbraid.log();
    let mut running = unbraid.option("-o").option(&log).python(LONG_LINE).start();
    running.events.wait_for("written");
    let peak = proc::peak_memory(running.pid());
    running.tell("end");
    let ended = running.end();
    ended.assert_code(0);
    println!("most resident memory: {} KiB", peak / 1024);
    assert!(peak < 128 << 20, "{peak} bytes resident");
    let text = fs::read(&log).expect("the log");
    assert_eq!(text.len(), (MEGABYTES << 20) + 1);
    assert!(
        text.iter().copied().eq(long_line().chain([b'\n'])),
        "the line is not whole"
    );
}

#[test]
fn a_line_of_100_mib_in_parts_with_little_memory() {
    let unbraid = Unbraid::logging_json()
        .stdin(Stdio::piped())
        .options(["--max-memory", "8MiB"]);
    let mut running = unbraid.python(LONG_LINE).start();
    running.events.wait_for("written");
    let peak = proc::peak_memory(running.pid());
    running.tell("end");
    let ended = running.end();
    ended.assert_code(0);
    println!("most resident memory: {} KiB", peak / 1024);
    assert!(peak < 24 << 20, "{peak} bytes resident");
    let entries = log::captured(&ended.log());
    assert!(
        entries.len() >= MEGABYTES,
        "{} parts of at most 1 MiB",
        entries.len()
    );
    for (index, entry) in entries.iter().enumerate() {
        let is_last = index + 1 == entries.len();
        assert_eq!(
            (entry.part, entry.last),
            (Some(u32::try_from(index + 1).expect("few")), Some(is_last))
        );
        assert!(entry.message.len() <= 1 << 20);
    }
    assert!(
        entries
            .iter()
            .flat_map(|entry| entry.message.bytes())
            .eq(long_line()),
        "the line is not whole"
    );
}

/// Sixteen processes, each with a line of 4 MiB.
const SIXTEEN_LINES: &str = "
import os, sys
from side import event, write
workers = []
for worker in range(16):
    pid = os.fork()
    if pid == 0:
        for number in range(64):
            write(1, (b'%07d ' % number) * 8192)
        os._exit(0)
    workers.append(pid)
for _ in workers:
    assert os.wait()[1] == 0
event('written')
sys.stdin.readline()
";

#[test]
fn many_long_lines_at_once_stay_below_the_ceiling() {
    // 64 MiB do not fit into 16.
    let unbraid = Unbraid::logging_json().stdin(Stdio::piped());
    let unbraid = unbraid.options(["--max-memory", "16MiB", "--max-record", "8MiB"]);
    let mut running = unbraid.python(SIXTEEN_LINES).start();
    running.events.wait_for("written");
    let peak = proc::peak_memory(running.pid());
    running.tell("end");
    let ended = running.end();
    ended.assert_code(0);
    println!("most resident memory: {} KiB", peak / 1024);
    assert!(peak < 48 << 20, "{peak} bytes resident");
    let mut by_pid: std::collections::BTreeMap<i32, String> = std::collections::BTreeMap::new();
    for entry in log::captured(&ended.log()) {
        by_pid
            .entry(entry.pid)
            .or_default()
            .push_str(&entry.message);
    }
    let whole: String = (0..64)
        .map(|number| format!("{number:07} ").repeat(8192))
        .collect();
    assert_eq!(by_pid.len(), 16);
    assert!(
        by_pid.values().all(|text| *text == whole),
        "a process's bytes are not whole"
    );
}

#[test]
fn a_process_that_closes_its_stderr() {
    let ended = Unbraid::logging_json()
        .python(
            "
import os, sys
from side import out, err
err('before')
os.close(2)
out('closed')
if os.fork() == 0:
    out('child')
    os._exit(0)
os.wait()
out('after')
",
        )
        .run();
    ended.assert_code(0);
    let entries = log::captured(&ended.log());
    for message in ["before", "closed", "child", "after"] {
        log::one(&entries, message);
    }
    assert_eq!(entries.len(), 4, "{entries:?}");
}

#[test]
fn a_server_that_closes_all_its_streams() {
    let mut running = Unbraid::logging_json()
        .stdin(Stdio::piped())
        .python(
            "
import os, sys
from side import event, out
out('before')
os.close(1)
os.close(2)
event('closed', os.getpid())
sys.stdin.readline()
os._exit(5)
",
        )
        .start();
    let server = running.events.wait_for_pid("closed");
    log::wait_for(&running.log(), "before");
    assert!(
        !running.has_ended() && proc::runs(server),
        "the end of a pipe is not the end of a process"
    );
    running.tell("end");
    running.end().assert_code(5);
}

#[test]
fn a_process_that_writes_after_its_parent_died() {
    // Forked twice, as daemons are: its parent is unbraid when it writes.
    let ended = Unbraid::logging_json()
        .python(
            "
import os
from side import event, out, told, until
if os.fork() == 0:
    parent = os.getpid()
    if os.fork() == 0:
        until(lambda: os.getppid() != parent)
        out(f'orphan {os.getpid()}')
        event('orphan', os.getppid())
        os._exit(0)
    os._exit(0)
os.wait()
until(lambda: told('orphan'))
out('main')
",
        )
        .run();
    ended.assert_code(0);
    let entries = log::captured(&ended.log());
    assert_eq!(
        ended.events().of("orphan"),
        [ended.pid().to_string()],
        "unbraid adopts it"
    );
    let orphan = entries
        .iter()
        .find(|entry| entry.message.starts_with("orphan "))
        .expect("its line");
    assert_eq!(orphan.message, format!("orphan {}", orphan.pid));
    log::one(&entries, "main");
}

#[test]
fn a_process_that_writes_after_the_server_ended() {
    // Until --drain-timeout is over, what a leftover writes is read; it is asked to stop, and its last words count.
    let ended = Unbraid::logging_json()
        .python(
            "
import os, signal, sys
from side import event, out, pause, told, until
def stop(*_):
    out(f'last words {os.getpid()}')
    os._exit(0)
if os.fork() == 0:
    signal.signal(signal.SIGTERM, stop)
    event('armed', os.getpid())
    while True: pause()
until(lambda: told('armed'))
out('main')
",
        )
        .run();
    ended.assert_code(0);
    let left = ended.events().wait_for_pid("armed");
    let entries = log::captured(&ended.log());
    assert_eq!(log::one(&entries, &format!("last words {left}")).pid, left);
    assert!(!proc::runs(left));
}

#[test]
fn leftovers_that_are_left_alone() {
    let ended = Unbraid::logging_json()
        .options(["--leftovers", "leave", "--drain-timeout", "100ms"])
        .python(
            "
import os, signal
from side import event, out, told, until
if os.fork() == 0:
    event('left', os.getpid())
    while True: signal.pause()
until(lambda: told('left'))
out('main')
",
        )
        .run();
    let left = ended.events().wait_for_pid("left");
    let still = proc::runs(left);
    proc::signal(left, Signal::SIGKILL);
    wait::until_true("its end", || !proc::runs(left));
    ended.assert_code(0);
    assert!(still, "it was to be left alone");
}
