//! Where records go: files as they are made, shared, moved away and made again; templates, filters, formats.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use support::log;
use support::programs::{Linked, program};
use support::unbraid::{Running, Unbraid};
use support::verify::{self, Manifest};
use support::wait;

/// A line on each stream and a traceback on stderr, by the main process and by a child.
const SAYS: &str = "
import os, sys, traceback
from side import out, err
def say(who):
    out(f'{who} out')
    err(f'{who} err')
    try: os.stat('/no-such')
    except OSError: traceback.print_exc()
say('main')
if os.fork() == 0:
    say('child')
    os._exit(0)
os.wait()
";

/// Runs SAYS with these destinations below the folder, and returns the folder's files with their texts, by name.
fn files(outputs: &[&str], more: &[&str]) -> Vec<(String, String)> {
    let mut unbraid = Unbraid::new().options(more.iter().copied());
    for output in outputs {
        let text = output.replace("DIR", unbraid.folder().to_str().expect("UTF-8"));
        unbraid = unbraid.option("-o").option(text);
    }
    let ended = unbraid.python(SAYS).run();
    ended.assert_code(0);
    let logs = fs::read_dir(ended.file("logs"))
        .expect("unbraid made the folder")
        .flatten();
    let text = |path: &Path| fs::read_to_string(path).expect("text");
    let mut files: Vec<(String, String)> = logs
        .map(|file| {
            (
                file.file_name().to_string_lossy().into_owned(),
                text(&file.path()),
            )
        })
        .collect();
    files.sort();
    files
}

fn names(files: &[(String, String)]) -> Vec<&str> {
    files.iter().map(|(name, _)| name.as_str()).collect()
}

fn text<'a>(files: &'a [(String, String)], name: &str) -> &'a str {
    &files
        .iter()
        .find(|file| file.0 == name)
        .unwrap_or_else(|| panic!("no {name}: {:?}", names(files)))
        .1
}

#[test]
fn a_new_file_is_for_its_owner_and_group() {
    for (umask, mode) in [("022", 0o640), ("077", 0o600), ("000", 0o640)] {
        let unbraid = Unbraid::new();
        let log = unbraid.folder().join("not/there/yet/log");
        let under = ["sh", "-c", &format!("umask {umask}; exec \"$@\""), "sh"].map(str::to_owned);
        let ended = unbraid
            .under(under)
            .option("-o")
            .option(&log)
            .shell("echo text")
            .run();
        ended.assert_code(0);
        assert_eq!(
            fs::metadata(&log).expect("the log").permissions().mode() & 0o7777,
            mode,
            "umask {umask}"
        );
        assert_eq!(fs::read_to_string(&log).expect("text"), "text\n");
    }
}

#[test]
fn templates_make_a_file_for_each_value() {
    let by_stream = files(&["DIR/logs/{name}-{stream}-{{x}}"], &["--name", "shop"]);
    assert_eq!(names(&by_stream), ["shop-stderr-{x}", "shop-stdout-{x}"]);
    assert_eq!(text(&by_stream, "shop-stdout-{x}"), "main out\nchild out\n");
    let by_slot = files(&["DIR/logs/{slot}"], &[]);
    assert_eq!(names(&by_slot), ["0", "1"]);
    assert!(text(&by_slot, "0").contains("main err") && !text(&by_slot, "0").contains("child"));
}

#[test]
fn filters_let_pass_what_they_say() {
    let outputs = [
        "DIR/logs/out,stream=stdout",
        "DIR/logs/traces,kind=traceback",
        "DIR/logs/lines,kind=line",
        "DIR/logs/first,slot=0",
        "DIR/logs/child-errors,stream=stderr,slot=1,kind=line",
        "DIR/logs/both,stream=stdout,stream=stderr",
    ];
    let files = files(&outputs, &[]);
    assert_eq!(text(&files, "out"), "main out\nchild out\n");
    let traces = text(&files, "traces");
    assert_eq!(
        traces
            .matches("Traceback (most recent call last):\n")
            .count(),
        2
    );
    assert_eq!(traces.matches("FileNotFoundError").count(), 2);
    assert!(!traces.contains(" err\n"), "{traces}");
    let mut lines: Vec<&str> = text(&files, "lines").lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["child err", "child out", "main err", "main out"]);
    assert!(!text(&files, "first").contains("child"));
    assert_eq!(text(&files, "child-errors"), "child err\n");
    assert_eq!(
        text(&files, "both").lines().count(),
        lines.len() + traces.lines().count()
    );
}

#[test]
fn formats_stand_side_by_side() {
    let files = files(
        &[
            "DIR/logs/raw",
            "prefix:DIR/logs/prefix",
            "json:DIR/logs/json",
        ],
        &["--time", "none"],
    );
    let bodies: Vec<&str> = text(&files, "prefix")
        .lines()
        .map(|line| line.splitn(4, ' ').nth(3).expect("a body"))
        .collect();
    assert_eq!(bodies.join("\n") + "\n", text(&files, "raw"));
    for line in text(&files, "prefix").lines() {
        let columns: Vec<&str> = line.splitn(4, ' ').collect();
        assert!(
            columns[0].parse::<i32>().is_ok() && ["out", "err"].contains(&columns[1]),
            "{line}"
        );
        let starts = columns[3].starts_with("Trace")
            || columns[3].ends_with("out")
            || columns[3].ends_with("err");
        assert_eq!(columns[2] == "|", starts, "{line}");
    }
    let entries = log::parse(text(&files, "json").as_bytes());
    let messages: Vec<&str> = entries.iter().map(|entry| entry.message.as_str()).collect();
    assert_eq!(messages.join("\n") + "\n", text(&files, "raw"));
    assert!(
        entries
            .iter()
            .all(|entry| entry.time.is_none() && entry.name.starts_with("python"))
    );
}

#[test]
fn times_are_rfc_3339_with_microseconds() {
    let pattern = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$";
    let pattern = regex::bytes::RegexBuilder::new(pattern)
        .unicode(false)
        .build()
        .expect("a regex");
    for (style, end) in [("utc", "Z"), ("local", "+05:30")] {
        let unbraid = Unbraid::logging_json()
            .variable("TZ", "Asia/Kolkata")
            .options(["--time", style]);
        let ended = unbraid.shell("echo text").run();
        let time = log::one(&log::captured(&ended.log()), "text")
            .time
            .clone()
            .expect("a time");
        assert!(
            pattern.is_match(time.as_bytes()) && time.ends_with(end),
            "{style}: {time}"
        );
    }
}

/// Writes numbered lines until its stdin ends.
const NUMBERS: &str = "
import select, signal
from side import event, out
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
number = 0
while not select.select([0], [], [], 0)[0]:
    out(f'number {number} ' + 'n' * 200)
    number += 1
    if number == 100: event('busy')
event('wrote', number)
";

fn numbers() -> (Running, PathBuf) {
    let unbraid = Unbraid::new().stdin(Stdio::piped());
    let log = unbraid.log();
    (
        unbraid.option("-o").option(&log).python(NUMBERS).start(),
        log,
    )
}

/// Every number must stand once, in order, in the files taken together.
fn assert_all_numbers(running: Running, files: &[PathBuf]) {
    let ended = running.end();
    ended.assert_code(0);
    let wrote: usize = ended.events().wait_for("wrote").parse().expect("a number");
    let text: String = files
        .iter()
        .map(|file| fs::read_to_string(file).expect("text"))
        .collect();
    let captured: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("unbraid: "))
        .collect();
    assert_eq!(captured.len(), wrote);
    let expected = (0..wrote).map(|number| format!("number {number} {}", "n".repeat(200)));
    assert!(
        expected.eq(captured.iter().copied()),
        "a line is torn, lost or out of order"
    );
    for file in files {
        let text = fs::read_to_string(file).expect("text");
        assert!(text.ends_with('\n'), "{} ends in mid-line", file.display());
    }
}

#[test]
fn a_log_that_is_moved_away_is_made_again() {
    let (running, log) = numbers();
    running.events.wait_for("busy");
    let mut files = Vec::new();
    for turn in 0..8 {
        wait::until_true("a log with records", || {
            fs::metadata(&log).is_ok_and(|data| data.len() > 10_000)
        });
        let old = log.with_extension(turn.to_string());
        fs::rename(&log, &old).expect("the log is there");
        // With the signal and without it.
        if turn % 2 == 0 {
            running.signal(nix::sys::signal::Signal::SIGUSR1);
        }
        files.push(old);
    }
    wait::until_true("the last log", || {
        fs::metadata(&log).is_ok_and(|data| data.len() > 10_000)
    });
    files.push(log);
    assert_all_numbers(running, &files);
}

#[test]
fn a_log_that_is_deleted_is_made_again() {
    let (running, log) = numbers();
    running.events.wait_for("busy");
    wait::until_true("a log", || {
        fs::metadata(&log).is_ok_and(|data| data.len() > 10_000)
    });
    let inode = fs::metadata(&log).expect("the log").ino();
    // Kept by another name, so that its number is not given away again.
    fs::hard_link(&log, log.with_extension("kept")).expect("our own folder");
    fs::remove_file(&log).expect("the log");
    wait::until_true("a new log", || {
        fs::metadata(&log).is_ok_and(|data| data.ino() != inode && data.len() > 10_000)
    });
    let files = [log.with_extension("kept"), log];
    assert_all_numbers(running, &files);
}

#[test]
fn two_unbraids_share_a_file() {
    let shared = tempfile::TempDir::new().expect("a folder");
    let log = shared.path().join("log");
    let start = |seed: &str| {
        let unbraid = Unbraid::new().option("-o").option(&log);
        let manifest = unbraid.folder().join("manifest");
        let mut line = vec![program("load", Linked::Shared).into_os_string()];
        let arguments =
            "--workers 8 --records 300 --sizes mixed --tracebacks 20 --stream both --seed";
        line.extend(
            arguments
                .split(' ')
                .chain([seed, "--manifest"])
                .map(Into::into),
        );
        line.push(manifest.into_os_string());
        unbraid.command(line).start()
    };
    let both = [start("1"), start("2")].map(Running::end);
    let text = fs::read_to_string(&log).expect("text");
    let mut rest = text.len();
    for ended in both {
        ended.assert_code(0);
        let manifest = Manifest::read(&ended.file("manifest"));
        let pids: Vec<String> = manifest
            .processes
            .iter()
            .map(|process| format!(" p={} ", process.pid))
            .collect();
        // Its own records alone: what the other one wrote between them must not have torn them.
        let records = records_of(&text, &pids);
        rest -= records.len();
        verify::raw_bytes(&manifest, [records.into_bytes()]).assert_whole();
    }
    assert_eq!(rest, 0, "bytes of neither");
}

/// The records, each from its first line to before the next one's, whose first line names one of these.
fn records_of(text: &str, pids: &[String]) -> String {
    let mut kept = String::new();
    let mut is_own = false;
    for line in text.split_inclusive('\n') {
        if line.starts_with("[2026-") {
            is_own = pids.iter().any(|pid| line.contains(pid));
        }
        if is_own {
            kept.push_str(line);
        }
    }
    kept
}
