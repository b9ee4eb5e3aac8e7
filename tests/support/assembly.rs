//! The record assembler by itself: bytes in, owned records out, and what must hold for any bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use unbraid::record::{Assembler, Kind, Part, Record, Rules, Settings, Sink, Stamp, lines};

/// A record, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    pub bytes: Vec<u8>,
    pub traceback: Option<String>,
    /// Where the error came up, of a traceback: file, line and function.
    pub place: Option<String>,
    pub part: Option<Part>,
}

pub fn owned(record: &Record<'_>) -> Owned {
    let text =
        |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let (mut traceback, mut place) = (None, None);
    if let Kind::Traceback(t) = record.kind {
        let (kind, message) = (text(t.exception_type), text(t.exception_message));
        traceback = Some(format!("{} {kind} {message}", t.lang));
        place = Some(format!(
            "{}:{:?} {}",
            text(t.file),
            t.line,
            text(t.function)
        ));
    }
    Owned {
        bytes: record.bytes.to_vec(),
        traceback,
        place,
        part: record.part,
    }
}

/// Keeps every record. Of the runs of lines it takes every second as one, which must make no difference.
#[derive(Debug, Default)]
pub struct Kept {
    pub records: Vec<Owned>,
    runs: usize,
}

impl Sink for Kept {
    fn record(&mut self, record: &Record<'_>) {
        self.records.push(owned(record));
    }

    fn lines(&mut self, bytes: &[u8], count: usize, wall_us: u64) -> bool {
        self.runs += 1;
        if self.runs.is_multiple_of(2) {
            return false;
        }
        let before = self.records.len();
        lines(bytes).for_each(|line| self.record(&Record::line(line, wall_us)));
        assert_eq!(self.records.len() - before, count);
        true
    }
}

pub fn rules(settings: &Settings) -> Arc<Rules> {
    Arc::new(Rules::new(settings).expect("known languages"))
}

pub fn stamp(at: Instant) -> Stamp {
    Stamp { wall_us: 7, at }
}

/// The records of `input`, pushed in pieces whose sizes `sizes` repeats.
pub fn assemble(settings: &Settings, input: &[u8], sizes: &[usize]) -> Vec<Owned> {
    let mut assembler = Assembler::new(rules(settings));
    let mut kept = Kept::default();
    let (now, mut rest, mut sizes) = (Instant::now(), input, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes
            .next()
            .map_or(rest.len(), |n| (*n).clamp(1, rest.len()));
        assembler.push(&rest[..size], stamp(now), &mut kept);
        rest = &rest[size..];
        assert!(
            assembler.held() < settings.max_record + settings.max_record / 4 + (128 << 10),
            "{} held",
            assembler.held()
        );
    }
    assembler.end(&mut kept);
    assert!(assembler.deadline().is_none());
    assert!(
        assembler.held() <= 32 << 10,
        "{} held when idle",
        assembler.held()
    );
    kept.records
}

/// Joined, the records are the input; parts are numbered from 1, and the last one says so.
pub fn well_formed(settings: &Settings, input: &[u8], records: &[Owned]) {
    let mut before = None;
    let mut joined = Vec::new();
    for record in records {
        assert!(!record.bytes.is_empty());
        assert!(record.bytes.len() <= settings.max_record);
        joined.extend_from_slice(&record.bytes);
        let number = record.part.map(|p| p.number);
        match before {
            Some(Part {
                number: n,
                last: false,
            }) => assert_eq!(number, Some(n + 1)),
            _ => assert!(matches!(number, None | Some(1))),
        }
        before = record.part;
    }
    assert!(before.is_none_or(|p| p.last));
    assert_eq!(joined, input);
}

pub fn texts(records: &[Owned]) -> Vec<&str> {
    records
        .iter()
        .map(|r| std::str::from_utf8(&r.bytes).expect("text"))
        .collect()
}

pub fn limited(max_record: usize) -> Settings {
    Settings {
        max_record,
        ..Settings::default()
    }
}

/// The openers, middles and ends of all kinds.
pub const LINES: &[&str] = &[
    "plain",
    "",
    " ",
    "  indented",
    "\tat app.Main.run(Main.java:3)",
    "Traceback (most recent call last):",
    "  + Exception Group Traceback (most recent call last):",
    "  | ExceptionGroup: x",
    "  File \"a.py\", line 3, in f",
    "  File \"a.py\", line 3",
    "    f()",
    "ValueError: x",
    "During handling of the above exception, another exception occurred:",
    "2026-11-23 10:00:00,000 INFO up",
    "2026-11-23 10:00:00,000 ERROR bad: {",
    "\x1b[31mERROR: coloured\x1b[0m",
    "Nov 23, 2026 2:29:45 PM Main main",
    "SEVERE: bad:",
    "}",
    "{",
    "  \"a\": [",
    "{\"level\": \"info\"}",
    "10.0.0.1 - - [23/Nov/2026:10:00:01 +0000] \"GET / HTTP/1.1\" 200 7",
    "Fatal Python error: Aborted",
    "Thread 0x1 (most recent call first):",
    "multiprocessing.pool.RemoteTraceback: ",
    "\"\"\"",
    "a.py:3: UserWarning: ",
    "java.lang.RuntimeException: x",
    "Caused by: java.io.IOException",
    "Error: js",
    "    at f (/a.js:1:2)",
    "    at node:internal/main:28:49 {",
    "/srv/app.js:3",
    "  ^",
    "Node.js v20.0.0",
    "panic: x",
    "goroutine 1 [running]:",
    "main.main()",
    "\t/a.go:3 +0x1",
    "a.rb:1:in `f': x (RuntimeError)",
    "\tfrom a.rb:2:in `<main>'",
    "PHP Fatal error:  Uncaught E: x in /a.php:2",
    "Stack trace:",
    "#0 {main}",
    "  thrown in /a.php on line 2",
    "thread 'main' panicked at a.rs:1:2:",
    "stack backtrace:",
    "note: run with `RUST_BACKTRACE=1`",
    "==================",
    "WARNING: DATA RACE",
    "** (ArgumentError) x",
    "=ERROR REPORT==== 23-Nov-2026::14:37:11 ===",
    "x at a.pl line 2.",
    "\tmain::f(1) called at a.pl line 3",
    "stack traceback:",
    "terminate called after throwing an instance of 'x'",
    "Unhandled exception:",
    "System.Exception: x ---> System.Exception: y",
    "\u{e4}\u{20ac}\u{1f600}",
];

/// The bytes that real programs wrote: the files of tests/corpus, in order.
pub fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files = Vec::new();
    for folder in fs::read_dir(root).expect("tests/corpus").flatten() {
        let folder = fs::read_dir(folder.path()).expect("a folder for each language");
        files.extend(folder.flatten().map(|file| file.path()));
    }
    files.retain(|file| file.extension().is_some_and(|kind| kind == "in"));
    files.sort();
    let read = |file: PathBuf| {
        let bytes = fs::read(&file).expect("our own file");
        (file, bytes)
    };
    files.into_iter().map(read).collect()
}
