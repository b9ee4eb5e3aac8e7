mod columns;
mod fields;
mod syslog;

use super::*;
use crate::output::Stream;
use crate::output::spec::TimeStyle;
use crate::record::{Kind, Part, Trace};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;

/// 2026-11-23T10:00:00.123456Z
const US: u64 = 1_795_428_000_123_456;

const ORIGIN: Origin = Origin {
    pid: 1234,
    slot: 2,
    stream: Stream::Stderr,
    shared: false,
    source: 1,
};

const TRACEBACK: Kind<'static> = Kind::Traceback(Trace {
    lang: "python",
    exception_type: Some(b"app.Error"),
    exception_message: Some(b"no \"x\""),
    file: Some(b"a/b.py"),
    line: Some(u64::MAX),
    function: Some(b"f.<locals>.g"),
});

fn record(bytes: &[u8]) -> Record<'_> {
    Record {
        bytes,
        wall_us: US,
        kind: Kind::Line,
        part: None,
    }
}

fn part(bytes: &[u8], number: u32, last: bool) -> Record<'_> {
    Record {
        part: Some(Part { number, last }),
        ..record(bytes)
    }
}

fn style(format: Format, time: TimeStyle) -> Style {
    Style {
        format,
        time,
        template: None,
    }
}

fn bytes_of(format: Format, time: TimeStyle, origin: &Origin, record: &Record<'_>) -> Vec<u8> {
    encoded(&style(format, time), origin, record)
}

fn encoded(style: &Style, origin: &Origin, record: &Record<'_>) -> Vec<u8> {
    // What stands in the buffer already must stay.
    let mut out = b"before".to_vec();
    Encoder::new(style, "app", "host").encode(origin, record, &mut out);
    out.strip_prefix(b"before").expect("kept").to_vec()
}

fn text_of(format: Format, record: &Record<'_>) -> String {
    String::from_utf8(bytes_of(format, TimeStyle::Utc, &ORIGIN, record)).unwrap()
}

#[test]
fn raw_ends_records_but_not_parts_that_go_on() {
    for (record, written) in [
        (record(b"a\n"), "a\n"),
        (record(b"a"), "a\n"),
        (record(b"a\r\nb\n"), "a\r\nb\n"),
        (record(b"\n"), "\n"),
        (part(b"a", 1, false), "a"),
        (part(b"a\n", 2, false), "a\n"),
        (part(b"a", 3, true), "a\n"),
        (part(b"\n", 3, true), "\n"),
    ] {
        assert_eq!(text_of(Format::Raw, &record), written, "{record:?}");
    }
}

#[test]
fn prefix_has_columns_before_each_line() {
    let t = "2026-11-23T10:00:00.123456Z 1234 err";
    for (record, written) in [
        (record(b"line\n"), format!("{t} | line\n")),
        (record(b"line"), format!("{t} | line\n")),
        (record(b"\n"), format!("{t} | \n")),
        (
            record(b"a\n\n  b\n"),
            format!("{t} | a\n{t} > \n{t} >   b\n"),
        ),
        (part(b"a\nb", 1, false), format!("{t} | a\n{t} > b\n")),
        (part(b"b\nc\n", 2, false), format!("{t} + b\n{t} > c\n")),
        (part(b"d", 3, true), format!("{t} + d\n")),
    ] {
        assert_eq!(text_of(Format::Prefix, &record), written, "{record:?}");
    }
}

#[test]
fn prefix_names_the_stream_and_can_do_without_time() {
    for (stream, written) in [
        (Stream::Stdout, "1234 out | x\n1234 out > y\n"),
        (Stream::Stderr, "1234 err | x\n1234 err > y\n"),
        (Stream::Unbraid, "1234 unb | x\n1234 unb > y\n"),
    ] {
        let origin = Origin { stream, ..ORIGIN };
        let out = bytes_of(Format::Prefix, TimeStyle::None, &origin, &record(b"x\ny\n"));
        assert_eq!(String::from_utf8(out).unwrap(), written);
    }
}

#[test]
fn json_keys_and_their_order() {
    let head = r#"{"time":"2026-11-23T10:00:00.123456Z","pid":1234,"slot":2,"stream":"stderr","name":"app""#;
    let early = Kind::Traceback(Trace {
        lang: "python",
        exception_type: None,
        exception_message: None,
        file: None,
        line: None,
        function: None,
    });
    let partly = Kind::Traceback(Trace {
        lang: "cpp",
        exception_type: None,
        exception_message: Some(b"core"),
        file: Some(b"\xff.c"),
        line: None,
        function: Some(b"main"),
    });
    for (record, rest) in [
        (record(b"a\tb\n"), r#""message":"a\tb"}"#),
        (record(b"a\nb\n"), r#""message":"a\nb"}"#),
        (record(b"\n"), r#""message":""}"#),
        (record(b"a"), r#""message":"a","eol":false}"#),
        (
            part(b"a", 1, false),
            r#""message":"a","part":1,"last":false}"#,
        ),
        (
            part(b"a\n", 2, false),
            r#""message":"a\n","part":2,"last":false}"#,
        ),
        (
            part(b"a\n", 3, true),
            r#""message":"a","part":3,"last":true}"#,
        ),
        (
            part(b"a", 3, true),
            r#""message":"a","part":3,"last":true,"eol":false}"#,
        ),
        (
            record(b"\xff\n"),
            "\"message\":\"\u{fffd}\",\"raw\":\"/w==\"}",
        ),
        (
            Record {
                kind: TRACEBACK,
                ..record(b"T\n")
            },
            r#""kind":"traceback","lang":"python","exception.type":"app.Error","exception.message":"no \"x\"","code.filepath":"a/b.py","code.lineno":18446744073709551615,"code.function":"f.<locals>.g","message":"T"}"#,
        ),
        (
            Record {
                kind: partly,
                ..record(b"T\n")
            },
            "\"kind\":\"traceback\",\"lang\":\"cpp\",\"exception.message\":\"core\",\"code.filepath\":\"\u{fffd}.c\",\"code.function\":\"main\",\"message\":\"T\"}",
        ),
        (
            Record {
                kind: early,
                ..record(b"T\n")
            },
            r#""kind":"traceback","lang":"python","message":"T"}"#,
        ),
    ] {
        assert_eq!(text_of(Format::Json, &record), format!("{head},{rest}\n"));
    }
}

#[test]
fn json_without_time_and_with_a_shared_pipe() {
    let origin = Origin {
        shared: true,
        stream: Stream::Unbraid,
        pid: 1,
        slot: 0,
        ..ORIGIN
    };
    let out = bytes_of(Format::Json, TimeStyle::None, &origin, &record(b"x\xff"));
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"pid\":1,\"slot\":0,\"stream\":\"unbraid\",\"name\":\"app\",\
         \"message\":\"x\u{fffd}\",\"shared\":true,\"eol\":false,\"raw\":\"eP8=\"}\n"
    );
}

#[test]
fn numbers() {
    for number in [0, 9, 10, 4_194_304, u64::MAX] {
        let mut out = Vec::new();
        decimal(number, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
    }
}

/// The record's bytes, from one JSON line.
fn from_json(line: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(line).unwrap();
    let mut bytes = match value.get("raw") {
        Some(raw) => STANDARD.decode(raw.as_str().unwrap()).unwrap(),
        None => value["message"].as_str().unwrap().as_bytes().to_vec(),
    };
    if value.get("eol").is_none() && value.get("last") != Some(&Value::Bool(false)) {
        bytes.push(b'\n');
    }
    bytes
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let interesting = prop_oneof![Just(b'\n'), Just(b'"'), Just(b'\\'), Just(0), any::<u8>()];
    proptest::collection::vec(interesting, 1..60)
}

/// All lines of `lines` by [`Encoder::encode_lines`], however often it stops.
fn lines_of(format: Format, style: TimeStyle, origin: &Origin, lines: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(&self::style(format, style), "app", "host");
    let (mut out, mut rest) = (b"before".to_vec(), lines);
    while !rest.is_empty() {
        let (left, before) = (rest.len(), out.len());
        rest = encoder.encode_lines(origin, (rest, US), &mut out);
        assert!(rest.len() < left);
        assert!(format == Format::Raw || out.len() - before < MUCH + 8 * left + 1000);
    }
    out.strip_prefix(b"before").expect("kept").to_vec()
}

#[test]
fn many_lines_at_once_stop_where_they_have_grown_much() {
    let lines = b"\n".repeat(10_000);
    let mut out = Vec::new();
    let mut json = Encoder::new(&style(Format::Json, TimeStyle::Utc), "app", "host");
    let rest = json.encode_lines(&ORIGIN, (&lines, US), &mut out);
    assert!(!rest.is_empty());
    assert!((MUCH..MUCH + 200).contains(&out.len()), "{}", out.len());
    assert_eq!(
        memchr::memchr_iter(b'\n', &out).count(),
        lines.len() - rest.len()
    );
}

proptest! {
    /// Together or one by one, lines are written the same.
    #[test]
    fn lines_at_once_are_lines(lines in proptest::collection::vec(bytes(), 1..20), shared in any::<bool>(), timed in any::<bool>()) {
        let mut bytes = lines.concat();
        bytes.push(b'\n');
        let origin = Origin { shared, ..ORIGIN };
        let style = if timed { TimeStyle::Utc } else { TimeStyle::None };
        for format in [Format::Raw, Format::Prefix, Format::Json, Format::Logfmt, Format::Cri, Format::Syslog, Format::Otlp] {
            let singly: Vec<u8> = crate::record::lines(&bytes)
                .flat_map(|line| bytes_of(format, style, &origin, &record(line)))
                .collect();
            prop_assert_eq!(lines_of(format, style, &origin, &bytes), singly);
        }
    }

    /// The faster of the two libraries writes what the other does.
    #[test]
    fn short_text_is_escaped_as_long_text_is(text in "(\\PC|[\u{0}-\u{7f}\u{2028}]){0,200}", more in 0..3usize) {
        let text = text.repeat(more * 20 + 1);
        let mut out = Vec::new();
        text::json_string(&text, &mut out);
        prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
    }

    #[test]
    fn json_carries_the_bytes(bytes in bytes(), whole in any::<bool>(), last in any::<bool>()) {
        let record = if whole { record(&bytes) } else { part(&bytes, 7, last) };
        let out = bytes_of(Format::Json, TimeStyle::Utc, &ORIGIN, &record);
        prop_assert_eq!(memchr::memchr_iter(b'\n', &out).count(), 1);
        prop_assert_eq!(from_json(&out), bytes);
    }

    #[test]
    fn prefix_without_its_columns_is_the_record(bytes in bytes()) {
        let out = bytes_of(Format::Prefix, TimeStyle::Utc, &ORIGIN, &record(&bytes));
        let mut stripped = Vec::new();
        for (i, line) in out.split_inclusive(|&b| b == b'\n').enumerate() {
            let mark = if i == 0 { "|" } else { ">" };
            let columns = format!("2026-11-23T10:00:00.123456Z 1234 err {mark} ");
            stripped.extend_from_slice(line.strip_prefix(columns.as_bytes()).expect("columns"));
        }
        let mut expected = bytes;
        if expected.last() != Some(&b'\n') {
            expected.push(b'\n');
        }
        prop_assert_eq!(stripped, expected);
    }

    #[test]
    fn joined_parts_are_the_record(bytes in bytes(), cut in 1..59usize) {
        let cut = cut.min(bytes.len());
        let (first, second) = bytes.split_at(cut);
        prop_assume!(!second.is_empty());
        let parts = [part(first, 1, false), part(second, 2, true)];
        for format in [Format::Raw, Format::Json] {
            let mut joined = Vec::new();
            for part in &parts {
                let out = bytes_of(format, TimeStyle::Utc, &ORIGIN, part);
                match format {
                    Format::Json => joined.extend(from_json(&out)),
                    _ => joined.extend(out),
                }
            }
            let mut expected = bytes.clone();
            if format == Format::Raw && expected.last() != Some(&b'\n') {
                expected.push(b'\n');
            }
            prop_assert_eq!(&joined, &expected);
        }
    }
}
