//! Formats of named fields: logfmt and otlp.

use super::*;
use std::collections::BTreeMap;

#[test]
fn logfmt_keys_and_their_order() {
    let head = "time=2026-11-23T10:00:00.123456Z pid=1234 slot=2 stream=stderr name=app";
    for (record, rest) in [
        (record(b"bare\n"), "msg=bare"),
        (record(b"a b\n"), r#"msg="a b""#),
        (record(b"a\nb\n"), r#"msg="a\nb""#),
        (record(b"a=b\n"), r#"msg="a=b""#),
        (record(b"a\\b\n"), r"msg=a\b"),
        (record(b"\"a\\b\"\n"), r#"msg="\"a\\b\"""#),
        (record(b"\x01\t\r\n"), r#"msg="\u0001\t\r""#),
        (record(b"null\n"), r#"msg="null""#),
        (record(b"\n"), r#"msg="""#),
        (record("ü\n".as_bytes()), "msg=ü"),
        (record("\u{fffd}\n".as_bytes()), "msg=\"\u{fffd}\""),
        (record(b"a"), "msg=a eol=false"),
        (part(b"a\n", 2, false), r#"msg="a\n" part=2 last=false"#),
        (part(b"a", 3, true), "msg=a part=3 last=true eol=false"),
        (record(b"\xff\n"), "msg=\"\u{fffd}\" raw=\"/w==\""),
        (
            Record {
                kind: TRACEBACK,
                ..record(b"T\n")
            },
            r#"kind=traceback lang=python exception.type=app.Error exception.message="no \"x\"" code.filepath=a/b.py code.lineno=18446744073709551615 code.function=f.<locals>.g msg=T"#,
        ),
    ] {
        assert_eq!(text_of(Format::Logfmt, &record), format!("{head} {rest}\n"));
    }
    let origin = Origin {
        shared: true,
        ..ORIGIN
    };
    let out = bytes_of(Format::Logfmt, TimeStyle::None, &origin, &record(b"x\n"));
    let expected = "pid=1234 slot=2 stream=stderr name=app msg=x shared=true\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

/// The pairs of one line, by the grammar that go-logfmt reads.
fn from_logfmt(line: &str) -> BTreeMap<String, String> {
    let pair =
        regex::Regex::new(r#"([^\s="]+)=(?:("(?:[^"\\\x00-\x1f]|\\.)*")|([^\s="]*))(?: |\n$)"#)
            .unwrap();
    let mut end = 0;
    let mut pairs = BTreeMap::new();
    for found in pair.captures_iter(line) {
        let whole = found.get(0).unwrap();
        assert_eq!(whole.start(), end, "what is between pairs: {line:?}");
        end = whole.end();
        let value = match found.get(2) {
            Some(quoted) => serde_json::from_str(quoted.as_str()).unwrap(),
            None => found[3].to_owned(),
        };
        assert!(pairs.insert(found[1].to_owned(), value).is_none());
    }
    assert_eq!(end, line.len(), "{line:?}");
    pairs
}

fn otlp(record: &Record<'_>, origin: &Origin) -> Value {
    let out = bytes_of(Format::Otlp, TimeStyle::Utc, origin, record);
    assert_eq!(memchr::memchr_iter(b'\n', &out).count(), 1);
    serde_json::from_slice(&out).unwrap()
}

/// The attributes of the only record, name → value as it stands.
fn attributes(list: &Value) -> BTreeMap<String, Value> {
    let list = list.as_array().unwrap().iter();
    list.map(|pair| {
        (
            pair["key"].as_str().unwrap().to_owned(),
            pair["value"].clone(),
        )
    })
    .collect()
}

#[test]
fn otlp_is_a_request_with_one_record() {
    let traceback = Record {
        kind: TRACEBACK,
        ..record(b"T\nU\n")
    };
    let request = otlp(&traceback, &ORIGIN);
    let resource = &request["resourceLogs"][0]["resource"]["attributes"];
    assert_eq!(
        attributes(resource),
        BTreeMap::from([
            (
                "service.name".to_owned(),
                serde_json::json!({"stringValue": "app"})
            ),
            (
                "host.name".to_owned(),
                serde_json::json!({"stringValue": "host"})
            ),
            (
                "process.pid".to_owned(),
                serde_json::json!({"intValue": "1234"})
            ),
        ])
    );
    let scope = &request["resourceLogs"][0]["scopeLogs"][0];
    assert_eq!(
        scope["scope"],
        serde_json::json!({"name": "unbraid", "version": env!("CARGO_PKG_VERSION")})
    );
    let record = &scope["logRecords"][0];
    assert_eq!(record["timeUnixNano"], "1795428000123456000");
    assert_eq!(record["observedTimeUnixNano"], "1795428000123456000");
    assert_eq!(
        (&record["severityNumber"], &record["severityText"]),
        (&17.into(), &"ERROR".into())
    );
    assert_eq!(record["body"], serde_json::json!({"stringValue": "T\nU"}));
    let text = |text: &str| serde_json::json!({ "stringValue": text });
    assert_eq!(
        attributes(&record["attributes"]),
        BTreeMap::from([
            ("log.iostream".to_owned(), text("stderr")),
            (
                "unbraid.slot".to_owned(),
                serde_json::json!({"intValue": "2"})
            ),
            ("unbraid.lang".to_owned(), text("python")),
            ("exception.type".to_owned(), text("app.Error")),
            ("exception.message".to_owned(), text("no \"x\"")),
            ("exception.stacktrace".to_owned(), text("T\nU")),
            ("code.file.path".to_owned(), text("a/b.py")),
            ("code.function.name".to_owned(), text("f.<locals>.g")),
            // The line number is no signed 64-bit number.
        ])
    );
}

#[test]
fn otlp_says_what_is_special() {
    let origin = Origin {
        shared: true,
        stream: Stream::Stdout,
        ..ORIGIN
    };
    let request = otlp(&part(b"\xff", 2, true), &origin);
    let record = &request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    assert_eq!(record["severityNumber"], 9);
    let found = attributes(&record["attributes"]);
    assert_eq!(found["unbraid.part"], serde_json::json!({"intValue": "2"}));
    for (name, value) in [("last", true), ("shared", true), ("eol", false)] {
        assert_eq!(
            found[&format!("unbraid.{name}")],
            serde_json::json!({ "boolValue": value })
        );
    }
    assert_eq!(
        found["unbraid.raw"],
        serde_json::json!({"bytesValue": "/w=="})
    );
    let without = bytes_of(
        Format::Otlp,
        TimeStyle::None,
        &ORIGIN,
        &super::record(b"x\n"),
    );
    assert!(!String::from_utf8(without).unwrap().contains("imeUnixNano"));
}

/// The record's bytes, from a message, its exact form if that differs, and what is known of its end.
fn restored(message: &str, raw: Option<&str>, newline: bool) -> Vec<u8> {
    let mut bytes = match raw {
        Some(raw) => STANDARD.decode(raw).unwrap(),
        None => message.as_bytes().to_vec(),
    };
    if newline {
        bytes.push(b'\n');
    }
    bytes
}

proptest! {
    #[test]
    fn logfmt_carries_the_bytes(bytes in bytes(), whole in any::<bool>(), last in any::<bool>()) {
        let record = if whole { record(&bytes) } else { part(&bytes, 7, last) };
        let line = text_of(Format::Logfmt, &record);
        prop_assert_eq!(line.matches('\n').count(), 1);
        let pairs = from_logfmt(&line);
        let newline = !pairs.contains_key("eol") && pairs.get("last").is_none_or(|last| last == "true");
        let raw = pairs.get("raw").map(String::as_str);
        prop_assert_eq!(restored(&pairs["msg"], raw, newline), bytes);
    }

    #[test]
    fn otlp_carries_the_bytes(bytes in bytes(), whole in any::<bool>(), last in any::<bool>()) {
        let record = if whole { record(&bytes) } else { part(&bytes, 7, last) };
        let request = otlp(&record, &ORIGIN);
        let record = &request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        let found = attributes(&record["attributes"]);
        let goes_on = found.get("unbraid.last").is_some_and(|last| last["boolValue"] == false);
        let raw = found.get("unbraid.raw").map(|raw| raw["bytesValue"].as_str().unwrap());
        let newline = !goes_on && !found.contains_key("unbraid.eol");
        prop_assert_eq!(restored(record["body"]["stringValue"].as_str().unwrap(), raw, newline), bytes);
    }
}
