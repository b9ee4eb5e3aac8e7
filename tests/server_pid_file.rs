//! A server whose main process is another one later, as its PID file says.

mod support;

use nix::sys::signal::Signal;
use support::unbraid::{Running, Unbraid};
use support::{log, proc, wait};

/// Puts itself into the background as daemons do: forks twice, and the PID file comes after its parents' end.
const DAEMON: &str = "
import os, signal, sys
from side import event, out
file = os.environ['FILE']
out('starting')
first = os.getpid()
reader, writer = os.pipe()
if os.fork() != 0: os._exit(0)
os.setsid()
if os.fork() != 0: os._exit(0)
os.close(writer)
def told(number, _):
    event('got', signal.Signals(number).name)
    if number == signal.SIGTERM: os._exit(5)
for name in ('HUP', 'TERM', 'USR2'): signal.signal(getattr(signal, 'SIG' + name), told)
def runs(pid):
    try:
        with open(f'/proc/{pid}/stat') as stat: return stat.read().rsplit(')')[1].split()[0] != 'Z'
    except FileNotFoundError: return False
from side import pause, until
until(lambda: not runs(first))
event('up', os.getpid())
if file:
    with open(file + '.new', 'w') as new: new.write(os.environ.get('NAMES') or str(os.getpid()) + '\\n')
    os.rename(file + '.new', file)
out('serving')
while True: pause()
";

fn daemon(options: &[&str], names: &str) -> Running {
    let unbraid = Unbraid::logging_json();
    let file = unbraid.folder().join("server.pid");
    unbraid
        .option("--server-pid-file")
        .option(file.clone())
        .options(options.to_vec())
        .variable("FILE", file)
        .variable("NAMES", names)
        .python(DAEMON)
        .start()
}

#[test]
fn a_server_in_the_background_is_followed() {
    for capture in ["auto", "none"] {
        let running = daemon(&["--capture", capture], "");
        let server = running.events.wait_for_pid("up");
        let follows = format!("process {server} follows ");
        wait::until_true("it is followed", || running.stderr().contains(&follows));
        // From now on it is the one that gets the signals, and whose end is the end.
        running.signal(Signal::SIGHUP);
        running.events.wait_for("got");
        running.signal(Signal::SIGTERM);
        assert_eq!(
            running.events.wait_for_count("got", 2),
            ["SIGHUP", "SIGTERM"]
        );
        let ended = running.end();
        ended.assert_code(5);
        if capture == "auto" {
            let entries = log::captured(&ended.log());
            assert_eq!(log::one(&entries, "serving").pid, server);
        }
    }
}

#[test]
fn a_stop_that_comes_in_between_is_the_new_one_s() {
    let running = daemon(&[], "");
    // The first process is gone, or about to be; whoever is the main one gets it.
    running.events.wait_for("up");
    running.signal(Signal::SIGTERM);
    let ended = running.end();
    ended.assert_code(5);
    assert_eq!(ended.events().of("got"), ["SIGTERM"]);
}

#[test]
fn who_is_named_and_is_not_the_server_s_is_not_followed() {
    let own = std::process::id().to_string();
    // All at once, since each waits for a better name.
    let names = ["1", "0", "nobody", own.as_str()];
    let started = names.map(|names| daemon(&[], names));
    for running in started {
        let server = running.events.wait_for_pid("up");
        let ended = running.end();
        ended.assert_code(0);
        wait::until_true("the daemon is gone", || !proc::runs(server));
    }
}

#[test]
fn a_crash_is_no_upgrade_though_the_file_names_the_dead_one() {
    let unbraid = Unbraid::new();
    let file = unbraid.folder().join("server.pid");
    let running = unbraid
        .option("--server-pid-file")
        .option(file.clone())
        .options(["--restart=on-failure", "--restart-delay=1ms"])
        .shell(&format!(
            "echo $$ > {}; sleep 1000 & echo up $$ >> \"$EVENTS\"; wait",
            file.display()
        ))
        .start();
    let first = running.events.wait_for_pid("up");
    proc::signal(first, Signal::SIGKILL);
    let both = running.events.wait_for_count("up", 2);
    assert_ne!(both[0], both[1]);
    assert!(!running.stderr().contains("follows"));
    wait::until_true("one server with one child", || {
        proc::descendants(running.pid()).len() == 2
    });
    running.signal(Signal::SIGTERM);
    running.end().assert_code(143);
}
