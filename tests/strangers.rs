//! Who cannot register, or has no business to: told of, marked, and not harmed.

mod support;

use nix::sys::signal::Signal;
use std::process::{Command, Stdio};
use support::programs::{Linked, program};
use support::unbraid::{Running, Unbraid};
use support::{log, proc, python, wait};

const SHARES: &str = "processes without a pipe of their own share another's: ";

/// The environment goes, and with it what was preloaded: the shell's child writes to its parent's pipe.
const WITHOUT_ENVIRONMENT: [&str; 5] = [
    "env",
    "-i",
    "/bin/sh",
    "-c",
    "(while read -r line; do echo \"$line\"; done); true",
];

#[test]
fn a_server_that_lost_the_object_is_told_of_while_it_runs() {
    let mut running = Unbraid::logging_json()
        .stdin(Stdio::piped())
        .command(WITHOUT_ENVIRONMENT)
        .start();
    let told = |running: &Running| {
        let said = log::said(&running.log());
        said.iter().any(|text| text.contains(SHARES))
    };
    running.tell("before");
    log::wait_for(&running.log(), "before");
    wait::until_true("it is told", || told(&running));
    running.tell("after");
    let ended = running.end();
    ended.assert_code(0);
    let entries = log::captured(&ended.log());
    assert!(!log::one(&entries, "before").shared);
    assert!(log::one(&entries, "after").shared);
}

#[test]
fn who_has_just_been_forked_is_no_sharer() {
    let running = Unbraid::logging_json()
        .command([program("lingers", Linked::Shared)])
        .start();
    running.events.wait_for("lingers");
    // A search for sharers.
    running.signal(Signal::SIGUSR1);
    let ended = running.end();
    ended.assert_code(0);
    assert_eq!(log::said(&ended.log()), [""; 0]);
    let [entry] = &log::captured(&ended.log())[..] else {
        panic!("{:?}", log::captured(&ended.log()));
    };
    assert!(!entry.shared && entry.message.starts_with("done"));
}

/// Has a grandchild that cannot send a pidfd, for want of a descriptor, and that its own parent reaps; then takes no TERM.
const HAS_A_GRANDCHILD: &str = "
import os, resource, signal
from side import event, out
if os.fork() == 0:
    resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
    pid = os.fork()
    if pid == 0:
        out('grandchild')
        os._exit(0)
    os.waitpid(pid, 0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
    out(f'reaped {pid}')
    os._exit(0)
os.wait()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
event('deaf')
while True: signal.pause()
";

/// A process with the PID that it is told (clone3(2), `set_tid`), which lives until its stdin ends.
const BYSTANDER: &str = "
import ctypes, os, signal, struct, sys
from side import event
pid = ctypes.c_int(int(sys.argv[1]))
words = [0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(pid), 1, 0]
arguments = struct.pack('11Q', *words)
libc = ctypes.CDLL(None, use_errno=True)
made = libc.syscall(435, arguments, len(arguments))
if made == 0:
    sys.stdin.read()
    os._exit(0)
event('bystander', made if made > 0 else -ctypes.get_errno())
if made > 0: os._exit(0 if os.waitpid(made, 0)[1] == 0 else 1)
";

#[test]
fn root_who_has_the_pid_of_one_that_has_ended_is_not_killed() {
    let unbraid = Unbraid::logging_json().options(["--stop-timeout", "1s"]);
    let events = unbraid.events().path().to_owned();
    let running = unbraid.python(HAS_A_GRANDCHILD).start();
    running.events.wait_for("deaf");
    let grandchild = log::wait_for(&running.log(), "grandchild").pid;
    log::wait_for(&running.log(), &format!("reaped {grandchild}"));
    let line = python::program(BYSTANDER);
    let mut bystander = Command::new(&line[0])
        .args(&line[1..])
        .arg(grandchild.to_string())
        .env("EVENTS", events)
        .stdin(Stdio::piped())
        .spawn()
        .expect("python");
    assert_eq!(running.events.wait_for_pid("bystander"), grandchild);
    running.signal(Signal::SIGTERM);
    running.end().assert_code(128 + 9);
    assert!(proc::runs(grandchild), "the bystander was killed");
    drop(bystander.stdin.take());
    assert!(bystander.wait().expect("a child").success());
}

/// A flood of datagrams that are no registrations, by the server itself: whoever knows the address can send them.
const FLOOD: &str = "
import os, socket
from side import event
name = os.environ['UNBRAID_PRELOAD_SOCKET'].split(':')[1]
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
    for _ in range(20000): sender.sendto(b'no registration', b'\\0' + name.encode())
";

#[test]
fn a_flood_at_the_address_fills_no_log_and_delays_no_end() {
    let ended = Unbraid::logging_json().python(FLOOD).run();
    ended.assert_code(0);
    let said = log::said(&ended.log());
    assert_eq!(said.len(), 30, "{said:?}");
    assert!(
        said.iter()
            .all(|text| text.contains("refused a registration"))
    );
}

/// In a folder without /proc, with descriptors of one pipe that differ in their flags.
const CHROOT: &str = "
import os, sys
from side import write
log = os.open('/dev/stderr', os.O_WRONLY | os.O_APPEND)
os.chroot(sys.argv[1])
for number in range(10):
    pid = os.fork()
    if pid == 0:
        write(2, f'one stderr {os.getpid()}\\n')
        write(log, f'two stderr {os.getpid()}\\n')
        os._exit(0)
    os.waitpid(pid, 0)
";

#[test]
fn root_in_a_chroot_without_proc_each_is_captured() {
    let unbraid = Unbraid::logging_json();
    let root = unbraid.folder().join("root");
    std::fs::create_dir(&root).expect("our own folder");
    let mut line = python::program(CHROOT);
    line.push(root.into_os_string());
    let ended = unbraid.command(line).run();
    ended.assert_code(0);
    let entries = log::captured(&ended.log());
    assert_eq!(entries.len(), 20);
    for entry in &entries {
        let pid = entry.message.rsplit(' ').next().expect("a word");
        assert_eq!(pid.parse(), Ok(entry.pid), "{entry:?}");
    }
}
