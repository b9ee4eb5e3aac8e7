//! The control socket: where it lies, who may use it, and that clients without manners disturb nothing.

mod support;

use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use support::ctl::{self, controlled};
use support::programs::{Linked, program};
use support::unbraid::{Running, Unbraid};
use support::verify::{self, Manifest};
use support::{log, proc, python, wait};

#[test]
fn the_default_folder_is_made_and_what_is_in_it_found() {
    let session = tempfile::tempdir().expect("a folder");
    let start = |name: &str| {
        let running = Unbraid::new()
            .options(["--name", name])
            .variable("XDG_RUNTIME_DIR", session.path());
        let running = running
            .shell("echo up >> $EVENTS; read line")
            .stdin(Stdio::piped())
            .start();
        running.events.wait_for("up");
        running
    };
    let ask =
        || ctl::answer(ctl::call(["status", "--json"]).env("XDG_RUNTIME_DIR", session.path()));
    let one = start("one");
    let folder = session.path().join("unbraid");
    let path = |name: &str, pid: i32| folder.join(format!("{name}-{pid}.sock"));
    assert_eq!(fs::metadata(&folder).expect("made").mode() & 0o777, 0o700);
    let socket = fs::metadata(path("one", one.pid())).expect("made");
    assert!(socket.file_type().is_socket() && socket.mode() & 0o777 == 0o600);
    assert!(ask().stdout.contains("\"name\":\"one\""));
    let two = start("two");
    let several = ask();
    assert_eq!((several.code, several.stdout.as_str()), (Some(1), ""));
    for running in [("one", &one), ("two", &two)] {
        let path = path(running.0, running.1.pid());
        let line = format!(
            "{} (PID {}): {}",
            running.0,
            running.1.pid(),
            path.display()
        );
        assert!(several.stderr.contains(&line), "{several:?}");
    }
    one.end().assert_code(1);
    assert!(ask().stdout.contains("\"name\":\"two\""));
    two.end();
    assert_eq!(fs::read_dir(&folder).expect("it stays").count(), 0);
}

#[test]
fn without_a_socket() {
    let session = tempfile::tempdir().expect("a folder");
    // Somebody else could write there.
    let folder = session.path().join("unbraid");
    fs::create_dir(&folder).expect("our own folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("our own folder");
    for control in ["none", ""] {
        let unbraid = Unbraid::new()
            .options(["--name", "without"])
            .variable("XDG_RUNTIME_DIR", session.path());
        unbraid
            .variable("UNBRAID_CONTROL", control)
            .shell("true")
            .run()
            .assert_code(0);
        assert_eq!(fs::read_dir(&folder).expect("it stays").count(), 0);
    }
}

#[test]
fn a_place_is_taken_only_from_the_dead() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let unbraid = || Unbraid::new().option("--control").option(&path);
    let refused = || unbraid().shell("echo started >> $EVENTS").run();
    let first = unbraid()
        .shell("echo up >> $EVENTS; read line")
        .stdin(Stdio::piped())
        .start();
    first.events.wait_for("up");
    let second = refused();
    second.assert_code(125);
    assert!(second.stderr().contains("another unbraid answers there"));
    assert!(second.events().all().is_empty());
    assert_eq!(
        ctl::answer(ctl::call(["status"]).env("UNBRAID_CONTROL", &path)).code,
        Some(0)
    );
    // Killed, it leaves its socket behind.
    first.signal(Signal::SIGKILL);
    first.end();
    assert!(path.exists());
    refused().assert_code(0);
    assert!(!path.exists());
    fs::write(&path, "mine").expect("our own folder");
    let third = refused();
    third.assert_code(125);
    assert!(third.stderr().contains("no socket") && third.events().all().is_empty());
    assert_eq!(fs::read_to_string(&path).expect("it stays"), "mine");
}

#[test]
fn root_another_user_is_turned_away() {
    let running = controlled(Unbraid::new())
        .shell("echo up >> $EVENTS; read line")
        .stdin(Stdio::piped())
        .start();
    running.events.wait_for("up");
    let as_nobody = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
        // A copy that anybody may execute, wherever the build lies.
        let copy = running.folder().join("unbraidctl");
        if !copy.exists() {
            fs::copy(ctl::unbraidctl(), &copy).expect("our own folder");
        }
        command
            .arg(copy)
            .args(["--control"])
            .arg(running.socket())
            .arg("status");
        ctl::answer(&mut command)
    };
    assert_eq!(
        fs::metadata(running.socket()).expect("made").mode() & 0o777,
        0o600
    );
    let answer = as_nobody();
    assert_eq!(answer.code, Some(1));
    assert!(answer.stderr.contains("Permission denied"), "{answer:?}");
    // Where somebody has opened the file to all, unbraid itself looks who it is.
    fs::set_permissions(running.socket(), fs::Permissions::from_mode(0o666)).expect("our own file");
    let answer = as_nobody();
    assert_eq!(answer.code, Some(1));
    assert!(answer.stderr.contains("only root"), "{answer:?}");
    assert_eq!(running.ctl("status").code, Some(0));
}

/// Each kind of bad manners, on a connection of its own. What is returned stays open.
fn bad_manners(running: &Running, number: usize) -> UnixStream {
    let mut stream = running.connect();
    // unbraid may close at any time: that is not this test's matter.
    match number % 6 {
        0 => {}
        1 => drop(stream.write_all(b"{\"v\":1,\"do\":\"sta")),
        2 => drop(stream.write_all(&vec![b'x'; 100_000])),
        3 => drop(stream.write_all(b"\0\xff\n{}\n[[[[\n")),
        // Answers that nobody reads.
        4 => drop(stream.write_all(&b"{\"v\":1,\"do\":\"status\"}\n".repeat(1000))),
        _ => drop(stream.write_all(b"{\"v\":1,\"do\":\"logs\",\"follow\":true}\n")),
    }
    stream
}

#[test]
fn a_hundred_clients_without_manners_disturb_nothing() {
    let unbraid = controlled(Unbraid::logging_json());
    let manifest = unbraid.folder().join("manifest");
    let go = unbraid.folder().join("go");
    let mut line = vec!["/bin/sh".into(), "-c".into()];
    line.push(
        "echo up >> $EVENTS; while ! [ -e \"$1\" ]; do sleep 0.01; done; shift; exec \"$@\"".into(),
    );
    line.extend([
        "sh".into(),
        go.clone().into_os_string(),
        program("load", Linked::Shared).into_os_string(),
    ]);
    let load = "--workers 32 --generations 3 --records 100 --sizes mixed --tracebacks 12 --stream both --manifest";
    line.extend(load.split(' ').map(Into::into));
    line.push(manifest.clone().into_os_string());
    let running = unbraid.command(line).start();
    running.events.wait_for("up");
    let before = proc::peak_memory(running.pid());
    let clients: Vec<UnixStream> = (0..100)
        .map(|number| bad_manners(&running, number))
        .collect();
    fs::write(&go, "").expect("our own folder");
    wait::until_true("the load has begun", || {
        fs::metadata(running.log()).is_ok_and(|data| data.len() > 0)
    });
    let grown = proc::peak_memory(running.pid()) - before;
    // Some leave in the midst of it.
    drop(clients);
    wait::until_true("somebody with manners is served, or it is over", || {
        running.ctl("status").code == Some(0) || !running.socket().exists()
    });
    let ended = running.end();
    ended.assert_code(0);
    verify::json(&Manifest::read(&manifest), &ended.log()).assert_whole();
    // What waits for all clients is 8 MiB at the most; the first records of the load are in this too.
    assert!(grown < 32 << 20, "{grown} bytes more");
}

#[test]
fn descriptors_come_back() {
    let running = controlled(Unbraid::new())
        .shell("echo up >> $EVENTS; read line")
        .stdin(Stdio::piped())
        .start();
    running.events.wait_for("up");
    let before = proc::descriptors(running.pid());
    for round in 0..3 {
        let clients: Vec<UnixStream> = (0..100)
            .map(|number| bad_manners(&running, number + round))
            .collect();
        wait::until_true("many are let in", || {
            proc::descriptors(running.pid()) > before + 30
        });
        drop(clients);
        wait::until_true("all descriptors are back", || {
            proc::descriptors(running.pid()) <= before
        });
        assert_eq!(running.ctl("status").code, Some(0));
    }
}

#[test]
fn what_is_no_request_is_answered_once() {
    let running = controlled(Unbraid::new())
        .shell("echo up >> $EVENTS; read line")
        .stdin(Stdio::piped())
        .start();
    running.events.wait_for("up");
    let long = [&vec![b'x'; 5000][..], b"\n"].concat();
    for (line, why) in [
        (&b"hello\n"[..], "not a request"),
        (b"{\"v\":2,\"do\":\"status\"}\n", "version 2"),
        (b"{\"v\":1,\"do\":\"explode\"}\n", "names nothing"),
        (&long, "at most 4096 bytes"),
    ] {
        let mut stream = running.connect();
        stream.write_all(line).expect("unbraid reads");
        let answer = String::from_utf8(ctl::rest(stream)).expect("text");
        assert_eq!(answer.lines().count(), 1, "{answer}");
        let answer: Value = serde_json::from_str(&answer).expect("an object");
        assert_eq!(answer["v"], 1);
        assert!(
            answer["error"].as_str().expect("an error").contains(why),
            "{answer}"
        );
    }
    // Fields that are not known are no fault, and several requests may come on one connection.
    let mut stream = running.connect();
    stream
        .write_all(b"{\"v\":1,\"do\":\"status\",\"new\":[]}\n{\"v\":1,\"do\":\"status\"}\n")
        .expect("unbraid reads");
    stream
        .shutdown(std::net::Shutdown::Write)
        .expect("our own socket");
    let answers = String::from_utf8(ctl::rest(stream)).expect("text");
    assert_eq!(
        answers
            .lines()
            .filter(|line| line.starts_with("{\"v\":1,\"status\":{"))
            .count(),
        2
    );
}

#[test]
fn too_many_clients_are_told_so() {
    let running = controlled(Unbraid::new())
        .shell("echo up >> $EVENTS; read line")
        .stdin(Stdio::piped())
        .start();
    running.events.wait_for("up");
    let clients: Vec<UnixStream> = (0..64).map(|_| running.connect()).collect();
    let refused = ctl::rest(running.connect());
    assert_eq!(
        String::from_utf8_lossy(&refused),
        "{\"v\":1,\"error\":\"too many clients are connected\"}\n"
    );
    assert_eq!(running.ctl("status").code, Some(1));
    drop(clients);
    wait::until_true("there is room again", || {
        running.ctl("status").code == Some(0)
    });
}

/// What a follower got: each record's number stands where it should, counting those that it was told to have lost.
#[derive(Debug, Default)]
struct Got {
    seen: u64,
    lost: u64,
    over: bool,
}

impl Got {
    fn take(&mut self, line: &Value) {
        if let Some(count) = line["dropped"].as_u64() {
            self.lost += count;
            return;
        }
        let message = line["message"].as_str().expect("a record");
        let number: Option<u64> = message.split(' ').next().and_then(|n| n.parse().ok());
        match number {
            Some(number) => {
                assert_eq!(self.seen + self.lost, number);
                self.seen += 1;
            }
            None => self.over = true,
        }
    }
}

const FLOOD: &str = "
import sys
from side import event, write
event('up')
sys.stdin.readline()
for number in range(int(sys.argv[1])):
    write(1, f'{number} ' + 'x' * 200 + '\\n')
sys.stdin.readline()
write(1, 'the last line\\n')
sys.stdin.readline()
";

#[test]
fn a_reader_that_stands_still_loses_records_and_is_told() {
    let count: u64 = 20_000;
    let mut command = python::program(FLOOD);
    command.push(count.to_string().into());
    let unbraid = controlled(Unbraid::logging_json()).command(command);
    let mut running = unbraid.stdin(Stdio::piped()).start();
    running.events.wait_for("up");
    let mut follower = running.connect();
    follower
        .write_all(b"{\"v\":1,\"do\":\"logs\",\"follow\":true}\n")
        .expect("unbraid reads");
    // An answer on another connection: what was sent before it has been read, and the data plane has it.
    assert_eq!(running.ctl("status").code, Some(0));
    assert_eq!(running.ctl("status").code, Some(0));
    running.tell("go");
    log::wait_for(&running.log(), &format!("{} ", count - 1));
    // Only now it is read: the loss is told where it was, and then it goes on.
    let mut got = Got::default();
    let mut lines = BufReader::new(follower).lines();
    while !got.over {
        let line = lines.next().expect("unbraid goes on").expect("text");
        got.take(&serde_json::from_str(&line).expect("an object"));
        if got.lost > 0 && got.seen + got.lost == count {
            running.tell("the last");
        }
    }
    assert!(got.lost > 0 && got.seen + got.lost == count, "{got:?}");
}
