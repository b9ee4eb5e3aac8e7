//! The verifier sees every fault: what the other tests count rests on it.
//!
//! A log that is right is damaged in one way at a time, and exactly that is counted.

mod support;

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use support::log::Entry;
use support::programs::{Linked, program};
use support::verify::{self, Manifest, Report};
use tempfile::TempDir;

/// A log that is right: one worker after another, records in the order in which they were written.
struct Sample {
    manifest: Manifest,
    records: Vec<String>,
}

fn run_load(arguments: &str, folder: &Path, log: File) -> Manifest {
    let manifest = folder.join("manifest");
    let mut load = Command::new(program("load", Linked::Shared));
    load.args(arguments.split(' '))
        .arg("--manifest")
        .arg(&manifest);
    load.stdout(log.try_clone().expect("a descriptor"))
        .stderr(Stdio::from(log));
    assert!(load.status().expect("load runs").success());
    Manifest::read(&manifest)
}

fn sample(arguments: &str) -> Sample {
    let folder = TempDir::new().expect("a folder");
    let log = folder.path().join("log");
    let file = File::options()
        .create(true)
        .append(true)
        .open(&log)
        .expect("our own folder");
    let manifest = run_load(
        &format!("--workers 1 --records 40 --tracebacks 40 {arguments}"),
        folder.path(),
        file,
    );
    let text = fs::read_to_string(&log).expect("text");
    let mut records: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        if line.starts_with("[2026-") {
            records.push(String::new());
        }
        records
            .last_mut()
            .expect("the log begins with a record")
            .push_str(line);
    }
    Sample { manifest, records }
}

impl Sample {
    fn check(&self) -> Report {
        verify::raw_bytes(&self.manifest, [self.records.concat().into_bytes()])
    }

    /// The first traceback, by its index, of which one line is meant.
    fn traceback(&self) -> usize {
        self.records
            .iter()
            .position(|record| record.lines().count() > 1)
            .expect("40 % are tracebacks")
    }

    /// The first record of one line after that.
    fn line_after_traceback(&self) -> usize {
        let from = self.traceback();
        from + self.records[from..]
            .iter()
            .position(|record| record.lines().count() == 1)
            .expect("60 % are lines")
    }

    fn entries(&self) -> Vec<Entry> {
        self.records
            .iter()
            .map(|record| entry(record, self.manifest.processes[0].pid))
            .collect()
    }
}

fn entry(record: &str, pid: i32) -> Entry {
    let stream = if record.contains(" f=o ") {
        "stdout"
    } else {
        "stderr"
    };
    let text = serde_json::json!({"pid": pid, "slot": 0, "stream": stream, "name": "load", "message": record.trim_end_matches('\n')});
    serde_json::from_value(text).expect("an entry")
}

fn clean(sample: &Sample) -> Report {
    let report = sample.check();
    report.assert_whole();
    assert!(report.tracebacks > 5, "{report:?}");
    report
}

#[test]
fn a_log_that_is_right_is_whole() {
    let sample = sample("--generations 2 --sizes mixed --stream both");
    assert_eq!(clean(&sample).expected, 80);
    assert_eq!(clean(&sample).expected, sample.records.len());
}

#[test]
fn a_lost_record_is_counted() {
    let mut sample = sample("");
    let whole = clean(&sample);
    sample.records.pop();
    assert_eq!(sample.check().lost, 1);
    assert_eq!(sample.check().intact, whole.intact - 1);
}

#[test]
fn a_lost_line_of_a_traceback_is_counted() {
    let mut sample = sample("");
    let at = sample.traceback();
    let last = sample.records[at]
        .trim_end()
        .rfind('\n')
        .expect("several lines");
    sample.records[at].truncate(last + 1);
    assert_eq!(sample.check().lost, 1);
}

#[test]
fn a_lost_plain_line_breaks_its_traceback() {
    let mut sample = sample("");
    let at = sample.traceback();
    sample.records[at] = sample.records[at].replacen("Traceback (most recent call last):\n", "", 1);
    assert_eq!(sample.check().broken_tracebacks, 1);
}

#[test]
fn a_record_that_is_there_twice_is_counted() {
    let mut sample = sample("");
    let again = sample.records[sample.traceback()].clone();
    sample.records.push(again);
    let report = sample.check();
    assert_eq!((report.duplicated, report.lost, report.torn), (1, 0, 0));
}

#[test]
fn a_swap_is_out_of_order() {
    let mut sample = sample("");
    let last = sample.records.len() - 1;
    sample.records.swap(last - 1, last);
    let report = sample.check();
    assert_eq!((report.out_of_order, report.intact), (1, report.expected));
}

#[test]
fn a_record_after_its_successor_is_counted() {
    let mut sample = sample("--generations 2");
    assert_eq!(clean(&sample).after_successor, 0);
    sample.records.swap(39, 40);
    let report = sample.check();
    assert_eq!(
        (report.after_successor, report.out_of_order, report.intact),
        (1, 0, 80)
    );
}

#[test]
fn a_flipped_byte_is_torn() {
    let mut sample = sample("");
    let at = sample.line_after_traceback();
    sample.records[at] = sample.records[at].replacen("INFO", "INF0", 1);
    let report = sample.check();
    assert_eq!(
        (report.torn, report.foreign, report.intact),
        (1, 1, report.expected - 1)
    );
}

#[test]
fn a_line_inside_a_line_tears_both() {
    let mut sample = sample("");
    let at = sample.line_after_traceback();
    let inner = sample.records.remove(if at + 1 < sample.records.len() {
        at + 1
    } else {
        0
    });
    let middle = sample.records[at].len() - 3;
    sample.records[at].insert_str(middle, &inner);
    let report = sample.check();
    assert!(
        report.torn >= 1 && report.foreign >= 1 && report.intact < report.expected - 1,
        "{report:?}"
    );
}

#[test]
fn a_line_inside_a_traceback_breaks_it() {
    let mut sample = sample("");
    let at = sample.traceback();
    let line = sample.records.remove(sample.line_after_traceback());
    let middle = sample.records[at].find("  File").expect("a frame");
    sample.records[at].insert_str(middle, &line);
    let report = sample.check();
    assert_eq!(
        (report.broken_tracebacks, report.torn, report.lost),
        (1, 0, 0)
    );
}

#[test]
fn a_line_that_nobody_wrote_is_foreign() {
    let mut sample = sample("");
    sample.records.push("unbraid: a message\n".to_owned());
    assert_eq!(sample.check().foreign, 1);
}

#[test]
fn the_rest_of_a_cut_record_must_be_there() {
    for seed in 1..=10 {
        let mut sample = sample(&format!("--cut --seed {seed}"));
        sample.records.last_mut().expect("the cut one").push('\n');
        let report = clean(&sample);
        assert_eq!((report.cuts_expected, report.cuts_kept), (1, 1));
        let rest = sample.records.pop().expect("the cut one");
        assert_eq!(sample.check().cuts_kept, 0);
        sample
            .records
            .push(format!("{}\n", &rest[..rest.len() - 2]));
        assert_eq!(sample.check().cuts_kept, 0, "a byte of it is missing");
    }
}

#[test]
fn entries_are_checked_for_writer_and_borders() {
    let sample = sample("--stream both");
    let right = sample.entries();
    let check = |entries: &[Entry]| verify::json_entries(&sample.manifest, entries);
    check(&right).assert_whole();

    let mut wrong = right.clone();
    wrong[5].pid += 1;
    assert!(check(&wrong).misattributed > 0);
    wrong[5].shared = true;
    let report = check(&wrong);
    assert_eq!((report.misattributed, report.shared), (0, 1));

    let mut wrong = right.clone();
    wrong[5].stream = if wrong[5].stream == "stdout" {
        "stderr"
    } else {
        "stdout"
    }
    .to_owned();
    assert!(check(&wrong).misattributed > 0);

    let mut wrong = right.clone();
    let joined = format!("{}\n{}", wrong[5].message, wrong[6].message);
    wrong[5].message = joined;
    wrong.remove(6);
    assert_eq!(check(&wrong).split_or_joined, 1);

    let mut wrong = right;
    let at = sample.traceback();
    let (head, tail) = sample.records[at].split_once('\n').expect("several lines");
    wrong[at] = entry(head, wrong[at].pid);
    wrong.insert(at + 1, entry(tail, wrong[at].pid));
    let report = check(&wrong);
    assert_eq!((report.split_or_joined, report.broken_tracebacks), (2, 1));
}

#[test]
fn a_pipe_that_workers_share_braids_them() {
    // Why there is an unbraid, and proof that the load brings it out: the reader begins when all pipes are full.
    let folder = TempDir::new().expect("a folder");
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let manifest = folder.path().join("manifest");
    // The command holds its end of the pipe as long as it lives: no longer than this statement.
    let mut load = Command::new(program("load", Linked::Shared))
        .args("--workers 16 --records 50 --sizes mixed --tracebacks 30 --manifest".split(' '))
        .arg(&manifest)
        .stderr(writer.try_clone().expect("a descriptor"))
        .spawn()
        .expect("load runs");
    support::pipes::wait_until_full(&writer);
    drop(writer);
    let mut text = Vec::new();
    reader.read_to_end(&mut text).expect("a pipe");
    assert!(load.wait().expect("the load ends").success());
    let report = verify::raw_bytes(&Manifest::read(&manifest), [text]);
    assert!(
        report.torn > 0 && report.broken_tracebacks > 0,
        "{report:?}"
    );
    println!(
        "without unbraid: {} of {} whole",
        report.intact, report.expected
    );
}
