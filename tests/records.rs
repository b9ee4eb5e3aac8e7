//! The record assembler from outside: what must hold for any bytes, in any cut, and what time does.

#![allow(clippy::unwrap_used)] // a test may panic

use proptest::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};
use unbraid::record::{Assembler, Kind, Languages, Part, Record, Rules, Settings, Stamp};

/// A record, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owned {
    bytes: Vec<u8>,
    traceback: Option<String>,
    part: Option<Part>,
}

fn owned(record: &Record<'_>) -> Owned {
    let text =
        |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let traceback = match record.kind {
        Kind::Line => None,
        Kind::Traceback(t) => Some(format!(
            "{} {} {}",
            t.lang,
            text(t.exception_type),
            text(t.exception_message)
        )),
    };
    Owned {
        bytes: record.bytes.to_vec(),
        traceback,
        part: record.part,
    }
}

fn rules(settings: &Settings) -> Arc<Rules> {
    Arc::new(Rules::new(settings).unwrap())
}

fn stamp(at: Instant) -> Stamp {
    Stamp { wall_us: 7, at }
}

/// The records of `input`, pushed in pieces whose sizes `sizes` repeats.
fn assemble(settings: &Settings, input: &[u8], sizes: &[usize]) -> Vec<Owned> {
    let mut assembler = Assembler::new(rules(settings));
    let mut records = Vec::new();
    let (now, mut rest, mut sizes) = (Instant::now(), input, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes
            .next()
            .map_or(rest.len(), |n| (*n).clamp(1, rest.len()));
        assembler.push(&rest[..size], stamp(now), &mut |r| records.push(owned(r)));
        rest = &rest[size..];
        assert!(
            assembler.held() < settings.max_record + settings.max_record / 4 + (128 << 10),
            "{} held",
            assembler.held()
        );
    }
    assembler.end(&mut |r| records.push(owned(r)));
    assert!(assembler.deadline().is_none());
    assert!(
        assembler.held() <= 32 << 10,
        "{} held when idle",
        assembler.held()
    );
    records
}

/// Joined, the records are the input; parts are numbered from 1, and the last one says so.
fn well_formed(settings: &Settings, input: &[u8], records: &[Owned]) {
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

fn texts(records: &[Owned]) -> Vec<&str> {
    records
        .iter()
        .map(|r| std::str::from_utf8(&r.bytes).unwrap())
        .collect()
}

fn limited(max_record: usize) -> Settings {
    Settings {
        max_record,
        ..Settings::default()
    }
}

const LINES: &[&str] = &[
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
    prop::collection::vec(line, 0..60).prop_map(|lines| lines.concat())
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

proptest! {
    #[test]
    fn any_bytes_come_out_as_they_went_in(
        input in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'{'), Just(0x1b)], 0..600),
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
        pieces in prop::collection::vec((log_like(), 0..6u8, 0..1500u64), 0..12),
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
        assembler.end(&mut |r| records.push(owned(r)));
        well_formed(&settings, &input, &records);
    }

    #[test]
    fn after_a_panic_the_rest_is_known(
        input in log_like(),
        more in log_like(),
        at in 0..20usize,
    ) {
        let mut assembler = Assembler::new(rules(&Settings::default()));
        let mut seen = Vec::new();
        assembler.push(&input, stamp(Instant::now()), &mut |r| seen.extend_from_slice(r.bytes));
        let mut records = 0;
        let fell = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            assembler.push(&more, stamp(Instant::now()), &mut |r| {
                seen.extend_from_slice(r.bytes);
                records += 1;
                if records > at {
                    std::panic::resume_unwind(Box::new("out"));
                }
            });
        }));
        let taken = if more.is_empty() { 0 } else { assembler.taken() };
        prop_assert!(fell.is_err() || taken == more.len());
        seen.extend(assembler.take_raw());
        seen.extend_from_slice(&more[taken..]);
        prop_assert_eq!(seen, [input, more].concat());
        prop_assert!(assembler.deadline().is_none());
    }
}

#[test]
fn every_cut_of_a_short_log() {
    let input = "a\n2026-11-23 10:00:00,000 ERROR bad\r\nTraceback (most recent call last):\n  File \"a.py\", line 3, in f\n\
                 KeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\nValueError: \u{20ac}\nmore";
    for max in [1, 2, 3, 4, 40, 1000] {
        let settings = limited(max);
        let whole = assemble(&settings, input.as_bytes(), &[usize::MAX]);
        well_formed(&settings, input.as_bytes(), &whole);
        for at in 1..input.len() {
            assert_eq!(
                assemble(&settings, input.as_bytes(), &[at, usize::MAX]),
                whole,
                "cut at {at}, max {max}"
            );
        }
    }
}

#[test]
fn lines_are_records_when_asked_for() {
    let settings = Settings {
        languages: Languages::Lines,
        ..Settings::default()
    };
    let input = b"Traceback (most recent call last):\n  File \"a.py\", line 3, in f\nKeyError: 'x'\n\nno newline";
    assert_eq!(assemble(&settings, input, &[usize::MAX]).len(), 5);
}

#[test]
fn only_the_languages_named() {
    let settings = Settings {
        languages: Languages::Only(vec!["python".into()]),
        ..Settings::default()
    };
    let input = b"Traceback (most recent call last):\n  File \"a.py\", line 3, in f\nKeyError: 'x'\npanic: x\n\ngoroutine 1 [running]:\n";
    assert_eq!(assemble(&settings, input, &[usize::MAX]).len(), 4);
}

#[test]
fn an_own_record_start_wins() {
    let record_start = Some(regex::bytes::Regex::new("^#").unwrap());
    let settings = Settings {
        record_start,
        ..Settings::default()
    };
    let input = b"early\n# one\nTraceback (most recent call last):\n2026-11-23 10:00:00 INFO x\n\n# two\nmore";
    let records = assemble(&settings, input, &[3]);
    let want = [
        "early\n",
        "# one\nTraceback (most recent call last):\n2026-11-23 10:00:00 INFO x\n\n",
        "# two\nmore",
    ];
    assert_eq!(texts(&records), want);
}

#[test]
fn parts_end_at_lines_or_characters() {
    let input =
        "Traceback (most recent call last):\n  File \"a.py\", line 3, in f\nKeyError: 'x'\n";
    let records = assemble(&limited(40), input.as_bytes(), &[usize::MAX]);
    assert_eq!(
        texts(&records),
        [
            "Traceback (most recent call last):\n",
            "  File \"a.py\", line 3, in f\n",
            "KeyError: 'x'\n"
        ]
    );
    let parts: Vec<_> = records.iter().map(|r| r.part.unwrap()).collect();
    assert_eq!(
        parts,
        [1, 2, 3].map(|number| Part {
            number,
            last: number == 3
        })
    );
    assert_eq!(records[0].traceback.as_deref(), Some("python  "));
    assert_eq!(records[2].traceback.as_deref(), Some("python KeyError 'x'"));
    let records = assemble(&limited(4), "ab\u{20ac}\u{20ac}".as_bytes(), &[1]);
    assert_eq!(texts(&records), ["ab", "\u{20ac}", "\u{20ac}"]);
    let whole = assemble(&limited(5), b"1234\n12345\n", &[usize::MAX]);
    assert_eq!(texts(&whole), ["1234\n", "12345", "\n"]);
    assert!(whole[0].part.is_none());
}

#[test]
fn an_endless_line_is_never_held() {
    let settings = limited(64 << 10);
    let mut assembler = Assembler::new(rules(&settings));
    let (mut parts, mut bytes) = (0, 0);
    let piece = [b'x'; 4096];
    for _ in 0..1024 {
        assembler.push(&piece, stamp(Instant::now()), &mut |r| {
            parts += 1;
            bytes += r.bytes.len();
            assert_eq!(
                r.part,
                Some(Part {
                    number: parts,
                    last: false
                })
            );
        });
        assert!(assembler.held() < 256 << 10, "{}", assembler.held());
    }
    let mut last = None;
    assembler.push(b"\n", stamp(Instant::now()), &mut |r| {
        bytes += r.bytes.len();
        last = r.part;
    });
    assert_eq!(
        last,
        Some(Part {
            number: parts + 2,
            last: true
        })
    );
    assert_eq!(bytes, 1024 * 4096 + 1);
    assert!(assembler.deadline().is_none());
    assert!(assembler.held() < 32 << 10);
}

#[test]
fn a_stream_may_move_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Assembler>();
}

/// What leaves after which silence: the deadline, then what has left by it.
fn timed(settings: &Settings, input: &str) -> (Option<u64>, Vec<String>, Vec<String>) {
    let mut assembler = Assembler::new(rules(settings));
    let (mut now, mut late) = (Vec::new(), Vec::new());
    let start = Instant::now();
    let text = |r: &Record<'_>| String::from_utf8(r.bytes.to_vec()).unwrap();
    assembler.push(input.as_bytes(), stamp(start), &mut |r| now.push(text(r)));
    let deadline = assembler.deadline();
    if let Some(at) = deadline {
        assembler.silent(start + (at - start) / 2, &mut |r| {
            panic!("too early: {:?}", text(r))
        });
        assert_eq!(assembler.deadline(), deadline);
        assembler.silent(at, &mut |r| late.push(text(r)));
    }
    (
        deadline.map(|at| (at - start).as_millis() as u64),
        now,
        late,
    )
}

#[test]
fn what_silence_ends() {
    let settings = Settings::default();
    let cases: &[(&str, Option<u64>)] = &[
        ("nothing could continue this\n", None),
        (
            "10.0.0.1 - - [23/Nov/2026:10:00:01 +0000] \"GET / HTTP/1.1\" 200 7\n",
            None,
        ),
        ("{\"level\": \"info\"}\n", None),
        ("2026-11-23 10:00:00,000 INFO up\n", Some(25)),
        ("2026-11-23 10:00:00,000 INFO up\n  more\n", Some(25)),
        ("2026-11-23 10:00:00,000 WARNING bad\n", Some(250)),
        ("Exception in thread Thread-1:\n", Some(250)),
        ("  File \"a.py\", line 3\n", Some(250)),
        ("Traceback (most recent call last):\n", Some(1000)),
        (
            "Traceback (most recent call last):\n  File \"a.py\", line 3, in f\nKeyError: 'x'\n",
            Some(1000),
        ),
    ];
    for (input, want) in cases {
        let (deadline, now, late) = timed(&settings, input);
        assert_eq!(deadline, *want, "{input}");
        assert_eq!([now, late].concat().concat(), *input);
    }
    let impatient = Settings {
        record_timeout: Duration::from_millis(10),
        ..Settings::default()
    };
    assert_eq!(timed(&impatient, "WARNING: x\n").0, Some(10));
}

#[test]
fn a_deadline_counts_from_the_last_line() {
    let mut assembler = Assembler::new(rules(&Settings::default()));
    let start = Instant::now();
    let mut none = |r: &Record<'_>| panic!("{:?}", r.bytes);
    assembler.push(
        b"Traceback (most recent call last):\n",
        stamp(start),
        &mut none,
    );
    let later = start + Duration::from_millis(600);
    assembler.push(b"  File \"a.py\", line 3, in f\n", stamp(later), &mut none);
    assert_eq!(assembler.deadline(), Some(later + Duration::from_secs(1)));
    // Half a line may belong to it: the record waits for that, as long as for a whole one.
    let latest = later + Duration::from_millis(900);
    assembler.push(b"    f(", stamp(latest), &mut none);
    let deadline = latest + Duration::from_secs(1);
    assert_eq!(assembler.deadline(), Some(deadline));
    let mut left = Vec::new();
    assembler.silent(deadline, &mut |r| left.push(owned(r)));
    assert_eq!(
        texts(&left),
        ["Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n"]
    );
    assert_eq!(assembler.deadline(), None);
    assembler.push(b")\n", stamp(deadline), &mut |r| left.push(owned(r)));
    assert_eq!(left[1].bytes, b"    f()\n");
}

#[test]
fn half_a_line_waits_unless_told_otherwise() {
    assert_eq!(timed(&Settings::default(), "half").0, None);
    let settings = Settings {
        line_timeout: Some(Duration::from_millis(40)),
        ..Settings::default()
    };
    let (deadline, now, late) = timed(&settings, "whole\nhalf");
    assert_eq!(
        (deadline, now, late),
        (
            Some(40),
            vec!["whole\n".to_owned()],
            vec!["half".to_owned()]
        )
    );
}

#[test]
fn the_ceiling_keeps_the_state() {
    let mut assembler = Assembler::new(rules(&Settings::default()));
    let now = stamp(Instant::now());
    let mut left = Vec::new();
    let mut sink = |r: &Record<'_>| left.push(owned(r));
    assembler.push(
        b"Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n    f(",
        now,
        &mut sink,
    );
    assembler.cut(&mut sink);
    assembler.push(b")\nKeyError: 'x'\nnext\n", now, &mut sink);
    assert_eq!(
        texts(&left),
        [
            "Traceback (most recent call last):\n",
            "  File \"a.py\", line 3, in f\n    f()\nKeyError: 'x'\n",
            "next\n"
        ]
    );
    assert_eq!(
        left[0].part,
        Some(Part {
            number: 1,
            last: false
        })
    );
    assert_eq!(
        left[1].part,
        Some(Part {
            number: 2,
            last: true
        })
    );
    assert_eq!(left[1].traceback.as_deref(), Some("python KeyError 'x'"));
}

#[test]
fn a_record_has_the_time_of_its_first_byte() {
    let mut assembler = Assembler::new(rules(&Settings::default()));
    let mut walls = Vec::new();
    let at = Instant::now();
    for (i, piece) in [
        "Trace",
        "back (most recent call last):\n  File",
        " \"a.py\", line 3, in f\n",
        "ValueError: x\nplain\npl",
        "ain\n",
    ]
    .iter()
    .enumerate()
    {
        assembler.push(
            piece.as_bytes(),
            Stamp {
                wall_us: 100 + i as u64,
                at,
            },
            &mut |r| walls.push(r.wall_us),
        );
    }
    assert_eq!(walls, [100, 103, 103]);
}
