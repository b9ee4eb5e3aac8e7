//! What systemd hands to unbraid reaches the server, at every start.

mod support;

use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use support::gunicorn::Gunicorn;
use support::python;
use support::unbraid::Unbraid;
use support::{http, proc, wait};

/// Starts its arguments as systemd does: two listening sockets as descriptors 3 and 4, named by variables that hold its own
/// PID, which becomes that of the program it executes.
const ACTIVATE: &str = "
import os, socket
from side import event
# Above all that is in use: the two must not be overwritten before they are moved.
sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(2)]
high = [os.dup2(sock.fileno(), 20 + place) for place, sock in enumerate(sockets)]
for place, fd in enumerate(high): os.dup2(fd, 3 + place)
os.closerange(5, 30)
for place in range(2): event('socket', os.fstat(3 + place).st_ino)
event('activated', os.getpid())
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2', LISTEN_FDNAMES='web:admin', LISTEN_PIDFDID='7',
                  WATCHDOG_PID=str(os.getpid()), WATCHDOG_USEC='3000000')
os.execv(sys.argv[1], sys.argv[1:])
";

fn activated(unbraid: Unbraid) -> Unbraid {
    unbraid.under(python::program(ACTIVATE))
}

/// Says what it was handed, and waits for a signal.
const RECEIVE: &str = "
import os, signal
from side import event
names = ('LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID', 'WATCHDOG_USEC')
event('values', *(os.environ.get(name) for name in names))
event('mine', *(os.environ[name] == str(os.getpid()) for name in ('LISTEN_PID', 'WATCHDOG_PID')))
event('sockets', *(os.fstat(fd).st_ino for fd in (3, 4)), *(os.get_inheritable(fd) for fd in (3, 4)))
event('up', os.getpid())
signal.pause()
";

#[test]
fn descriptors_and_their_variables_are_the_server_s() {
    let unbraid =
        activated(Unbraid::new()).options(["--restart", "always", "--restart-delay", "1ms"]);
    let running = unbraid.python(RECEIVE).start();
    let sockets = running.events.wait_for_count("socket", 2).join(" ");
    assert_eq!(running.events.wait_for_pid("activated"), running.pid());
    for start in 1..=3 {
        let up = running.events.wait_for_count("up", start);
        for (word, expected) in [
            ("values", "2 web:admin None 3000000"),
            ("mine", "True True"),
            ("sockets", &format!("{sockets} True True")),
        ] {
            assert_eq!(
                running.events.of(word)[start - 1],
                expected,
                "{word}, start {start}"
            );
        }
        let pid = up[start - 1].parse().expect("a PID");
        assert_ne!(pid, running.pid());
        if start < 3 {
            proc::signal(pid, Signal::SIGKILL);
        }
    }
    running.signal(Signal::SIGTERM);
    running.end().assert_code(128 + 15);
}

#[test]
fn what_names_somebody_else_stays() {
    let ended = Unbraid::new()
        .variable("LISTEN_PID", "1")
        .variable("WATCHDOG_PID", "1")
        .shell("echo $LISTEN_PID $WATCHDOG_PID")
        .run();
    ended.assert_code(0);
    assert_eq!(ended.stdout(), "1 1\n");
}

/// Where systemd would listen for messages.
fn notify_socket(folder: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(folder.join("notify")).expect("our own folder");
    socket.set_read_timeout(Some(wait::LIMIT)).expect("a limit");
    socket
}

#[track_caller]
fn wait_for_message(socket: &UnixDatagram, word: &str) {
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).expect("a message");
        if String::from_utf8_lossy(&buffer[..length]).contains(word) {
            return;
        }
    }
}

#[test]
fn gunicorn_activated_by_a_socket_says_that_it_is_ready() {
    let unbraid =
        activated(Unbraid::new()).options(["--restart", "always", "--restart-delay", "1ms"]);
    let socket = notify_socket(unbraid.folder());
    let path: OsString = unbraid.folder().join("notify").into();
    let server = Gunicorn::sync(2).start(unbraid.variable("NOTIFY_SOCKET", path));
    wait_for_message(&socket, "READY=1");
    assert_eq!(server.get("/pid/1").status, 200);
    // The socket stays open between two servers: who connects meanwhile waits, and is served by the next.
    proc::signal(server.master, Signal::SIGKILL);
    let answer = http::get(server.port, "/pid/1").expect("an answer");
    assert_eq!(answer.status, 200);
    wait_for_message(&socket, "READY=1");
    let ready = server.running.events.wait_for_count("ready", 2);
    let (master, port) = ready[1].split_once(' ').expect("PID and port");
    assert_eq!(port, server.port.to_string());
    assert_ne!(master, server.master.to_string());
    // A worker that has not set its signals up yet would not see the stop, and gunicorn would wait for it.
    server.running.events.wait_for_count("worker", 4);
    server.running.signal(Signal::SIGTERM);
    server.running.end().assert_code(0);
}
