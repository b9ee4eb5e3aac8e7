//! Whatever starts a process, and whatever it does to its descriptors: its output is complete and goes by its own PID.
//!
//! Each line says who wrote it: `LABEL PID`, or `LABEL STREAM PID`.

mod support;

use std::collections::BTreeMap;
use support::log::{self, Entry};
use support::programs::{Linked, program};
use support::python;
use support::unbraid::{Ended, Unbraid};

/// Runs it to its end and returns what was captured.
#[track_caller]
fn captured(unbraid: Unbraid) -> Vec<Entry> {
    let ended = unbraid.run();
    ended.assert_code(0);
    log::captured(&ended.log())
}

/// Every line must come from the process that it names, on the stream that it names; the labels are counted.
#[track_caller]
fn labels(entries: &[Entry]) -> BTreeMap<&str, usize> {
    let mut labels = BTreeMap::new();
    for entry in entries {
        let words: Vec<&str> = entry.message.split(' ').collect();
        assert_eq!(
            words.last().and_then(|pid| pid.parse().ok()),
            Some(entry.pid),
            "{entry:?}"
        );
        if let [_, stream, _] = words[..] {
            assert_eq!(stream, entry.stream, "{entry:?}");
        }
        assert!(!entry.shared, "{entry:?}");
        *labels.entry(words[0]).or_default() += 1;
    }
    labels
}

fn each_once<'a>(names: &[&'a str], count: usize) -> BTreeMap<&'a str, usize> {
    names.iter().map(|&name| (name, count)).collect()
}

/// The shell's own PID is wrong in a subshell; the kernel tells the right one.
const ME: &str = r#"
me() { read -r pid _ < /proc/self/stat; echo "$1 $2 $pid"; }
"#;

const SCRIPT: &str = r#"
me main stdout
me main-error stderr >&2
( me subshell stdout; me subshell-error stderr >&2 )
( ( me nested stdout ) )
echo a | { read -r _; me pipe-right stdout; }
{ me pipe-left stderr >&2; } | cat
value=$(me captured stdout; me in-substitution stderr >&2)
case $value in captured*) me substituted stdout;; *) exit 9;; esac
sh -c 'read -r pid _ < /proc/self/stat; echo "other stdout $pid"; echo "other-error stderr $pid" >&2'
sh -c 'read -r pid _ < /proc/self/stat; echo "joined stdout $pid"; echo "joined-error stdout $pid" >&2' 2>&1
sh -c 'read -r pid _ < /proc/self/stat; echo "crossed stderr $pid"; echo "crossed-error stdout $pid" >&2' 3>&1 1>&2 2>&3
me background stdout & wait
me again stdout
exec sh -c 'read -r pid _ < /proc/self/stat; echo "executed stdout $pid"; echo "executed-error stderr $pid" >&2'
"#;

#[test]
fn a_shell_script() {
    let entries = captured(Unbraid::logging_json().shell(&format!("{ME}{SCRIPT}")));
    let names = [
        "main",
        "main-error",
        "subshell",
        "subshell-error",
        "nested",
        "pipe-right",
        "pipe-left",
        "in-substitution",
        "substituted",
        "other",
        "other-error",
        "joined",
        "joined-error",
        "crossed",
        "crossed-error",
        "background",
        "again",
        "executed",
        "executed-error",
    ];
    assert_eq!(labels(&entries), each_once(&names, 1));
    let pid = |label: &str| {
        entries
            .iter()
            .find(|entry| entry.message.starts_with(label))
            .map(|entry| entry.pid)
    };
    assert_eq!(pid("main "), pid("executed "), "exec keeps the PID");
    assert_ne!(pid("main "), pid("subshell "));
}

#[test]
fn two_names_of_one_pipe_keep_their_order() {
    // After 2>&1 both descriptors are one pipe, in the subshell too: the order in it is the order of writing.
    let script =
        "( i=0; while [ $i -lt 200 ]; do echo out $i; echo err $i >&2; i=$((i + 1)); done ) 2>&1";
    let entries = captured(Unbraid::logging_json().shell(script));
    let expected: Vec<String> = (0..200)
        .flat_map(|i| [format!("out {i}"), format!("err {i}")])
        .collect();
    assert_eq!(
        entries
            .iter()
            .map(|entry| entry.message.clone())
            .collect::<Vec<_>>(),
        expected
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry.stream == "stdout" && !entry.shared)
    );
}

#[test]
fn other_descriptors_of_the_same_pipe_move_too() {
    // As a log file named /dev/stderr, opened before the fork.
    let entries = captured(Unbraid::logging_json().python(
        "
import os
from side import out
log = open('/dev/stderr', 'a', buffering=1)
copy = os.dup(1)
print('opened', 'stderr', os.getpid(), file=log)
for _ in range(3):
    if os.fork() == 0:
        print('opened', 'stderr', os.getpid(), file=log)
        os.write(copy, f'copied stdout {os.getpid()}\\n'.encode())
        out(f'plain stdout {os.getpid()}')
        os._exit(0)
    os.wait()
",
    ));
    assert_eq!(
        labels(&entries),
        BTreeMap::from([("opened", 4), ("copied", 3), ("plain", 3)])
    );
}

#[test]
fn python_subprocess() {
    let entries = captured(Unbraid::logging_json().python(
        "
import os, subprocess, sys
from side import out
out(f'main stdout {os.getpid()}')
who = 'import os; print(\"LABEL\", \"stdout\", os.getpid())'
def child(label, **more):
    subprocess.run([sys.executable, '-c', who.replace('LABEL', label)], check=True, **more)
child('plain')
child('with-all-closed', close_fds=True)
child('after-a-function', preexec_fn=lambda: None)
child('in-a-session', start_new_session=True)
subprocess.run('read -r pid _ < /proc/self/stat; echo shell stdout $pid', shell=True, check=True)
os.posix_spawn(sys.executable, [sys.executable, '-c', who.replace('LABEL', 'spawned')], os.environ); os.wait()
assert os.system('read -r pid _ < /proc/self/stat; echo system stdout $pid') == 0
taken = subprocess.run([sys.executable, '-c', who], check=True, capture_output=True, text=True).stdout
assert taken.startswith('LABEL stdout '), taken
",
    ));
    let names = [
        "main",
        "plain",
        "with-all-closed",
        "after-a-function",
        "in-a-session",
        "shell",
        "spawned",
        "system",
    ];
    assert_eq!(labels(&entries), each_once(&names, 1));
}

fn python_multiprocessing(method: &str) {
    // The child imports the main module, so it must be a file.
    let unbraid = Unbraid::logging_json();
    let file = unbraid.folder().join("app.py");
    let text = format!(
        "
import multiprocessing, os, sys
def work(number):
    os.write(1, f'worker stdout {{os.getpid()}}\\n'.encode())
    os.write(2, f'worker stderr {{os.getpid()}}\\n'.encode())
if __name__ == '__main__':
    context = multiprocessing.get_context('{method}')
    os.write(1, f'main stdout {{os.getpid()}}\\n'.encode())
    for _ in range(2):
        workers = [context.Process(target=work, args=(i,)) for i in range(4)]
        for worker in workers: worker.start()
        for worker in workers: worker.join()
        assert all(worker.exitcode == 0 for worker in workers)
"
    );
    std::fs::write(&file, text).expect("our own folder");
    let entries = captured(unbraid.command([python::interpreter().into(), file.into_os_string()]));
    assert_eq!(
        labels(&entries),
        BTreeMap::from([("main", 1), ("worker", 16)])
    );
    let mut pids: Vec<i32> = entries.iter().map(|entry| entry.pid).collect();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 9);
}

#[test]
fn python_multiprocessing_fork() {
    python_multiprocessing("fork");
}

#[test]
fn python_multiprocessing_spawn() {
    python_multiprocessing("spawn");
}

#[test]
fn python_multiprocessing_forkserver() {
    python_multiprocessing("forkserver");
}

fn whoami(linked: Linked) {
    let entries = captured(Unbraid::logging_json().command([program("whoami", linked)]));
    assert_eq!(
        labels(&entries),
        each_once(&["main", "forked", "spawned", "opened"], 2)
    );
}

#[test]
fn a_c_program() {
    whoami(Linked::Shared);
}

#[test]
fn musl_program() {
    whoami(Linked::Musl);
}

#[test]
fn musl_program_below_a_glibc_one() {
    let musl = program("whoami", Linked::Musl);
    let entries = captured(Unbraid::logging_json().command([
        "/bin/sh".into(),
        "-c".into(),
        "\"$0\"; :".into(),
        musl.into_os_string(),
    ]));
    assert_eq!(
        labels(&entries),
        each_once(&["main", "forked", "spawned", "opened"], 2)
    );
}

#[test]
fn the_streams_can_be_opened_again() {
    let script = format!(
        "{ME} me out stdout > /dev/stdout; me err stderr > /dev/stderr; (me child stderr > /proc/self/fd/2); me appended stdout >> /dev/stdout"
    );
    let entries = captured(Unbraid::logging_json().shell(&script));
    assert_eq!(
        labels(&entries),
        each_once(&["out", "err", "child", "appended"], 1)
    );
}

/// Gives up root, opens the streams again, forks, and executes another program.
const GIVE_UP_ROOT: &str = "
import os
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
def again(label):
    with open('/dev/stderr', 'w') as log: print(label, 'stderr', os.getpid(), file=log)
    with open('/dev/stdout', 'w') as log: print(label, 'stdout', os.getpid(), file=log)
again('main')
if os.fork() == 0:
    again('forked')
    os.execv('/bin/sh', ['sh', '-c', 'read -r pid _ < /proc/self/stat; echo executed stdout $pid; echo executed stderr $pid > /dev/stderr'])
assert os.wait()[1] == 0
";

#[test]
fn a_fork_on_a_small_stack() {
    let program = program("small_stack", Linked::Shared);
    let entries = captured(Unbraid::logging_json().command([program]));
    assert_eq!(labels(&entries), each_once(&["forked"], 1));
}

#[test]
fn root_given_up() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "only root can give up root"
    );
    let entries = captured(Unbraid::logging_json().python(GIVE_UP_ROOT));
    assert_eq!(
        labels(&entries),
        each_once(&["main", "forked", "executed"], 2)
    );
}

#[test]
fn a_static_program_is_captured_in_its_place() {
    // Nothing can be preloaded into it: what it writes goes by the pipe that it was given.
    let unbraid = Unbraid::logging_json();
    let events = unbraid.events().path().to_owned();
    let hold = program("hold", Linked::Static);
    let script = "echo before $$; \"$0\" \"$1\" < /dev/null; echo after $$";
    let ended: Ended = unbraid
        .command([
            "/bin/sh".into(),
            "-c".into(),
            script.into(),
            hold.into_os_string(),
            events.into_os_string(),
        ])
        .run();
    ended.assert_code(0);
    let entries = log::captured(&ended.log());
    let main = ended.events().all();
    assert_eq!(main.len(), 1, "{main:?}");
    let order: Vec<&str> = entries
        .iter()
        .map(|entry| entry.message.split(' ').next().expect("a word"))
        .collect();
    assert_eq!(order, ["before", "let", "after"]);
}

/// Ends a line only when it has got a third USR1.
const HALF_A_LINE: &str = "
import os, signal
from side import event, write
write(2, 'half ')
for _ in range(3):
    event('waits')
    signal.sigwait([signal.SIGUSR1])
write(2, 'and half\\n')
";

#[test]
fn a_search_for_others_that_finds_nobody_casts_no_doubt() {
    let mut unbraid = Unbraid::logging_json().python(HALF_A_LINE);
    // Blocked from the start: it would end the program before it waits.
    let block = "import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
os.execvp(sys.argv[1], sys.argv[1:])";
    unbraid = unbraid.under([
        support::python::interpreter().to_str().expect("UTF-8"),
        "-c",
        block,
    ]);
    let running = unbraid.start();
    for count in 1..=3 {
        running.events.wait_for_count("waits", count);
        running.signal(nix::sys::signal::Signal::SIGUSR1);
    }
    let ended = running.end();
    ended.assert_code(0);
    let [entry] = &log::captured(&ended.log())[..] else {
        panic!("{:?}", log::captured(&ended.log()));
    };
    assert_eq!(entry.message, "half and half");
    assert!(!entry.shared);
}
