//! With a controlling terminal: one Ctrl-C is one SIGINT, Ctrl-Z stops and `fg` goes on, and the server may read what is
//! typed.

mod support;

use nix::pty::openpty;
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use support::python;
use support::unbraid::{Running, Unbraid};
use support::{proc, wait};

/// A terminal, and everything that was printed on it.
struct Terminal {
    keys: File,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    /// Types this.
    fn type_keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("a terminal");
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        let shown = || self.shown.lock().expect("no panic").clone();
        let seen = wait::within(wait::LIMIT, || shown().contains(text).then_some(()));
        assert!(seen.is_some(), "{text:?} was not printed: {}", shown());
    }
}

fn watch(master: &OwnedFd) -> Arc<Mutex<String>> {
    let shown = Arc::new(Mutex::new(String::new()));
    let (text, mut source) = (
        Arc::clone(&shown),
        File::from(master.try_clone().expect("a descriptor")),
    );
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        // Ends with EIO when nobody has the terminal any more.
        while let Ok(count @ 1..) = source.read(&mut chunk) {
            text.lock()
                .expect("no panic")
                .push_str(&String::from_utf8_lossy(&chunk[..count]));
        }
    });
    shown
}

/// Starts this with a terminal of its own, as its controlling one.
fn on_terminal(unbraid: Unbraid, with_unbraid: bool) -> (Running, Terminal) {
    let pty = openpty(None, None).expect("a pseudo-terminal");
    let slave = || pty.slave.try_clone().expect("a descriptor");
    let unbraid = unbraid.stdin(slave()).stdout(slave()).stderr(slave());
    let running = if with_unbraid {
        unbraid.under(["setsid", "--ctty"]).start()
    } else {
        unbraid.start_without()
    };
    let shown = watch(&pty.master);
    (
        running,
        Terminal {
            keys: pty.master.into(),
            shown,
        },
    )
}

/// Counts INT and USR1; a line that is typed ends it.
const COUNTING: &str = "
import os, signal
from side import event, lines
signal.signal(signal.SIGINT, lambda *_: event('int'))
signal.signal(signal.SIGUSR1, lambda *_: event('usr1'))
event('up', os.getpid())
line = next(lines(), '')
event('typed', line)
print('thanks', flush=True)
os._exit(3)
";

#[test]
fn one_ctrl_c_is_one_sigint() {
    let (running, mut terminal) = on_terminal(Unbraid::new().python(COUNTING), true);
    running.events.wait_for("up");
    for count in 1..=2 {
        terminal.type_keys("\x03");
        running.events.wait_for_count("int", count);
        // Had a second one come, it would have come before this.
        running.signal(Signal::SIGUSR1);
        running.events.wait_for_count("usr1", count);
        assert_eq!(running.events.of("int").len(), count);
    }
    terminal.type_keys("hello\n");
    assert_eq!(running.events.wait_for("typed"), "hello");
    terminal.wait_for("thanks");
    running.end().assert_code(3);
}

#[test]
fn a_third_ctrl_c_kills() {
    let (running, mut terminal) = on_terminal(Unbraid::new().python(COUNTING), true);
    let server = running.events.wait_for_pid("up");
    for count in 1..=2 {
        terminal.type_keys("\x03");
        running.events.wait_for_count("int", count);
        // The server may be quicker than unbraid, and one that still waits is one with the next.
        wait::until_true("unbraid has read it", || {
            let pending = proc::status(running.pid(), "ShdPnd").expect("it runs");
            u64::from_str_radix(&pending, 16).expect("a mask") & 1 << ((Signal::SIGINT as i32) - 1)
                == 0
        });
    }
    assert!(proc::runs(server));
    terminal.type_keys("\x03");
    running.end().assert_code(128 + 9);
    assert!(!proc::runs(server));
}

#[test]
fn a_signal_that_was_sent_is_forwarded_on_a_terminal_too() {
    let (running, mut terminal) = on_terminal(Unbraid::new().python(COUNTING), true);
    running.events.wait_for("up");
    running.signal(Signal::SIGINT);
    running.events.wait_for("int");
    terminal.type_keys("end\n");
    running.end().assert_code(3);
}

fn process_group(pid: i32) -> i32 {
    nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(pid)))
        .expect("it runs")
        .as_raw()
}

#[test]
fn process_group_with_and_without_a_terminal() {
    let (running, mut terminal) = on_terminal(Unbraid::new().python(COUNTING), true);
    let server = running.events.wait_for_pid("up");
    assert_eq!(process_group(server), process_group(running.pid()));
    terminal.type_keys("end\n");
    running.end().assert_code(3);

    let running = Unbraid::new()
        .under(["setsid"])
        .stdin(std::process::Stdio::piped())
        .python(COUNTING)
        .start();
    let server = running.events.wait_for_pid("up");
    assert_eq!(process_group(server), server, "a group of its own");
    running.end().assert_code(3);
}

/// A job of an interactive shell.
fn in_a_shell() -> (Running, Terminal, String) {
    let unbraid = Unbraid::new();
    let file = unbraid.folder().join("server.py");
    let prelude = format!(
        "import sys; sys.path.insert(0, '{}')\n",
        python::folder("servers").display()
    );
    std::fs::write(&file, format!("{prelude}{COUNTING}")).expect("our own folder");
    let job = format!(
        "{} -- {} {}",
        support::unbraid::binary().display(),
        python::interpreter().display(),
        file.display()
    );
    let shell = [
        "setsid",
        "--ctty",
        "bash",
        "--norc",
        "--noprofile",
        "--noediting",
        "-i",
    ];
    let (running, terminal) = on_terminal(unbraid.variable("PS1", "ready> ").command(shell), false);
    terminal.wait_for("ready> ");
    (running, terminal, job)
}

fn is_stopped(pid: i32) -> bool {
    proc::stat(pid).is_some_and(|stat| stat.state == 'T')
}

#[test]
fn job_control() {
    let (running, mut terminal, job) = in_a_shell();
    terminal.type_keys(&format!("{job}; echo \"status $?\"\n"));
    let server = running.events.wait_for_pid("up");
    let unbraid = proc::stat(server).expect("it runs").parent;
    terminal.type_keys("\x1a");
    wait::until_true("both stopped", || is_stopped(server) && is_stopped(unbraid));
    terminal.wait_for("Stopped");
    terminal.type_keys("fg\n");
    wait::until_true("both go on", || !is_stopped(server) && !is_stopped(unbraid));
    terminal.type_keys("\x03");
    running.events.wait_for("int");
    terminal.type_keys("hello\n");
    assert_eq!(running.events.wait_for("typed"), "hello");
    terminal.wait_for("thanks");
    terminal.type_keys("echo \"status $?\"\n");
    terminal.wait_for("status 3");
    terminal.type_keys("exit 0\n");
    running.end().assert_code(0);
}

#[test]
fn a_pipeline_with_a_reader_that_uses_the_terminal() {
    // As `unbraid … | less`: the reader takes keys from the terminal while unbraid writes.
    let (running, mut terminal, job) = in_a_shell();
    let reader = "bash -c 'read -r key < /dev/tty; echo \"pressed $key\"; cat'";
    terminal.type_keys(&format!("{job} < /dev/null | {reader}\n"));
    terminal.type_keys("q\n");
    terminal.wait_for("pressed q");
    terminal.wait_for("thanks");
    terminal.type_keys("exit 0\n");
    running.end().assert_code(0);
}
