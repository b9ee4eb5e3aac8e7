//! unbraidctl: what it shows is what was counted, and what it asks for is done.

mod support;

use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use support::ctl::{self, Following, controlled};
use support::unbraid::{Running, Unbraid};
use support::{log, proc, python, wait};

/// Workers that write a line at each USR2, and numbers of lines at their start: `worker N` lines by worker N.
const WORKERS: &str = "
import os, signal
from side import event, out, pause
def told(*_): event('main', 'told')
signal.signal(signal.SIGHUP, lambda *_: event('hup'))
signal.signal(signal.SIGUSR1, lambda *_: event('usr1'))
for number in range(1, 4):
    if os.fork() == 0:
        written = 0
        def write(*_):
            global written
            written += 1
            out(f'worker {number} line {written}')
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, write)
        for _ in range(number):
            write()
        event('worker', os.getpid())
        while True:
            pause()
event('main', os.getpid())
while True:
    pause()
";

/// A server with its workers, all of which have written their first lines, and all of those are in the log.
fn workers(unbraid: Unbraid) -> (Running, BTreeMap<i32, u64>) {
    let running = unbraid.python(WORKERS).start();
    running.events.wait_for_pid("main");
    let pids = running.events.wait_for_count("worker", 3);
    for line in ["worker 1 line 1", "worker 2 line 2", "worker 3 line 3"] {
        log::wait_for(&running.log(), line);
    }
    let mut counts = BTreeMap::new();
    for entry in log::entries(&running.log()) {
        *counts.entry(entry.pid).or_default() += 1;
    }
    assert_eq!(counts.len(), pids.len());
    (running, counts)
}

fn rows(status: &Value) -> &Vec<Value> {
    status["processes"].as_array().expect("a list")
}

fn pid_of(row: &Value) -> i32 {
    i32::try_from(row["pid"].as_i64().expect("a number")).expect("a PID")
}

#[test]
fn status_counts_what_each_process_wrote() {
    let (running, counted) = workers(controlled(Unbraid::logging_json()));
    let main = running.events.wait_for_pid("main");
    let status = running.status();
    assert_eq!(status["state"], "up");
    assert_eq!(status["pid"], running.pid());
    let entries = log::entries(&running.log());
    assert_eq!(status["records"], entries.len());
    let first = &rows(&status)[0];
    assert_eq!(
        (pid_of(first), &first["role"], &first["slot"]),
        (main, &"main".into(), &0.into())
    );
    let workers: Vec<&Value> = rows(&status)[1..].iter().collect();
    assert_eq!(workers.len(), counted.len());
    let table = running.ctl("status");
    assert_eq!(table.code, Some(0));
    for row in workers {
        let pid = pid_of(row);
        let own: Vec<_> = entries.iter().filter(|entry| entry.pid == pid).collect();
        let bytes: usize = own.iter().map(|entry| entry.message.len() + 1).sum();
        assert_eq!(row["records"], counted[&pid]);
        assert_eq!(row["bytes"], bytes);
        assert_eq!(row["slot"], own[0].slot);
        assert_eq!(
            row["last"].as_str(),
            own.last().expect("a line").time.as_deref()
        );
        assert_eq!(
            (&row["role"], &row["shared"]),
            (&"worker".into(), &false.into())
        );
        assert!(row["memory"].as_u64().expect("seen in /proc") > 1 << 20);
        assert_eq!(
            shown(&table.stdout, pid),
            [
                &own[0].slot.to_string(),
                "worker",
                "running",
                &counted[&pid].to_string(),
                &bytes.to_string(),
                "B"
            ]
        );
    }
}

/// What a process's line in the table says but for times and memory.
#[track_caller]
fn shown(table: &str, pid: i32) -> Vec<&str> {
    let lines = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines
        .into_iter()
        .find(|words| words.get(1) == Some(&pid.to_string().as_str()));
    let words = line.unwrap_or_else(|| panic!("{pid} in {table}"));
    [0, 2, 4, 5, 6, 7].map(|column| words[column]).to_vec()
}

#[test]
fn tasks_are_done() {
    let (running, _) = workers(controlled(Unbraid::logging_json()));
    let reload = running.ctl("reload");
    assert_eq!(
        (reload.code, reload.stdout.as_str()),
        (Some(0), "reload: accepted\n")
    );
    running.events.wait_for("hup");
    let moved = running.folder().join("moved");
    fs::rename(running.log(), &moved).expect("our own folder");
    assert_eq!(running.ctl("reopen").code, Some(0));
    running.events.wait_for("usr1");
    wait::until_true("the log at its place again", || running.log().exists());
    assert_eq!(running.ctl("stop").code, Some(0));
    let socket = running.socket();
    running.end().assert_code(128 + Signal::SIGTERM as i32);
    assert!(!socket.exists());
}

#[test]
fn a_restart_is_waited_for() {
    let (running, _) = workers(controlled(Unbraid::logging_json()));
    let before = running.events.wait_for_pid("main");
    let restart = running.ctl("restart");
    assert_eq!(
        (restart.code, restart.stdout.as_str()),
        (Some(0), "restart: done\n")
    );
    let status = running.status();
    assert_eq!(
        (&status["state"], &status["restarts"]),
        (&"up".into(), &1.into())
    );
    assert_ne!(pid_of(&rows(&status)[0]), before);
    assert!(!proc::runs(before));
}

#[test]
fn instances_have_each_their_state() {
    let unbraid = controlled(Unbraid::logging_json()).options([
        "--instances",
        "2",
        "--restart",
        "always",
        "--restart-delay",
        "1h",
        "--restart-max-delay",
        "1h",
    ]);
    let running = unbraid
        .python("import os, signal\nfrom side import event\nevent('up', os.environ['UNBRAID_INSTANCE'], os.getpid())\nwhile True: signal.pause()")
        .start();
    let up = running.events.wait_for_count("up", 2);
    wait::until_true("both are up", || running.status()["state"] == "up");
    assert_eq!(running.ctl("status").code, Some(0));
    let second = up
        .iter()
        .find_map(|line| line.strip_prefix("1 "))
        .expect("instance 1");
    proc::signal(second.parse().expect("a PID"), Signal::SIGKILL);
    let status = wait::until("it waits for its restart", || {
        Some(running.status())
            .filter(|status| status["state"] == "restarting" && status["next_start"].is_f64())
    });
    let each: Vec<&Value> = status["instances"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["state"])
        .collect();
    assert_eq!(each, ["up", "restarting"]);
    let shown = running.ctl("status");
    assert_eq!(shown.code, Some(1));
    assert!(
        shown.stdout.contains("instance 1: restarting in 59m"),
        "{}",
        shown.stdout
    );
}

#[test]
fn one_process_is_followed_live() {
    let (running, counted) = workers(controlled(Unbraid::logging_json()));
    let entries = log::entries(&running.log());
    let followed = entries
        .iter()
        .find(|e| e.message == "worker 2 line 1")
        .expect("a line");
    let other = entries
        .iter()
        .find(|e| e.message == "worker 3 line 1")
        .expect("a line");
    // The last one of the past shows that unbraid knows the follower by now.
    let words = format!("logs -f -n 1 --slot {}", followed.slot);
    let mut following = Following::start(running.ctl_call(&words));
    assert_eq!(following.line(), "worker 2 line 2");
    for line in 3..6 {
        proc::signal(other.pid, Signal::SIGUSR2);
        log::wait_for(&running.log(), &format!("worker 3 line {}", line + 1));
        proc::signal(followed.pid, Signal::SIGUSR2);
        assert_eq!(following.line(), format!("worker 2 line {line}"));
    }
    // The end of unbraid is the end of what can be followed.
    assert_eq!(running.ctl("stop").code, Some(0));
    assert_eq!(following.end(), (String::new(), Some(0)));
    assert_eq!(counted.len(), 3);
    running.end();
}

#[test]
fn the_last_records_are_printed_in_their_order() {
    let (running, _) = workers(controlled(Unbraid::logging_json()));
    let entries = log::entries(&running.log());
    let json = running.ctl("logs --json");
    assert_eq!(
        json.stdout,
        fs::read_to_string(running.log()).expect("the log")
    );
    let columns = |entry: &log::Entry| {
        let time = entry.time.as_deref().expect("a time");
        format!("{time} {} out | {}\n", entry.pid, entry.message)
    };
    let prefixed: Vec<String> = entries.iter().map(columns).collect();
    assert_eq!(running.ctl("logs").stdout, prefixed.concat());
    assert_eq!(
        running.ctl("logs -n 2").stdout,
        prefixed[prefixed.len() - 2..].concat()
    );
    let pid = entries[0].pid;
    let raw: String = entries
        .iter()
        .filter(|e| e.pid == pid)
        .map(|e| e.message.clone() + "\n")
        .collect();
    assert_eq!(running.ctl(&format!("logs --pid {pid}")).stdout, raw);
}

#[test]
fn who_cannot_be_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let none = ctl::answer(ctl::call(["status"]).env("UNBRAID_CONTROL", folder.path().join("x")));
    assert_eq!((none.code, none.stdout.as_str()), (Some(1), ""));
    assert!(none.stderr.contains("no unbraid answers at"), "{none:?}");
    for malformed in [
        "",
        "nonsense",
        "workers",
        "status --json --watch",
        "status --watch",
    ] {
        let answer = ctl::answer(&mut ctl::call(malformed.split_whitespace()));
        assert_eq!(
            (answer.code, answer.stdout.as_str()),
            (Some(2), ""),
            "{malformed}"
        );
        assert_eq!(answer.stderr.lines().count(), 1, "{malformed}: {answer:?}");
    }
}

#[test]
fn a_server_that_is_not_up_is_no_success() {
    let running = controlled(Unbraid::logging_json())
        .options([
            "--restart",
            "always",
            "--restart-delay",
            "1h",
            "--restart-max-delay",
            "1h",
        ])
        .shell("exit 1")
        .start();
    wait::until_true("it waits for its restart", || {
        let status = running.ctl("status");
        status.code == Some(1) && status.stdout.contains("restarting in 59m")
    });
    // Whoever asks for it does not wait.
    assert_eq!(running.ctl("restart --no-wait").code, Some(0));
    wait::until_true("it was started again", || running.status()["restarts"] == 1);
    assert_eq!(running.ctl("stop").code, Some(0));
    running.end().assert_code(1);
}

/// A process that holds a lease on a file: whoever opens that waits until it is given back (fcntl(2), F_SETLEASE).
struct Lease(Child);

impl Lease {
    fn hold(file: &Path) -> Self {
        let text = "
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print(flush=True)
sys.stdin.read()
";
        let mut child = Command::new(python::interpreter())
            .args(["-c", text])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed");
        let out = child.stdout.as_mut().expect("a pipe");
        out.read_exact(&mut [0]).expect("it holds the lease");
        Self(child)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_data_plane_that_hangs_is_told_of() {
    let unbraid = controlled(Unbraid::new());
    let file = unbraid.folder().join("1.log");
    let holder = Lease::hold(&file);
    let logs = unbraid.folder().join("{slot}.log");
    let running = unbraid.option("-o").option(logs).python(WORKERS).start();
    let main = running.events.wait_for_pid("main");
    let status = wait::until("the data plane does not answer", || {
        Some(running.status()).filter(|status| status["hangs"] == true)
    });
    assert_eq!(
        (&status["state"], pid_of(&rows(&status)[0])),
        (&"up".into(), main)
    );
    assert!(rows(&status).iter().all(|row| row["records"].is_null()));
    let shown = running.ctl("status");
    assert_eq!(shown.code, Some(0));
    assert!(shown.stdout.contains("does not answer"), "{}", shown.stdout);
    let logs = running.ctl("logs");
    assert_eq!(logs.code, Some(1));
    assert!(logs.stderr.contains("does not answer"), "{logs:?}");
    assert_eq!(running.ctl("reload").code, Some(0));
    running.events.wait_for("hup");
    drop(holder);
    let status = wait::until("the data plane answers", || {
        Some(running.status()).filter(|status| status["hangs"] == false)
    });
    assert!(rows(&status).iter().all(|row| row["records"].is_u64()));
}

/// Counts TTINs; the third is its end. The next run takes its time before it listens to any.
const CRASHES_AT_THE_THIRD: &str = "
import os, signal, time
from side import event, pause, told
second = told('first')
event('second' if second else 'first')
if second:
    time.sleep(1)
    event('alive', os.getpid())
    raise SystemExit(0)
count = 0
def more(*_):
    global count
    count += 1
    if count == 3: os._exit(1)
signal.signal(signal.SIGTTIN, more)
event('ready')
while True: pause()
";

#[test]
fn workers_that_were_asked_of_one_that_died_are_not_asked_of_the_next() {
    let options = [
        "--server=gunicorn",
        "--restart=on-failure",
        "--restart-delay=1ms",
    ];
    let running = controlled(Unbraid::new().options(options))
        .python(CRASHES_AT_THE_THIRD)
        .start();
    running.events.wait_for("ready");
    assert_eq!(running.ctl("workers +10").code, Some(0));
    running.events.wait_for("second");
    running.events.wait_for("alive");
    running.end().assert_code(0);
}
