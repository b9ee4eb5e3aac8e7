//! The record assembler from outside: what time does, what limits do, and what real programs wrote.

#![allow(clippy::unwrap_used)] // a test may panic

mod support;

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use support::assembly::{
    Owned, assemble, corpus, limited, owned, rules, stamp, texts, well_formed,
};
use unbraid::record::{Assembler, Languages, Part, Record, Settings, Stamp};

/// Records without blank lines at their ends, and without blank records: nobody misses these.
fn trimmed(records: &[String]) -> Vec<String> {
    let blank = |line: &&str| line.trim().is_empty();
    let trim = |record: &String| {
        let lines: Vec<&str> = record.lines().map(|l| l.trim_end_matches('\r')).collect();
        let first = lines.iter().take_while(|l| blank(l)).count();
        let last = lines.iter().rev().take_while(|l| blank(l)).count();
        lines.get(first..lines.len() - last).map(|l| l.join("\n"))
    };
    records
        .iter()
        .filter_map(trim)
        .filter(|record| !record.is_empty())
        .collect()
}

/// The record lists that are right for a case; none where the pauses between its writes decide.
fn expected(case: &Path) -> Vec<Vec<String>> {
    let read = |kind: &str| fs::read(case.with_extension(kind)).ok();
    let meta = read("meta.json").map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap());
    if meta["decidable_by"] == "writes" {
        return Vec::new();
    }
    let first: Vec<String> = serde_json::from_slice(&read("records.json").unwrap()).unwrap();
    let others = serde_json::from_value(meta["also_acceptable"].clone()).unwrap_or_default();
    [vec![first], others]
        .concat()
        .iter()
        .map(|records| trimmed(records))
        .collect()
}

#[test]
fn what_real_programs_wrote() {
    let settings = Settings::default();
    let cases = corpus();
    assert!(cases.len() > 70, "{} cases", cases.len());
    for (case, input) in cases {
        let whole = assemble(&settings, &input, &[usize::MAX]);
        well_formed(&settings, &input, &whole);
        for sizes in [&[1][..], &[7], &[3, 500, 40]] {
            assert_eq!(
                assemble(&settings, &input, sizes),
                whole,
                "{}, in {sizes:?}",
                case.display()
            );
        }
        let expected = expected(&case);
        let text = |r: &Owned| String::from_utf8_lossy(&r.bytes).into_owned();
        let records = trimmed(&whole.iter().map(text).collect::<Vec<_>>());
        assert!(
            expected.is_empty() || expected.contains(&records),
            "{}: {records:#?}",
            case.display()
        );
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
        assembler.push(&piece, stamp(Instant::now()), &mut |r: &Record<'_>| {
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
    assembler.push(b"\n", stamp(Instant::now()), &mut |r: &Record<'_>| {
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
fn a_long_record_takes_no_more_than_a_quarter_more() {
    let settings = Settings::default();
    // Lines of one length, so that a read can end with a line: a record is then put together from two pieces at once.
    let opener = "Traceback (most recent call last):\n";
    let frame = format!("{:<34}\n", "  File \"a.py\", line 3, in f");
    let input = [opener, &frame.repeat(200_000)].concat();
    for sizes in [
        &[35 * 28_000][..],
        &[35 * 20_000],
        &[700_000, 3],
        &[65_536],
        &[4096],
    ] {
        let records = assemble(&settings, input.as_bytes(), sizes);
        well_formed(&settings, input.as_bytes(), &records);
    }
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
    assembler.push(input.as_bytes(), stamp(start), &mut |r: &Record<'_>| {
        now.push(text(r));
    });
    let deadline = assembler.deadline();
    if let Some(at) = deadline {
        assembler.silent(start + (at - start) / 2, &mut |r: &Record<'_>| {
            panic!("too early: {:?}", text(r))
        });
        assert_eq!(assembler.deadline(), deadline);
        assembler.silent(at, &mut |r: &Record<'_>| late.push(text(r)));
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
    assembler.silent(deadline, &mut |r: &Record<'_>| left.push(owned(r)));
    assert_eq!(
        texts(&left),
        ["Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n"]
    );
    assert_eq!(assembler.deadline(), None);
    assembler.push(b")\n", stamp(deadline), &mut |r: &Record<'_>| {
        left.push(owned(r));
    });
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
            &mut |r: &Record<'_>| walls.push(r.wall_us),
        );
    }
    assert_eq!(walls, [100, 103, 103]);
}
