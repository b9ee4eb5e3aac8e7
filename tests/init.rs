//! unbraid is an init that the server does not notice: exit status, signals, orphans, and everything that is inherited.

mod support;

use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::log;
use support::programs::{Linked, program};
use support::unbraid::{Running, Unbraid, binary};
use support::{proc, wait};

#[test]
fn exit_status() {
    for status in [0, 1, 3, 7, 125, 126, 127, 200, 255] {
        Unbraid::new()
            .shell(&format!("exit {status}"))
            .run()
            .assert_code(status);
    }
}

#[test]
fn death_by_a_signal() {
    for (name, number) in [
        ("TERM", 15),
        ("KILL", 9),
        ("SEGV", 11),
        ("HUP", 1),
        ("USR1", 10),
        ("ABRT", 6),
    ] {
        Unbraid::new()
            .shell(&format!("kill -{name} $$"))
            .run()
            .assert_code(128 + number);
    }
}

/// Tells of every signal that it gets; ends when told so.
const COUNTING: &str = "
import os, signal
from side import event, lines, pause
def told(number, _):
    event('got', who, signal.Signals(number).name)
who = 'main'
for name in 'HUP INT QUIT TERM USR1 USR2 WINCH TTIN TTOU CONT TSTP'.split():
    signal.signal(getattr(signal, 'SIG' + name), told)
child = os.fork()
if child == 0:
    who = 'child'
    event('child', os.getpid())
    while True: pause()
event('main', os.getpid())
for line in lines():
    if line == 'ask the child': os.kill(child, signal.SIGUSR2)
    if line == 'end': break
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
os._exit(23)
";

fn counting(unbraid: Unbraid) -> Running {
    let running = unbraid.stdin(Stdio::piped()).python(COUNTING).start();
    running.events.wait_for("main");
    running.events.wait_for("child");
    running
}

#[test]
fn every_signal_goes_to_the_main_process_alone() {
    let mut running = counting(Unbraid::new());
    let signals = [
        Signal::SIGHUP,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGWINCH,
        Signal::SIGTTIN,
        Signal::SIGTTOU,
        Signal::SIGCONT,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGQUIT,
    ];
    let mut expected = Vec::new();
    for signal in signals {
        running.signal(signal);
        expected.push(format!("main {signal}"));
        assert_eq!(
            running.events.wait_for_count("got", expected.len()),
            expected
        );
    }
    // What the child gets next is all that it ever got.
    running.tell("ask the child");
    expected.push("child SIGUSR2".to_owned());
    assert_eq!(
        running.events.wait_for_count("got", expected.len()),
        expected
    );
    running.tell("end");
    running.end().assert_code(23);
}

#[test]
fn repeated_term_is_forwarded_and_not_escalated() {
    let mut running = counting(Unbraid::new());
    for count in 1..=10 {
        running.signal(Signal::SIGTERM);
        running.events.wait_for_count("got", count);
    }
    running.tell("end");
    running.end().assert_code(23);
}

#[test]
fn stop_signal_replaces_term_int_and_quit() {
    let mut running = counting(Unbraid::new().options(["--stop-signal", "USR2"]));
    for (count, signal) in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT]
        .into_iter()
        .enumerate()
    {
        running.signal(signal);
        assert_eq!(
            running.events.wait_for_count("got", count + 1)[count],
            "main SIGUSR2"
        );
    }
    running.tell("end");
    running.end().assert_code(23);
}

/// Ignores TERM; its descendants do so too, each in a session of its own.
const DEAF_TREE: &str = "
import os, signal, sys
from side import event
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for level in range(4):
    if os.fork() != 0: break
    os.setsid()
event('up', os.getpid())
while True: signal.pause()
";

#[test]
fn the_whole_tree_is_killed_at_the_deadline() {
    let running = Unbraid::new()
        .options(["--stop-timeout", "1s"])
        .python(DEAF_TREE)
        .start();
    running.events.wait_for_count("up", 5);
    let tree: Vec<i32> = proc::descendants(running.pid())
        .iter()
        .map(|stat| stat.pid)
        .collect();
    assert_eq!(tree.len(), 5);
    let sent = Instant::now();
    running.signal(Signal::SIGTERM);
    let (ended, took) = running.end_timed(sent);
    ended.assert_code(128 + 9);
    assert!(took >= Duration::from_secs(1), "{took:?}");
    assert!(!tree.into_iter().any(proc::runs));
}

/// Makes COUNT orphans that wait for the end of one pipe, `end`: they will end at once.
const ORPHANS: &str = "
import os, sys
from side import event, until
wait, end = os.pipe()
up, tell = os.pipe()
for _ in range(COUNT):
    if os.fork() == 0:
        if os.fork() == 0:
            os.close(end)
            os.write(tell, b'.')
            os.read(wait, 1)
            os._exit(0)
        os._exit(0)
    os.wait()
seen = 0
while seen < COUNT: seen += len(os.read(up, COUNT))
event('made', os.getppid())
sys.stdin.readline()
";

/// The orphans, and what their maker does when it is told to go on.
fn orphans(count: usize, then: &str) -> String {
    format!("{ORPHANS}{then}").replace("COUNT", &count.to_string())
}

#[test]
fn a_thousand_orphans_that_end_at_once_are_reaped() {
    const COUNT: usize = 1000;
    let program = orphans(COUNT, "os.close(end)\nsys.stdin.readline()");
    let unbraid = Unbraid::new().stdin(Stdio::piped());
    let mut running = unbraid.python(&program).start();
    assert_eq!(running.events.wait_for_pid("made"), running.pid());
    assert_eq!(proc::children(running.pid()).len(), COUNT + 1);
    running.tell("release");
    wait::until_true("the server as the only child", || {
        proc::children(running.pid()).len() == 1
    });
    running.tell("end");
    running.end().assert_code(0);
}

/// In a PID namespace of its own, where unbraid is process 1.
fn as_process_1(unbraid: Unbraid) -> Unbraid {
    unbraid.under(["unshare", "--fork", "--kill-child", "--pid", "--mount-proc"])
}

/// Looks into the /proc of its own namespace until nobody is left but process 1 and itself, no zombie either, and ends.
const LOOK_AROUND: &str = "
def others(): return {int(name) for name in os.listdir('/proc') if name.isdigit()} - {1, os.getpid()}
event('others', len(others()))
os.close(end)
until(lambda: not others())
print('end', os.getpid(), flush=True)
os._exit(9)
";

#[test]
fn root_process_1_of_a_container() {
    const COUNT: usize = 500;
    let unbraid = as_process_1(Unbraid::logging_json()).stdin(Stdio::piped());
    let mut running = unbraid.python(&orphans(COUNT, LOOK_AROUND)).start();
    assert_eq!(running.events.wait_for("made"), "1");
    running.tell("release");
    assert_eq!(running.events.wait_for("others"), COUNT.to_string());
    let ended = running.end();
    ended.assert_code(9);
    let entries = log::captured(&ended.log());
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].message, format!("end {}", entries[0].pid));
}

#[test]
fn root_process_1_forwards_signals_and_kills_at_the_deadline() {
    let running = as_process_1(Unbraid::new().options(["--stop-timeout", "1s"]))
        .python(DEAF_TREE)
        .start();
    running.events.wait_for_count("up", 5);
    let unbraid = proc::children(running.pid())[0].pid;
    let tree: Vec<i32> = proc::descendants(unbraid)
        .iter()
        .map(|stat| stat.pid)
        .collect();
    assert_eq!(tree.len(), 5);
    proc::signal(unbraid, Signal::SIGTERM);
    running.end().assert_code(128 + 9);
    assert!(!tree.into_iter().any(proc::runs));

    let running = as_process_1(Unbraid::new())
        .python(COUNTING)
        .stdin(Stdio::piped())
        .start();
    running.events.wait_for("child");
    running.events.wait_for("main");
    let unbraid = proc::children(running.pid())[0].pid;
    for (count, signal) in [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGUSR1]
        .into_iter()
        .enumerate()
    {
        proc::signal(unbraid, signal);
        assert_eq!(
            running.events.wait_for_count("got", count + 1)[count],
            format!("main {signal}")
        );
    }
}

/// What a program prints under unbraid and without it, both started the same way.
fn both(wrapper: &[&str], command: &[&str]) -> (String, String) {
    let run = |with: bool| {
        let mut line: Vec<std::ffi::OsString> = wrapper.iter().map(Into::into).collect();
        if with {
            line.extend([binary().into(), "--".into()]);
        }
        line.extend(command.iter().map(Into::into));
        // Started without the helper's own unbraid: the line holds it, or not.
        let ended = Unbraid::new()
            .variable("KEPT", "a b\tc")
            .command(line)
            .start_without()
            .end();
        ended.assert_code(0);
        (ended.stdout(), ended.stderr())
    };
    let ((with, said), (without, _)) = (run(true), run(false));
    assert_eq!(said, "", "unbraid says nothing of its own");
    assert!(!without.is_empty());
    (with, without)
}

#[track_caller]
fn assert_same(wrapper: &[&str], command: &[&str]) {
    let (with, without) = both(wrapper, command);
    assert_eq!(with, without, "{wrapper:?} {command:?}");
}

#[test]
fn signals_are_inherited_as_they_were() {
    // Ignored: HUP and USR1. Blocked: USR2. Everything else is as a shell leaves it, SIGPIPE too.
    let set = "import os, signal, sys
for number in range(1, 32):
    if number not in (signal.SIGKILL, signal.SIGSTOP): signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGUSR2])
os.execvp(sys.argv[1], sys.argv[1:])";
    let python = support::python::interpreter().to_str().expect("UTF-8");
    let show = [
        "grep",
        "-E",
        "^(Sig(Blk|Ign|Cgt)|NoNewPrivs|Seccomp|Cap.*):",
        "/proc/self/status",
    ];
    assert_same(&[python, "-c", set], &show);
    assert_same(&["nohup"], &show);
    assert_same(&[], &show);
}

#[test]
fn a_writer_to_a_closed_pipe_dies_of_sigpipe() {
    // As in any shell; a runtime that ignores SIGPIPE would hand that on.
    let ended = Unbraid::new()
        .command(["bash", "-c", "yes | head -n 1; exit ${PIPESTATUS[0]}"])
        .run();
    ended.assert_code(128 + 13);
}

#[test]
fn standard_input() {
    let mut running = Unbraid::new()
        .stdin(Stdio::piped())
        .command(["cat"])
        .start();
    running.stdin().write_all(b"one\ntwo\n").expect("cat reads");
    let ended = running.end();
    ended.assert_code(0);
    assert_eq!(ended.stdout(), "one\ntwo\n");
    assert_same(
        &["sh", "-c", "exec \"$@\" < /proc/cpuinfo", "sh"],
        &["sha256sum"],
    );
}

#[test]
fn umask_folder_limits_and_priority() {
    assert_same(
        &["sh", "-c", "umask 027; exec \"$@\"", "sh"],
        &["sh", "-c", "umask"],
    );
    assert_same(&["sh", "-c", "cd /usr/lib; exec \"$@\"", "sh"], &["pwd"]);
    assert_same(
        &[
            "prlimit",
            "--nofile=123:456",
            "--core=0",
            "--nproc=20000:20001",
        ],
        &["cat", "/proc/self/limits"],
    );
    assert_same(&["nice", "-n", "5"], &["nice"]);
    assert_same(&[], &["cat", "/proc/self/limits"]);
}

#[test]
fn descriptors() {
    let list = [
        "sh",
        "-c",
        "cd /proc/self/fd; for fd in *; do test -e $fd && echo $fd; done; :",
    ];
    assert_same(&[], &list);
    assert_same(
        &[
            "sh",
            "-c",
            "exec 3< /etc/passwd 7> /dev/null; exec \"$@\"",
            "sh",
        ],
        &list,
    );
    assert_same(
        &["sh", "-c", "exec 3< /etc/passwd; exec \"$@\"", "sh"],
        &["sh", "-c", "cat <&3"],
    );
}

/// The variables, but for the one that names each call's own file.
fn environment(text: &str) -> BTreeMap<&str, &str> {
    let entries = text.split('\0').filter_map(|entry| entry.split_once('='));
    entries.filter(|(name, _)| *name != "EVENTS").collect()
}

#[test]
fn environment_but_for_two_things() {
    let (with, without) = both(&[], &["env", "-0"]);
    let (mut with, without) = (environment(&with), environment(&without));
    let preload = with.remove("LD_PRELOAD").expect("the object");
    with.retain(|name, _| !name.starts_with("UNBRAID_"));
    assert_eq!(with, without);
    assert_eq!(with["KEPT"], "a b\tc");
    assert_eq!(preload.split([':', ' ']).count(), 1, "{preload}");
    assert!(
        fs::metadata(preload).is_ok_and(|object| object.is_file() && object.len() < 65536),
        "{preload}"
    );
}

#[test]
fn a_preload_of_the_user_s_is_kept() {
    let (with, without) = both(
        &["env", "LD_PRELOAD=libm.so.6 libdl.so.2"],
        &["sh", "-c", "echo $LD_PRELOAD"],
    );
    assert_eq!(without, "libm.so.6 libdl.so.2\n");
    let all: Vec<&str> = with.trim_end().split([':', ' ']).collect();
    assert_eq!(all.len(), 3, "{with}");
    let users: Vec<&&str> = all.iter().filter(|name| name.starts_with("lib")).collect();
    assert_eq!(users, [&"libm.so.6", &"libdl.so.2"]);
}

#[test]
fn no_capture_changes_nothing() {
    let (with, without) = both(&["env", "UNBRAID_CAPTURE=none"], &["env", "-0"]);
    let (mut with, mut without) = (environment(&with), environment(&without));
    for variables in [&mut with, &mut without] {
        variables.remove("UNBRAID_CAPTURE");
    }
    assert_eq!(with, without);
    let ended = Unbraid::new()
        .options(["--capture", "none"])
        .shell("echo out; echo err >&2; readlink /proc/self/fd/1; exit 4")
        .run();
    ended.assert_code(4);
    assert_eq!(
        ended.stdout(),
        format!("out\n{}\n", ended.file("stdout").display())
    );
    assert_eq!(ended.stderr(), "err\n");
}

#[test]
fn unbuffered_is_for_python() {
    let unset = ["env", "-u", "PYTHONUNBUFFERED"];
    let show = "echo \"<$PYTHONUNBUFFERED>\"";
    let with = Unbraid::new()
        .under(unset)
        .option("--unbuffered")
        .shell(show);
    assert_eq!(with.run().stdout(), "<1>\n");
    assert_eq!(
        Unbraid::new().under(unset).shell(show).run().stdout(),
        "<>\n"
    );
}

#[test]
fn an_upgrade_is_followed_where_the_program_was_replaced_before() {
    let unbraid = Unbraid::new();
    let path = unbraid.folder().join("server");
    let install = || {
        let fresh = path.with_extension("new");
        let copied = Command::new("cp")
            .arg(program("upgrade", Linked::Shared))
            .arg(&fresh)
            .status();
        assert!(copied.expect("cp is needed").success());
        fs::rename(&fresh, &path).expect("our own folder");
    };
    install();
    let running = unbraid.command([&path]).start();
    let old = running.events.wait_for_pid("main");
    install();
    running.signal(Signal::SIGUSR2);
    let mains = running.events.wait_for_count("main", 2);
    let new: i32 = mains[1].parse().expect("a PID");
    proc::signal(old, Signal::SIGTERM);
    wait::until_true("the end of the old one", || !proc::runs(old));
    // Had the old one's end been the server's, this would end too, and not by a signal that the new one takes.
    running.signal(Signal::SIGUSR2);
    running.events.wait_for_count("main", 3);
    assert!(proc::runs(new));
    running.signal(Signal::SIGTERM);
    running.end().assert_code(0);
}
