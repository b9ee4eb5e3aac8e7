//! Counts what became of the records that tests/programs/load.c wrote.
//!
//! Each line says who wrote it, its place, its length and its checksum (tests/programs/record.h), and the load's manifest
//! says which lines there must be. The counts are exact; nothing is sampled.

use super::log;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

/// The lines of a traceback that carry no tag.
const PLAIN: [&[u8]; 3] = [
    b"Traceback (most recent call last):",
    b"",
    b"During handling of the above exception, another exception occurred:",
];

/// What one process of the load wrote.
#[derive(Debug, Clone, Deserialize)]
pub struct Process {
    pub worker: u32,
    pub generation: u32,
    pub pid: i32,
    pub records: u32,
    pub cut: Option<Cut>,
}

/// The record in whose middle the process was killed.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Cut {
    /// How many lines of it are whole…
    pub whole_lines: u32,
    /// …and what is there of the next one.
    pub rest_length: usize,
    pub rest_sum: u64,
}

/// What the load wrote.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub processes: Vec<Process>,
}

impl Manifest {
    #[track_caller]
    pub fn read(path: &Path) -> Self {
        let text =
            fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let processes = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of load's manifest"));
        Self {
            processes: processes.collect(),
        }
    }

    pub fn records(&self) -> usize {
        self.processes
            .iter()
            .map(|process| process.records as usize)
            .sum()
    }
}

/// What was found. All but the first five are faults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Records that were written to their end, and how many of them came out whole, their lines together.
    pub expected: usize,
    pub intact: usize,
    /// Of the intact ones.
    pub tracebacks: usize,
    /// Records in whose middle their process was killed, and how many came out as far as they were written.
    pub cuts_expected: usize,
    pub cuts_kept: usize,
    /// Records of which a line is there, but damaged.
    pub torn: usize,
    /// Records of which a line is nowhere.
    pub lost: usize,
    /// Records that are there more than once.
    pub duplicated: usize,
    /// Tracebacks whose lines are all there, but not together.
    pub broken_tracebacks: usize,
    /// Records after a later one of the same stream of the same process.
    pub out_of_order: usize,
    /// Records after one of the process that replaced theirs.
    pub after_successor: usize,
    /// Lines that nobody wrote.
    pub foreign: usize,
    /// JSON: lines under another's PID or stream.
    pub misattributed: usize,
    /// JSON: entries that are not one whole record.
    pub split_or_joined: usize,
    /// Entries that are marked as shared: no fault by itself.
    pub shared: usize,
}

impl Report {
    /// Fails unless everything came out as it was written.
    #[track_caller]
    pub fn assert_whole(&self) {
        let clean = Self {
            expected: self.expected,
            intact: self.expected,
            tracebacks: self.tracebacks,
            cuts_expected: self.cuts_expected,
            cuts_kept: self.cuts_expected,
            ..Self::default()
        };
        assert_eq!(
            *self, clean,
            "not everything is whole (left: found, right: expected)"
        );
        assert!(self.expected > 0, "nothing was expected");
    }
}

/// A line's place: worker, generation, number of the record.
type Key = (u32, u32, u32);

#[derive(Debug, Clone, Copy)]
struct Tag {
    key: Key,
    pid: i32,
    stream: u8,
    line: u32,
    lines: u32,
    length: usize,
    sum: u32,
    /// Where the digits of the sum stand.
    digits: usize,
}

impl Tag {
    /// The first tag in this line.
    fn find(line: &[u8]) -> Option<Self> {
        let at = memchr::memmem::find(line, b"<<w=")?;
        let end = at + memchr::memmem::find(&line[at..], b">>")?;
        let text = std::str::from_utf8(&line[at + 2..end]).ok()?;
        let fields: Vec<&str> = text
            .split(' ')
            .map(|field| field.split_once('=').map_or("", |(_, value)| value))
            .collect();
        let [worker, generation, pid, stream, number, place, length, sum] = fields[..] else {
            return None;
        };
        let (line_number, lines) = place.split_once('/')?;
        Some(Self {
            key: (
                worker.parse().ok()?,
                generation.parse().ok()?,
                number.parse().ok()?,
            ),
            pid: pid.parse().ok()?,
            stream: *stream.as_bytes().first()?,
            line: line_number.parse().ok()?,
            lines: lines.parse().ok()?,
            length: length.parse().ok()?,
            sum: u32::from_str_radix(sum, 16)
                .ok()
                .filter(|_| sum.len() == 8)?,
            digits: end - 8,
        })
    }

    fn proves(&self, line: &[u8]) -> bool {
        let parts = [&line[..self.digits], b"00000000", &line[self.digits + 8..]];
        line.len() == self.length && fnv1a(parts.into_iter().flatten()) == self.sum
    }
}

fn fnv1a<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> u32 {
    bytes.into_iter().fold(2_166_136_261, |sum, &byte| {
        (sum ^ u32::from(byte)).wrapping_mul(16_777_619)
    })
}

/// Of 64 bits, because rests are found by it alone: in 32, two of five thousand had the same in a few of a thousand runs.
fn fnv1a_64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A line that was known: where it stands in its record.
#[derive(Debug, Clone, Copy)]
struct Seen {
    key: Key,
    pid: i32,
    /// Unknown where a cut took it.
    stream: Option<u8>,
    starts: bool,
    ends: bool,
}

/// What is known of one record.
#[derive(Debug, Default, Clone)]
struct Record {
    lines: u32,
    /// How often each line came, by its number; plain lines not.
    seen: BTreeMap<u32, u32>,
    torn: bool,
    /// How often all its lines stood together.
    together: usize,
    /// How often the rest came that a cut left.
    rests: usize,
}

/// The traceback that is being read.
#[derive(Debug, Clone, Copy)]
struct Open {
    key: Key,
    next: u32,
    lines: u32,
}

struct Verifier<'a> {
    by_process: HashMap<(u32, u32), &'a Process>,
    /// What is left of records that were cut in their first line, by length and sum: too short for a whole tag.
    rests: HashMap<(usize, u64), Key>,
    records: HashMap<Key, Record>,
    /// The last record of each stream of each process, and the last generation of each stream of each worker.
    last: HashMap<(u32, u32, u8), u32>,
    generation: HashMap<(u32, u8), u32>,
    open: Option<Open>,
    report: Report,
}

impl<'a> Verifier<'a> {
    fn new(manifest: &'a Manifest) -> Self {
        let by_process = manifest
            .processes
            .iter()
            .map(|process| ((process.worker, process.generation), process));
        let rests = manifest.processes.iter().filter_map(|process| {
            let cut = process.cut.filter(|cut| cut.whole_lines == 0)?;
            Some((
                (cut.rest_length, cut.rest_sum),
                (process.worker, process.generation, process.records),
            ))
        });
        Self {
            by_process: by_process.collect(),
            rests: rests.collect(),
            records: HashMap::new(),
            last: HashMap::new(),
            generation: HashMap::new(),
            open: None,
            report: Report {
                expected: manifest.records(),
                ..Report::default()
            },
        }
    }

    /// One line; returns its place if it is a whole line of a record, or the rest that a cut left.
    fn line(&mut self, line: &[u8]) -> Option<Seen> {
        let tag = Tag::find(line).filter(|tag| self.is_known(tag));
        if let Some(tag) = tag.filter(|tag| tag.proves(line)) {
            self.whole(&tag);
            let (starts, ends) = (tag.line == 1, tag.line == tag.lines);
            return Some(Seen {
                key: tag.key,
                pid: tag.pid,
                stream: Some(tag.stream),
                starts,
                ends,
            });
        }
        if let Some(open) = self.open.as_mut().filter(|_| PLAIN.contains(&line)) {
            open.next += 1;
            return None;
        }
        if let Some(key) = self.rest(line) {
            return Some(self.keep_rest(key));
        }
        self.damaged(line);
        None
    }

    /// The record of which this is the end that a cut left: it goes on where the open one is, or it is a first line.
    fn rest(&self, line: &[u8]) -> Option<Key> {
        let shape = (line.len(), fnv1a_64(line));
        let goes_on = self.open.filter(|open| {
            self.cut_of(open.key).is_some_and(|cut| {
                open.next == cut.whole_lines + 1 && shape == (cut.rest_length, cut.rest_sum)
            })
        });
        goes_on
            .map(|open| open.key)
            .or_else(|| self.rests.get(&shape).copied())
    }

    fn keep_rest(&mut self, key: Key) -> Seen {
        self.open = None;
        let record = self.records.entry(key).or_default();
        record.rests += 1;
        Seen {
            key,
            pid: self.by_process[&(key.0, key.1)].pid,
            stream: None,
            starts: record.seen.is_empty(),
            ends: true,
        }
    }

    /// A line that nobody wrote so: every record whose tag stands in it is torn.
    fn damaged(&mut self, line: &[u8]) {
        self.open = None;
        self.report.foreign += 1;
        for at in memchr::memmem::find_iter(line, b"<<w=") {
            if let Some(tag) = Tag::find(&line[at..]).filter(|tag| self.is_known(tag)) {
                self.records.entry(tag.key).or_default().torn = true;
            }
        }
    }

    fn is_known(&self, tag: &Tag) -> bool {
        let process = self.by_process.get(&(tag.key.0, tag.key.1));
        process.is_some_and(|process| {
            process.pid == tag.pid && tag.key.2 < process.records + u32::from(process.cut.is_some())
        })
    }

    fn cut_of(&self, key: Key) -> Option<Cut> {
        let process = self.by_process.get(&(key.0, key.1))?;
        process.cut.filter(|_| key.2 == process.records)
    }

    fn whole(&mut self, tag: &Tag) {
        let record = self.records.entry(tag.key).or_default();
        record.lines = tag.lines;
        *record.seen.entry(tag.line).or_default() += 1;
        if tag.line == 1 {
            self.order(tag);
        }
        self.open = match self.open.take() {
            _ if tag.line == 1 => Some(Open {
                key: tag.key,
                next: 2,
                lines: tag.lines,
            }),
            Some(open) if open.key == tag.key && open.next == tag.line => Some(Open {
                next: open.next + 1,
                ..open
            }),
            _ => None,
        };
        if let Some(open) = self.open.filter(|open| open.next > open.lines) {
            self.records.entry(open.key).or_default().together += 1;
            self.open = None;
        }
    }

    fn order(&mut self, tag: &Tag) {
        let (worker, generation, number) = tag.key;
        let last = self
            .last
            .entry((worker, generation, tag.stream))
            .or_insert(number);
        self.report.out_of_order += usize::from(number < *last);
        *last = number.max(*last);
        let newest = self
            .generation
            .entry((worker, tag.stream))
            .or_insert(generation);
        self.report.after_successor += usize::from(generation < *newest);
        *newest = generation.max(*newest);
    }

    /// What comes next stands beside nothing.
    fn end_of_record(&mut self) {
        self.open = None;
    }

    /// Between two files there is no order.
    fn end_of_file(&mut self) {
        self.open = None;
        self.generation.clear();
    }

    fn finish(mut self, manifest: &Manifest) -> Report {
        for process in &manifest.processes {
            for number in 0..process.records {
                let record = self
                    .records
                    .remove(&(process.worker, process.generation, number))
                    .unwrap_or_default();
                count(&mut self.report, &record);
            }
            if let Some(cut) = process.cut {
                self.report.cuts_expected += 1;
                let record =
                    self.records
                        .remove(&(process.worker, process.generation, process.records));
                self.report.cuts_kept +=
                    usize::from(record.is_some_and(|record| is_kept(&record, cut)));
            }
        }
        self.report
    }
}

/// How many of a record's lines carry a tag.
fn tagged_lines(lines: u32) -> u32 {
    // A chained traceback is 8 + 4n lines, five of them plain; a single one 3 + 2n, one of them plain (load.c).
    match lines {
        1 => 1,
        lines if lines % 2 == 0 => lines - 5,
        lines => lines - 1,
    }
}

fn count(report: &mut Report, record: &Record) {
    let complete = record.lines > 0 && record.seen.len() == tagged_lines(record.lines) as usize;
    if record.torn {
        report.torn += 1;
    } else if !complete {
        report.lost += 1;
    } else if record.seen.values().any(|&times| times > 1) {
        report.duplicated += 1;
    } else if record.together == 0 {
        report.broken_tracebacks += 1;
    } else {
        report.intact += 1;
        report.tracebacks += usize::from(record.lines > 1);
    }
}

fn is_kept(record: &Record, cut: Cut) -> bool {
    // Line 2 of a traceback is plain.
    let whole = cut.whole_lines.saturating_sub(1);
    record.rests == 1
        && !record.torn
        && record.seen.len() == whole as usize
        && record.seen.values().all(|&times| times == 1)
}

fn lines_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|&byte| byte == b'\n')
}

/// Checks logs in the format `raw`. Each file is read by itself.
#[track_caller]
pub fn raw(manifest: &Manifest, files: &[impl AsRef<Path>]) -> Report {
    let texts = files.iter().map(|file| {
        fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.as_ref().display()))
    });
    raw_bytes(manifest, texts)
}

/// The same, of bytes.
pub fn raw_bytes(manifest: &Manifest, texts: impl IntoIterator<Item = Vec<u8>>) -> Report {
    let mut verifier = Verifier::new(manifest);
    for text in texts.into_iter().filter(|text| !text.is_empty()) {
        for line in lines_of(&text) {
            verifier.line(line);
        }
        verifier.end_of_file();
    }
    verifier.finish(manifest)
}

/// Checks a log in the format `json`: an entry must be one record under its writer's PID and stream.
#[track_caller]
pub fn json(manifest: &Manifest, file: &Path) -> Report {
    json_entries(manifest, &log::captured(file))
}

/// The same, of entries.
pub fn json_entries(manifest: &Manifest, entries: &[log::Entry]) -> Report {
    let mut verifier = Verifier::new(manifest);
    for entry in entries {
        let seen: Vec<Seen> = lines_of(entry.message.as_bytes())
            .filter_map(|line| verifier.line(line))
            .collect();
        verifier.end_of_record();
        verifier.report.shared += usize::from(entry.shared);
        verifier.report.split_or_joined += usize::from(!is_one_record(&seen));
        verifier.report.misattributed += seen
            .iter()
            .filter(|seen| !entry.shared && !is_of(seen, entry))
            .count();
    }
    verifier.finish(manifest)
}

fn is_one_record(seen: &[Seen]) -> bool {
    let keys: BTreeSet<Key> = seen.iter().map(|seen| seen.key).collect();
    keys.len() == 1
        && seen.first().is_some_and(|seen| seen.starts)
        && seen.last().is_some_and(|seen| seen.ends)
}

fn is_of(seen: &Seen, entry: &log::Entry) -> bool {
    let stream = if entry.stream == "stdout" { b'o' } else { b'e' };
    seen.pid == entry.pid && seen.stream.is_none_or(|seen| seen == stream)
}

/// The PIDs whose lines stand in a raw log, one for each run of lines of one process, in the order of the file.
#[track_caller]
pub fn runs(file: &Path) -> Vec<i32> {
    let text = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut pids: Vec<i32> = lines_of(&text)
        .filter_map(Tag::find)
        .map(|tag| tag.pid)
        .collect();
    pids.dedup();
    pids
}
