//! What must hold for the record assembler, whatever bytes come in whatever pieces: properties over random input, and
//! real programs' output, mutated. `PROPTEST_CASES` and `FUZZ_SECONDS` say for how long; see README.md.

#![allow(clippy::unwrap_used)] // a test may panic

mod support;

use proptest::prelude::*;
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime};
use support::assembly::{LINES, assemble, corpus, limited, owned, rules, stamp, well_formed};
use unbraid::record::{Assembler, Languages, Record, Settings, Sink, languages};

/// How much is in a case: less, and so more cases in the same time, with `PROPTEST_SMALL`.
fn most(usual: usize) -> usize {
    let divisor = variable("PROPTEST_SMALL").unwrap_or(1);
    (usual / divisor.max(1) as usize).max(2)
}

/// Bytes that look like logs: the openers, middles and ends of all kinds, in any order.
fn log_like() -> impl Strategy<Value = Vec<u8>> {
    let line = (0..LINES.len(), 0..12u8).prop_map(|(i, end)| {
        let end = match end {
            0 => "\r\n",
            1 => "",
            2 => "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
            _ => "\n",
        };
        format!("{}{end}", LINES[i]).into_bytes()
    });
    prop::collection::vec(line, 0..most(60)).prop_map(|lines| lines.concat())
}

fn max_record() -> impl Strategy<Value = usize> {
    prop_oneof![
        Just(1usize),
        Just(2),
        Just(3),
        Just(5),
        1..300usize,
        Just(1 << 20)
    ]
}

/// Panics at the first record too many: behind one that came by itself, before a run.
struct Falling {
    seen: Vec<u8>,
    left: usize,
    runs: bool,
}

impl Sink for Falling {
    fn record(&mut self, record: &Record<'_>) {
        self.seen.extend_from_slice(record.bytes);
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => std::panic::resume_unwind(Box::new("out")),
        }
    }

    fn lines(&mut self, bytes: &[u8], count: usize, _: u64) -> bool {
        if !self.runs {
            return false;
        }
        match self.left.checked_sub(count) {
            Some(left) => self.left = left,
            None => std::panic::resume_unwind(Box::new("out")),
        }
        self.seen.extend_from_slice(bytes);
        true
    }
}

proptest! {
    #[test]
    fn any_bytes_come_out_as_they_went_in(
        input in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'{'), Just(0x1b)], 0..most(600)),
        sizes in prop::collection::vec(1..40usize, 1..8),
        max in max_record(),
    ) {
        let settings = limited(max);
        let whole = assemble(&settings, &input, &[usize::MAX]);
        well_formed(&settings, &input, &whole);
        prop_assert_eq!(assemble(&settings, &input, &sizes), whole);
    }

    #[test]
    fn any_cut_gives_the_same_records(
        input in log_like(),
        sizes in prop::collection::vec(1..200usize, 1..8),
        max in max_record(),
        lines in 0..8u8,
    ) {
        let languages = if lines == 0 { Languages::Lines } else { Languages::Auto };
        let record_start = (lines == 1).then(|| regex::bytes::Regex::new("^[A-Z0-9]").unwrap());
        let settings = Settings { languages, record_start, ..limited(max) };
        let whole = assemble(&settings, &input, &[usize::MAX]);
        well_formed(&settings, &input, &whole);
        prop_assert_eq!(&assemble(&settings, &input, &sizes), &whole);
        prop_assert_eq!(&assemble(&settings, &input, &[1]), &whole);
    }

    #[test]
    fn silence_ceiling_and_end_lose_nothing(
        pieces in prop::collection::vec((log_like(), 0..6u8, 0..1500u64), 0..most(12)),
        max in max_record(),
    ) {
        let settings = Settings { line_timeout: Some(Duration::from_millis(900)), ..limited(max) };
        let mut assembler = Assembler::new(rules(&settings));
        let (mut records, mut input, mut now) = (Vec::new(), Vec::new(), Instant::now());
        for (piece, what, wait) in &pieces {
            let mut sink = |r: &Record<'_>| records.push(owned(r));
            assembler.push(piece, stamp(now), &mut sink);
            input.extend_from_slice(piece);
            now += Duration::from_millis(*wait);
            match what {
                0 => assembler.cut(&mut sink),
                1 => assembler.end(&mut sink),
                2..5 => assembler.silent(now, &mut sink),
                _ => {}
            }
            prop_assert!(assembler.deadline().is_none_or(|at| *what > 4 || at > now || *what < 2));
        }
        assembler.end(&mut |r: &Record<'_>| records.push(owned(r)));
        well_formed(&settings, &input, &records);
    }

    #[test]
    fn after_a_panic_the_rest_is_known(
        input in log_like(),
        more in log_like(),
        at in 0..20usize,
        runs in any::<bool>(),
    ) {
        let mut assembler = Assembler::new(rules(&Settings::default()));
        let mut sink = Falling { seen: Vec::new(), left: usize::MAX, runs };
        assembler.push(&input, stamp(Instant::now()), &mut sink);
        sink.left = at;
        let fell = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            assembler.push(&more, stamp(Instant::now()), &mut sink);
        }));
        let mut seen = sink.seen;
        let taken = if more.is_empty() { 0 } else { assembler.taken() };
        prop_assert!(fell.is_err() || taken == more.len());
        seen.extend(assembler.take_raw());
        seen.extend_from_slice(&more[taken..]);
        prop_assert_eq!(seen, [input, more].concat());
        prop_assert!(assembler.deadline().is_none());
    }
}

/// Pseudo-random numbers (SplitMix64): a case is its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &'a [&T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// A stretch of `len` bytes or lines; mostly a short one.
    fn range(&mut self, len: usize) -> Range<usize> {
        let from = self.below(len);
        let most = if self.one_in(4) {
            len - from
        } else {
            8.min(len - from)
        };
        from..from + self.below(most + 1)
    }
}

/// Says which case fell.
struct Falls(u64);

impl Drop for Falls {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again with FUZZ_SEED={} FUZZ_CASES=1", self.0);
        }
    }
}

/// Stretches of real output, put together and spoilt.
fn mutated(random: &mut Random, corpus: &[Vec<&[u8]>]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for _ in 0..=random.below(3) {
        let file = &corpus[random.below(corpus.len())];
        let range = if random.one_in(2) {
            0..file.len()
        } else {
            random.range(file.len())
        };
        lines.extend(file[range].iter().map(|line| line.to_vec()));
    }
    for _ in 0..random.below(6) {
        spoil_lines(random, &mut lines);
    }
    let mut bytes = lines.concat();
    for _ in 0..random.below(4) {
        spoil_bytes(random, &mut bytes);
    }
    bytes
}

fn spoil_lines(random: &mut Random, lines: &mut Vec<Vec<u8>>) {
    let (range, to) = (random.range(lines.len()), random.below(lines.len() + 1));
    match random.below(6) {
        0 => drop(lines.drain(range)),
        1 => {
            let copy = lines[range].to_vec();
            lines.splice(to..to, copy);
        }
        2 => {
            let moved: Vec<_> = lines.drain(range).collect();
            let to = to.min(lines.len());
            lines.splice(to..to, moved);
        }
        3 => lines.insert(to, format!("{}\n", random.pick(LINES)).into_bytes()),
        4 => {
            let prefix = random.pick(PREFIXES);
            lines[range]
                .iter_mut()
                .for_each(|line| drop(line.splice(0..0, prefix.bytes())));
        }
        _ => {
            let again = 1 << random.below(7);
            let copies = lines[range.start..range.end.min(range.start + 2)].to_vec();
            let copies: Vec<_> = (0..again).flat_map(|_| copies.clone()).collect();
            lines.splice(to..to, copies);
        }
    }
}

/// What may stand before a line.
const PREFIXES: &[&str] = &[
    " ",
    "  ",
    "    ",
    "\t",
    "| ",
    "  | ",
    "> ",
    "\x1b[31m",
    "\u{feff}",
    "ERROR ",
    "{",
    "#",
    "2026-11-23 10:00:00,000 INFO ",
    "[2026-11-23 10:00:00 +0000] [1] [ERROR] ",
    "WARNING:root:",
    "Caused by: ",
    "[pid: 1] ",
    "[0] ",
    "app_1  | ",
];

/// Bytes that mean something to the rules.
const MARKS: &[u8] = b"\n\n\r \t{}[]()\"'#:.@^|>\x1b\0\xff\xc3E0";

fn spoil_bytes(random: &mut Random, bytes: &mut Vec<u8>) {
    let (range, to) = (random.range(bytes.len()), random.below(bytes.len() + 1));
    let mark = MARKS[random.below(MARKS.len())];
    match random.below(6) {
        0 => drop(bytes.drain(range)),
        1 => bytes[range].iter_mut().for_each(|byte| *byte ^= mark),
        2 => bytes.insert(to, mark),
        3 => bytes.truncate(to),
        4 => {
            let copy = bytes[range].to_vec();
            bytes.splice(to..to, copy);
        }
        // Longer than the rules look into a line, once in a while.
        _ => {
            let most = if random.one_in(8) { 40_000 } else { 300 };
            let run = vec![mark; random.below(most)];
            bytes.splice(to..to, run);
        }
    }
}

fn settings(random: &mut Random) -> Settings {
    let max_record = match random.below(4) {
        0 => 1 + random.below(300),
        1 => 1 + random.below(20_000),
        _ => 1 << 20,
    };
    let languages = match random.below(8) {
        0 => Languages::Lines,
        1 => Languages::Only(vec![random.pick(languages()).to_owned()]),
        _ => Languages::Auto,
    };
    let own = random
        .one_in(16)
        .then(|| regex::bytes::Regex::new("^[A-Z0-9]").unwrap());
    Settings {
        languages,
        record_start: own,
        line_timeout: random.one_in(4).then_some(Duration::from_millis(900)),
        ..limited(max_record)
    }
}

/// The same input with pauses, the memory's ceiling and ends between its pieces.
fn in_time(random: &mut Random, settings: &Settings, input: &[u8]) {
    let mut assembler = Assembler::new(rules(settings));
    let (mut records, mut now, mut rest) = (Vec::new(), Instant::now(), input);
    while !rest.is_empty() {
        let mut sink = |r: &Record<'_>| records.push(owned(r));
        let (piece, more) = rest.split_at(1 + random.below(rest.len()));
        rest = more;
        assembler.push(piece, stamp(now), &mut sink);
        now += Duration::from_millis(random.next() % 1500);
        match random.below(5) {
            0 => assembler.cut(&mut sink),
            1 => assembler.end(&mut sink),
            2 => {
                assembler.silent(now, &mut sink);
                assert!(assembler.deadline().is_none_or(|at| at > now));
            }
            _ => {}
        }
        let most = settings.max_record + settings.max_record / 4 + (128 << 10);
        assert!(assembler.held() < most, "{} held", assembler.held());
    }
    assembler.end(&mut |r: &Record<'_>| records.push(owned(r)));
    well_formed(settings, input, &records);
}

fn fuzz_one(seed: u64, corpus: &[Vec<&[u8]>]) {
    let _falls = Falls(seed);
    let mut random = Random(seed);
    let (input, settings) = (mutated(&mut random, corpus), settings(&mut random));
    let whole = assemble(&settings, &input, &[usize::MAX]);
    well_formed(&settings, &input, &whole);
    let sizes: Vec<usize> = (0..8).map(|_| 1 + random.below(200)).collect();
    assert!(
        assemble(&settings, &input, &sizes) == whole,
        "in {sizes:?}: {:?}",
        input.escape_ascii()
    );
    if input.len() < 4096 {
        assert!(
            assemble(&settings, &input, &[1]) == whole,
            "byte by byte: {:?}",
            input.escape_ascii()
        );
    }
    in_time(&mut random, &settings, &input);
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {value}")),
    )
}

#[test]
fn mutated_real_output() {
    let files = corpus();
    let lines = |bytes| -> Vec<&[u8]> { <[u8]>::split_inclusive(bytes, |b| *b == b'\n').collect() };
    let corpus: Vec<_> = files.iter().map(|(_, bytes)| lines(bytes)).collect();
    let limit = Duration::from_secs(variable("FUZZ_SECONDS").unwrap_or(1));
    let cases = variable("FUZZ_CASES").unwrap_or(u64::MAX);
    let clock = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let seed = variable("FUZZ_SEED").unwrap_or_else(clock);
    let (begin, mut done) = (Instant::now(), 0);
    while done < cases && begin.elapsed() < limit {
        fuzz_one(seed.wrapping_add(done), &corpus);
        done += 1;
    }
    println!(
        "{done} cases from FUZZ_SEED={seed} on, in {:.1?}",
        begin.elapsed()
    );
}
