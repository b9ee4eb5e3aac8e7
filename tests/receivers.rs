//! syslog and the journal: a record is one message, whoever comes late or goes away in between.

mod support;

use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Stdio;
use support::receiver::{Counted, Datagrams, accept, free_port};
use support::unbraid::Unbraid;
use support::{proc, wait};

/// A line, and a traceback of 40 lines and more.
const TRACEBACK: &str = "
import sys, traceback
from side import out
out('ready \\u00fc')
def deep(n):
    if n % 2: return deep(n - 1)
    if n: return  deep(n - 1)
    raise KeyError('card')
try: deep(50)
except KeyError: traceback.print_exc()
";

/// Lines with numbers, as many as the first line of stdin says.
const COUNTS: &str = "
import sys
from side import out
for number in range(int(sys.stdin.readline())):
    out(f'number {number} ' + 'x' * 100)
sys.stdin.read()
";

/// What stands behind `number` in a message.
fn number(message: &str) -> Option<usize> {
    let rest = message.split_once("] number ")?.1;
    rest.split(' ').next()?.parse().ok()
}

fn listen(port: u16) -> TcpListener {
    wait::until("the port is free", || {
        TcpListener::bind(("127.0.0.1", port)).ok()
    })
}

fn tcp(port: u16) -> String {
    format!("syslog+tcp://127.0.0.1:{port}")
}

#[test]
fn over_tcp_a_traceback_is_one_message() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let running = Unbraid::new()
        .options(["--name", "shop", "-o", &tcp(port)])
        .python(TRACEBACK)
        .start();
    let messages = Counted::new(accept(&listener)).all();
    running.end().assert_code(0);
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[0].starts_with("<30>1 20"), "{messages:?}");
    assert!(messages[0].contains(" shop "), "{messages:?}");
    let line =
        " line [meta sequenceId=\"1\"][unbraid@32473 slot=\"0\" stream=\"stdout\"] \u{feff}ready ü";
    assert!(messages[0].ends_with(line), "{messages:?}");
    assert!(messages[1].starts_with("<27>1 20"), "{messages:?}");
    assert!(
        messages[1].contains("[meta sequenceId=\"2\"]"),
        "{messages:?}"
    );
    assert!(
        messages[1].contains("] Traceback (most recent call last):\n"),
        "{messages:?}"
    );
    assert!(messages[1].ends_with("\nKeyError: 'card'"), "{messages:?}");
    assert!(messages[1].lines().count() > 40, "{messages:?}");
}

#[test]
fn a_receiver_that_comes_late_gets_all() {
    let port = free_port();
    let mut running = Unbraid::new()
        .options(["-o", &tcp(port)])
        .stdin(Stdio::piped())
        .python(COUNTS)
        .start();
    running.tell("100");
    let told = format!(
        "unbraid: cannot connect to {}: Connection refused; its records are kept and tried again\n",
        tcp(port)
    );
    wait::until_true("it is told", || running.stderr() == told);
    let listener = listen(port);
    let mut counted = Counted::new(accept(&listener));
    let mut next = || {
        counted
            .next()
            .map(|message| String::from_utf8(message).unwrap())
    };
    let mut numbers = Vec::new();
    while numbers.len() < 100 {
        numbers.extend(next().as_deref().and_then(number));
    }
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    wait::until_true("that too", || {
        running.stderr().contains(" takes records again, ")
    });
    running.end().assert_code(0);
}

#[test]
fn what_a_receiver_may_not_have_read_comes_again_the_same() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut running = Unbraid::new()
        .options(["-o", &tcp(port)])
        .stdin(Stdio::piped())
        .python(COUNTS)
        .start();
    running.tell("1000");
    // One that reads the first and dies with the others unread.
    let mut dies = Counted::new(accept(&listener));
    let first = dies.next().unwrap();
    drop(dies);
    let mut counted = Counted::new(accept(&listener));
    let mut seen = BTreeSet::new();
    assert_eq!(counted.next().as_ref(), Some(&first), "byte for byte");
    seen.extend(number(std::str::from_utf8(&first).unwrap()));
    while seen.len() < 1000 {
        let message = counted.next().expect("it goes on");
        seen.extend(number(std::str::from_utf8(&message).unwrap()));
    }
    let told = "records are sent again, for they may not have arrived\n";
    wait::until_true("it is told", || running.stderr().contains(told));
    drop(counted);
    running.signal(Signal::SIGTERM);
    running.end();
}

#[test]
fn a_receiver_that_does_not_read_pauses_the_writer_and_loses_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let output = format!("{},queue-size=64KiB", tcp(port));
    let running = Unbraid::new()
        .options(["-o", &output])
        .python(
            "
from side import out, event
for number in range(100000):
    out(f'number {number} ' + 'x' * 100)
    if number % 1000 == 0: event('at', number)
event('done')
",
        )
        .start();
    let stream = accept(&listener);
    running.events.wait_for("at");
    // 14 MB are more than all buffers together take.
    assert!(running.events.of("done").is_empty());
    let mut counted = Counted::new(stream);
    for expected in 0..100_000 {
        let message = counted.next().expect("it goes on");
        let message = String::from_utf8(message).unwrap();
        assert_eq!(number(&message), Some(expected), "{message}");
    }
    running.end().assert_code(0);
}

/// One that drops is no hindrance to the file beside it, and what is there and what is told as dropped is all.
#[test]
fn a_receiver_that_does_not_read_loses_what_is_counted_and_holds_nobody_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let unbraid = Unbraid::new();
    let log = unbraid.log();
    let slow = format!(
        "{},queue-size=64KiB,stream=stdout,when-full=drop",
        tcp(port)
    );
    let mut running = unbraid
        .options(["-o", &slow, "-o"])
        .option(&log)
        .stdin(Stdio::piped())
        .python(COUNTS)
        .start();
    let stream = accept(&listener);
    // 14 MB are more than all buffers together take.
    running.tell("100000");
    wait::until_true("all in the file", || {
        let text = std::fs::read(&log).unwrap_or_default();
        text.split(|byte| *byte == b'\n')
            .filter(|line| line.starts_with(b"number "))
            .count()
            == 100_000
    });
    let told = format!(
        "{} takes no more; records for it are dropped until it does\n",
        tcp(port)
    );
    wait::until_true("it is told", || running.stderr().contains(&told));
    let reader = std::thread::spawn(move || Counted::new(stream).all());
    let ended = running.end();
    ended.assert_code(0);
    let there: BTreeSet<usize> = reader
        .join()
        .unwrap()
        .iter()
        .filter_map(|m| number(m))
        .collect();
    let pattern = regex::Regex::new(r"; (\d+) records \(\d+ bytes\) were dropped: ").unwrap();
    let stderr = ended.stderr();
    let dropped = pattern
        .captures_iter(&stderr)
        .map(|found| found[1].parse::<usize>().unwrap());
    assert_eq!(there.len() + dropped.sum::<usize>(), 100_000, "{stderr}");
}

/// Nor are several that are not there at all, however much all of them have waiting together.
#[test]
fn receivers_that_drop_never_hold_reading_up() {
    let unbraid = Unbraid::new();
    let log = unbraid.log();
    let mut running = unbraid
        .options(["--max-memory=16MiB", "--when-full=drop"])
        .options(["-o", &tcp(free_port()), "-o", &tcp(free_port()), "-o"])
        .option(&log)
        .stdin(Stdio::piped())
        .python(COUNTS)
        .start();
    running.tell("100000");
    let ended = running.end();
    ended.assert_code(0);
    let text = std::fs::read_to_string(&log).unwrap();
    let there = text.lines().filter(|line| line.starts_with("number "));
    assert_eq!(there.count(), 100_000);
    let begun = "takes no more; records for it are dropped until it does\n";
    assert_eq!(
        ended.stderr().matches(begun).count(),
        2,
        "{}",
        ended.stderr()
    );
}

#[test]
fn a_queue_on_disk_outlives_unbraid() {
    let port = free_port();
    let unbraid = Unbraid::new();
    let queue = unbraid.folder().join("queue");
    let output = format!("{},queue={}", tcp(port), queue.display());
    let mut running = unbraid
        .options(["-o", &output])
        .stdin(Stdio::piped())
        .python(COUNTS)
        .start();
    running.tell("100");
    let size = || -> u64 {
        let files = std::fs::read_dir(&queue).into_iter().flatten().flatten();
        files
            .filter_map(|file| file.metadata().ok())
            .map(|file| file.len())
            .sum()
    };
    wait::until_true("all is on disk", || size() > 100 * 200);
    let second = Unbraid::new().options(["-o", &output]).shell("true").run();
    second.assert_code(125);
    assert!(
        second
            .stderr()
            .ends_with("its queue: another unbraid uses this queue\n"),
        "{}",
        second.stderr()
    );
    running.signal(Signal::SIGKILL);
    wait::until_true("its end", || running.has_ended());
    let listener = listen(port);
    let next = Unbraid::new()
        .options(["-o", &output])
        .shell("echo more")
        .start();
    let messages = Counted::new(accept(&listener)).all();
    next.end().assert_code(0);
    let numbers: Vec<usize> = messages
        .iter()
        .filter_map(|message| number(message))
        .collect();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    assert!(messages.last().unwrap().ends_with("] more"), "{messages:?}");
    proc::end_tree(running.pid());
    // What was delivered does not come again.
    let last = Unbraid::new()
        .options(["-o", &output])
        .shell("echo last")
        .start();
    let messages = Counted::new(accept(&listener)).all();
    last.end().assert_code(0);
    assert_eq!(messages.len(), 1, "{messages:?}");
}

#[test]
fn a_local_socket_gets_what_syslog_would_send_and_long_messages_in_parts() {
    let unbraid = Unbraid::new();
    let path = unbraid.folder().join("log.socket");
    let receiver = Datagrams::bind(&path);
    // Without unbraid's own message, which nobody reads in the end.
    let output = format!("syslog+unix:{},stream=stdout", path.display());
    let running = unbraid
        .options(["--name", "shop", "-o", &output])
        .python(
            "
from side import out
out('a line')
out('y' * 300000)
out('the end')
",
        )
        .start();
    let mut texts: Vec<String> = Vec::new();
    while texts.last().is_none_or(|text| text != "the end") {
        let message = String::from_utf8(receiver.next().0).unwrap();
        let (header, text) = message.split_once("]: ").expect("a header");
        assert!(
            header.starts_with("<30>") && header.contains(" shop["),
            "{header}"
        );
        texts.push(text.to_owned());
    }
    assert_eq!(texts[0], "a line");
    assert!(texts.len() > 3, "one was too long for a datagram");
    assert_eq!(texts[1..texts.len() - 1].concat(), "y".repeat(300_000));
    let ended = running.end();
    ended.assert_code(0);
    assert!(
        ended
            .stderr()
            .contains("is too long for it; such messages are sent in parts\n"),
        "{}",
        ended.stderr()
    );
}

/// The fields of an entry in journald's protocol.
fn fields(entry: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut fields = Vec::new();
    let mut rest = entry;
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|b| matches!(b, b'=' | b'\n'))
            .expect("a name");
        let name =
            String::from_utf8(rest[..end].to_vec()).expect("an entry as the protocol has it");
        let after = &rest[end + 1..];
        let (value, more) = if rest[end] == b'=' {
            after.split_at(after.iter().position(|b| *b == b'\n').expect("a line"))
        } else {
            let len = u64::from_le_bytes(
                after[..8]
                    .try_into()
                    .expect("an entry as the protocol has it"),
            ) as usize;
            after[8..].split_at(len)
        };
        fields.push((name, value.to_vec()));
        rest = more
            .strip_prefix(b"\n")
            .expect("a newline behind each field");
    }
    fields
}

fn field(entry: &[u8], name: &str) -> String {
    let found = fields(entry).into_iter().find(|(key, _)| key == name);
    let value = found.unwrap_or_else(|| panic!("no {name}")).1;
    String::from_utf8(value).expect("an entry as the protocol has it")
}

#[test]
fn the_journal_gets_an_entry_for_each_record_and_a_file_for_a_long_one() {
    let unbraid = Unbraid::new();
    let path = unbraid.folder().join("journal.socket");
    let receiver = Datagrams::bind(&path);
    let output = format!("journald:{}", path.display());
    let running = unbraid
        .options(["--name", "shop", "-o", &output])
        .python(&format!("{TRACEBACK}\nout('y' * 900000)"))
        .start();
    let (line, _) = receiver.next();
    assert_eq!(field(&line, "MESSAGE"), "ready ü");
    assert_eq!(field(&line, "PRIORITY"), "6");
    assert_eq!(field(&line, "SYSLOG_IDENTIFIER"), "shop");
    let mut others = [receiver.next(), receiver.next()];
    // stdout and stderr have no order between them.
    others.sort_by_key(|(_, file)| *file);
    let [(traceback, as_file), (long, long_as_file)] = others;
    assert_eq!((as_file, long_as_file), (false, true));
    let message = field(&traceback, "MESSAGE");
    assert!(message.starts_with("Traceback (most") && message.ends_with("\nKeyError: 'card'"));
    assert!(message.lines().count() > 40);
    for (name, value) in [
        ("PRIORITY", "3"),
        ("UNBRAID_SLOT", "0"),
        ("UNBRAID_STREAM", "stderr"),
        ("EXCEPTION_TYPE", "KeyError"),
        ("CODE_FUNC", "deep"),
    ] {
        assert_eq!(field(&traceback, name), value);
    }
    assert_eq!(field(&long, "MESSAGE"), "y".repeat(900_000));
    running.end().assert_code(0);
}

#[test]
fn a_name_that_cannot_be_resolved_and_a_missing_socket_hold_nothing_up() {
    let unbraid = Unbraid::new();
    let socket = unbraid.folder().join("none");
    let ended = unbraid
        .options(["-o", "syslog+tcp://no-such-host.invalid:514"])
        .options(["-o".to_owned(), format!("journald:{}", socket.display())])
        .options(["-o", "-", "--drain-timeout", "100ms"])
        .shell("echo text; exit 7")
        .run();
    ended.assert_code(7);
    assert!(ended.stdout().lines().any(|line| line == "text"));
    let stderr = ended.stderr();
    assert!(
        stderr.contains("none: No such file or directory; its records are kept"),
        "{stderr}"
    );
    assert!(
        stderr.contains(" bytes were not taken by their destination"),
        "{stderr}"
    );
}

/// What one receiver had taken before it went away, of which nobody knows whether it did anything with it.
#[test]
fn what_is_in_doubt_when_unbraid_ends_is_sent_by_the_next_run() {
    let port = free_port();
    let unbraid = Unbraid::new();
    let queue = unbraid.folder().join("queue");
    let output = format!("{},queue={}", tcp(port), queue.display());
    let listener = listen(port);
    let mut running = unbraid
        .options(["-o", &output])
        .stdin(Stdio::piped())
        .python(COUNTS)
        .start();
    running.tell("100");
    let mut counted = Counted::new(accept(&listener));
    let sent: Vec<Vec<u8>> = (0..100)
        .map(|_| counted.next().expect("it goes on"))
        .collect();
    // The messages, and something before each.
    let length = sent.concat().len();
    wait::until_true("all is confirmed", || {
        let position = std::fs::read_to_string(queue.join("position")).unwrap_or_default();
        let offset = position.trim_end().rsplit(' ').next();
        offset
            .and_then(|at| at.parse().ok())
            .is_some_and(|at: usize| at > length)
    });
    drop((listener, counted));
    let told = "records are sent again, for they may not have arrived\n";
    wait::until_true("it is told", || running.stderr().contains(told));
    let ended = running.end();
    ended.assert_code(0);
    let listener = listen(port);
    let next = Unbraid::new()
        .options(["-o", &output])
        .shell("true")
        .start();
    let mut counted = Counted::new(accept(&listener));
    for message in sent {
        assert_eq!(counted.next(), Some(message), "byte for byte");
    }
    next.end().assert_code(0);
}
