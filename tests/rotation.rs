//! Files change between records: by size, by the clock, packed, by two programs at once, and over SIGKILL.

mod support;

use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use support::ctl::controlled;
use support::programs::{Linked, program};
use support::rotated::{self, files, texts};
use support::unbraid::{Running, Unbraid};
use support::verify::{self, Manifest};
use support::wait;

const LOAD: &str = "--workers 64 --records 150 --sizes mixed --tracebacks 20 --stream both --cut";

/// The load as COMMAND, which writes its manifest into unbraid's own folder.
fn load(unbraid: Unbraid, arguments: &str) -> Unbraid {
    let manifest = unbraid.folder().join("manifest");
    let mut line = vec![program("load", Linked::Shared).into_os_string()];
    line.extend(arguments.split(' ').map(OsString::from));
    line.extend(["--manifest".into(), manifest.into_os_string()]);
    unbraid.command(line)
}

fn to(log: &Path, options: &[&str]) -> Unbraid {
    let unbraid = Unbraid::new().option("-o").option(log);
    unbraid.options(options.iter().copied())
}

#[test]
fn sixty_four_workers_and_hundreds_of_files() {
    let unbraid = Unbraid::new();
    let log = unbraid.log();
    let unbraid = unbraid.option("-o").option(&log);
    let ended = load(unbraid.options(["--rotate-size=64KiB"]), LOAD).run();
    ended.assert_code(0);
    let manifest = Manifest::read(&ended.file("manifest"));
    verify::raw_bytes(&manifest, texts(&log)).assert_whole();
    let files = files(&log);
    assert!(files.len() > 100, "{}", files.len());
    for file in files {
        let length = fs::metadata(&file).expect("a file").len();
        assert!(length <= 64 << 10, "{}: {length}", file.display());
    }
}

#[test]
fn packed_and_what_the_end_left_is_taken_up_at_the_next_start() {
    for kind in ["gzip", "zstd"] {
        let unbraid = Unbraid::new();
        let log = unbraid.log();
        // Each is brought to the disk, which takes its time.
        let packing = ["--rotate-size=512KiB", "--compress", kind];
        let unbraid = unbraid.option("-o").option(&log).options(packing);
        let ended = load(unbraid, LOAD).run();
        ended.assert_code(0);
        // A program that was killed left one half packed.
        let last = files(&log).into_iter().rev().nth(1).expect("old files");
        let suffix = if kind == "gzip" { "gz" } else { "zst" };
        if last.extension().is_none_or(|end| end != suffix) {
            let half = format!("{}.{suffix}.partial", last.display());
            fs::write(half, "half").expect("our own folder");
        }
        // Some are packed now and some are not.
        let next = to(&log, &packing)
            .stdin(Stdio::piped())
            .shell("read -r _")
            .start();
        wait::until_true("all packed", || !rotated::unpacked(&log));
        next.end().assert_code(1);
        let manifest = Manifest::read(&ended.file("manifest"));
        verify::raw_bytes(&manifest, texts(&log)).assert_whole();
        let old = files(&log).len() - 1;
        assert!(old > 15, "{old}");
    }
}

#[test]
fn only_so_many_are_kept() {
    let unbraid = Unbraid::new();
    let log = unbraid.log();
    let foreign = unbraid.folder().join("log.1");
    fs::write(&foreign, "not ours").expect("our own folder");
    let keeping = ["--rotate-size=64KiB", "--keep=3"];
    let unbraid = unbraid.option("-o").option(&log).options(keeping);
    let ended = load(unbraid, LOAD).run();
    ended.assert_code(0);
    let next = to(&log, &keeping)
        .stdin(Stdio::piped())
        .shell("read -r _")
        .start();
    // Three old ones, the log itself, and the one that is none of ours.
    wait::until_true("three", || files(&log).len() == 5);
    next.end();
    assert_eq!(fs::read_to_string(&foreign).expect("kept"), "not ours");
}

#[test]
fn the_logs_of_dead_processes_are_old_files() {
    let unbraid = Unbraid::new();
    let logs = unbraid.folder().join("logs");
    fs::create_dir(&logs).expect("our own folder");
    // Of a process that cannot be, of one that is, and of none.
    let own = std::process::id();
    for name in ["2147483647.log", &format!("{own}.log"), "x.log"] {
        fs::write(logs.join(name), "text\n").expect("our own folder");
    }
    let script =
        "for i in 1 2 3 4 5 6; do (echo child) & wait; done; echo all >> $EVENTS; read -r _";
    let unbraid = unbraid.option("-o").option(logs.join("{pid}.log"));
    let running = unbraid
        .options(["--keep=2"])
        .stdin(Stdio::piped())
        .shell(script)
        .start();
    let names = || {
        let names = fs::read_dir(&logs).expect("a folder").flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        names.collect::<Vec<_>>()
    };
    running.events.wait_for("all");
    // Two of the dead, the test's own, and the one that is no log of a process.
    wait::until_true("two of six", || names().len() == 4);
    let names = names();
    assert!(names.contains(&format!("{own}.log")) && names.contains(&"x.log".to_owned()));
    assert!(!names.contains(&"2147483647.log".to_owned()), "{names:?}");
    running.end();
}

#[test]
fn the_clock_turns() {
    let unbraid = Unbraid::new().stdin(Stdio::piped());
    let log = unbraid.log();
    let unbraid = unbraid.option("-o").option(&log);
    let mut running = unbraid
        .options(["--rotate-every=1s"])
        .shell("while read -r line; do echo \"$line\"; done")
        .start();
    for turn in 1..=2 {
        running.tell(&format!("turn {turn}"));
        // Without another record.
        wait::until_true("an old file", || files(&log).len() == turn + 1);
    }
    let ended = running.end();
    ended.assert_code(0);
    let texts: Vec<String> = texts(&log)
        .into_iter()
        .map(|text| String::from_utf8(text).expect("text"))
        .collect();
    assert_eq!(texts, ["turn 1\n", "turn 2\n", ""]);
    for file in &files(&log)[..2] {
        let name = file.to_str().expect("UTF-8");
        let micros = name.rsplit_once('.').expect("a stamp").1;
        // Right after the turn; how soon is the machine's.
        assert_eq!(micros.len(), "123456Z".len(), "{name}");
    }
}

/// A log that is rotated after each of three lines.
fn rotated_when_asked(unbraid: Unbraid, rotate: impl Fn(&Running)) {
    let log = unbraid.log();
    let unbraid = unbraid.stdin(Stdio::piped()).option("-o").option(&log);
    let mut running = unbraid
        .shell("while read -r line; do echo \"$line\"; done")
        .start();
    let lines = [1, 2, 3].map(|turn| format!("turn {turn}\n"));
    for (turn, line) in lines.iter().enumerate() {
        running.tell(line.trim_end());
        wait::until_true("the line", || {
            fs::read_to_string(&log).is_ok_and(|text| text == *line)
        });
        rotate(&running);
        wait::until_true("an old file", || files(&log).len() == turn + 2);
    }
    let ended = running.end();
    ended.assert_code(0);
    let texts = texts(&log);
    let lines = lines.iter().map(String::as_bytes);
    assert_eq!(texts, lines.chain([&b""[..]]).collect::<Vec<_>>());
}

#[test]
fn a_signal_rotates() {
    // The shell would end by it.
    let unbraid = Unbraid::new().options(["--signal=HUP=rotate"]);
    rotated_when_asked(unbraid, |running| running.signal(Signal::SIGHUP));
}

#[test]
fn unbraidctl_rotates() {
    rotated_when_asked(controlled(Unbraid::new()), |running| {
        let answer = running.ctl("rotate");
        assert_eq!(answer.stdout, "rotate: accepted\n", "{answer:?}");
    });
}

/// The records, each from its first line to before the next one's, by the PID in their first lines.
fn by_process(text: &[u8]) -> BTreeMap<i32, Vec<u8>> {
    let pid = |line: &[u8]| {
        let line = std::str::from_utf8(line).ok()?;
        let (_, rest) = line.split_once(" p=")?;
        rest.split_once(' ')?.0.parse::<i32>().ok()
    };
    let mut records: BTreeMap<i32, Vec<u8>> = BTreeMap::new();
    let mut now = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if !line.starts_with(b"Traceback") && !line.starts_with(b" ") && line != b"\n" {
            now = pid(line).unwrap_or(now);
        }
        records.entry(now).or_default().extend_from_slice(line);
    }
    records
}

#[test]
fn two_programs_rotate_one_file_and_a_shell_writes_to_it() {
    for lock in [true, false] {
        let shared = tempfile::TempDir::new().expect("a folder");
        let log = shared.path().join("log");
        let mut options = vec!["--rotate-size=64KiB"];
        options.extend(lock.then_some("--lock"));
        let arguments = "--workers 16 --records 150 --sizes mixed --stream both --seed";
        let start = |seed: &str| load(to(&log, &options), &format!("{arguments} {seed}")).start();
        let both = [start("1"), start("2")];
        // A stranger, who asks for no lock.
        let lines =
            "i=0; while [ $i -lt 2000 ]; do echo \"stranger $i\" >> \"$0\"; i=$((i+1)); done";
        let stranger = std::process::Command::new("sh")
            .args(["-c", lines])
            .arg(&log)
            .status();
        assert!(stranger.expect("sh").success());
        let ended = both.map(Running::end);
        let text = texts(&log).concat();
        let strange: Vec<&[u8]> = text
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| line.starts_with(b"stranger"))
            .collect();
        let all: Vec<String> = (0..2000).map(|i| format!("stranger {i}\n")).collect();
        assert_eq!(
            strange,
            all.iter().map(String::as_bytes).collect::<Vec<_>>()
        );
        let own: Vec<u8> = text
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| !line.starts_with(b"stranger"))
            .flatten()
            .copied()
            .collect();
        let records = by_process(&own);
        for ended in ended {
            ended.assert_code(0);
            let manifest = Manifest::read(&ended.file("manifest"));
            let its = manifest.processes.iter().map(|p| records[&p.pid].clone());
            verify::raw_bytes(&manifest, its).assert_whole();
        }
        assert!(files(&log).len() > 20, "{}", files(&log).len());
    }
}

/// Writes numbered lines for as long as it lives; begins where the last one ended.
const ENDLESS: &str = "
import os, sys
from side import write
number = int(sys.argv[1]) if len(sys.argv) > 1 else 0
while True:
    write(1, f'{os.getpid()} {number} ' + 'n' * (number * 7919 % 3000) + ' end\\n')
    number += 1
";

#[test]
fn killed_in_the_middle_again_and_again() {
    let shared = tempfile::TempDir::new().expect("a folder");
    let log = shared.path().join("log");
    let options = ["--rotate-size=64KiB", "--compress=zstd", "--capture=pipes"];
    let mut torn = 0;
    for round in 1..=6 {
        let running = to(&log, &options).python(ENDLESS).start();
        let before = files_or_none(&log);
        wait::until_true("rotations", || files_or_none(&log) > before + 5);
        let server = support::proc::children(running.pid());
        running.signal(Signal::SIGKILL);
        for process in server {
            support::proc::signal(process.pid, Signal::SIGKILL);
        }
        running.end();
        let text = fs::read(&log).unwrap_or_default();
        torn += usize::from(text.last().is_some_and(|last| *last != b'\n'));
        assert!(torn <= round);
    }
    // The last start closes what is torn, packs all, and finishes what was half done.
    let next = to(&log, &options)
        .stdin(Stdio::piped())
        .shell("read -r _")
        .start();
    wait::until_true("all packed", || !rotated::unpacked(&log));
    next.end();
    assert_numbered(&texts(&log).concat(), torn);
    for file in files(&log) {
        assert_eq!(
            fs::metadata(&file).expect("a file").nlink(),
            1,
            "{}",
            file.display()
        );
    }
}

fn files_or_none(log: &Path) -> usize {
    let folder: &Path = log.parent().expect("a folder");
    fs::read_dir(folder).expect("a folder").count()
}

/// Every server's lines are there from the first to its last, once each and in order; as many as `torn` are not whole.
#[track_caller]
fn assert_numbered(text: &[u8], torn: usize) {
    let text = std::str::from_utf8(text).expect("text");
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    let mut cut = 0;
    for line in text.lines().filter(|line| !line.starts_with("unbraid: ")) {
        if !line.ends_with(" end") {
            cut += 1;
            continue;
        }
        let mut words = line.split(' ');
        let (pid, number) = (
            words.next().expect("a PID"),
            words.next().expect("a number"),
        );
        let number: usize = number.parse().expect("a number");
        let length = words.next().expect("filling").len();
        assert_eq!(length, number * 7919 % 3000, "{pid} {number}");
        let wanted = next.entry(pid).or_default();
        assert_eq!(number, *wanted, "of {pid}");
        *wanted += 1;
    }
    assert_eq!(cut, torn, "lines that are not whole");
}

#[test]
fn what_was_half_moved_aside_is_finished_at_the_start() {
    let unbraid = Unbraid::new();
    let log = unbraid.log();
    let old: PathBuf = unbraid.folder().join("log.2026-11-23T10-00-00.123456Z");
    fs::write(&log, "before\n").expect("our own folder");
    fs::hard_link(&log, &old).expect("our own folder");
    let unbraid = unbraid.option("-o").option(&log);
    let ended = unbraid.shell("echo after").run();
    ended.assert_code(0);
    assert_eq!(fs::read_to_string(&old).expect("text"), "before\n");
    assert_eq!(fs::read_to_string(&log).expect("text"), "after\n");
}
