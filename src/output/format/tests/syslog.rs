//! RFC 5424.

use super::syslog::Syslog;
use super::*;

const SLOT_AND_STREAM: &str = r#"[unbraid@32473 slot="2" stream="stderr""#;

#[test]
fn the_header_and_the_structured_data() {
    let t = "2026-11-23T10:00:00.123456Z host app 1234";
    for (record, written) in [
        (
            record(b"a b\n"),
            format!("<29>1 {t} line {SLOT_AND_STREAM}] a b\n"),
        ),
        (
            record(b"\n"),
            format!("<29>1 {t} line {SLOT_AND_STREAM}] \n"),
        ),
        (
            record(b"a\nb\n"),
            format!("<29>1 {t} line {SLOT_AND_STREAM}] a\n\tb\n"),
        ),
        (
            record("ü\n".as_bytes()),
            format!("<29>1 {t} line {SLOT_AND_STREAM}] \u{feff}ü\n"),
        ),
        (
            part(b"a", 3, true),
            format!(r#"<29>1 {t} line {SLOT_AND_STREAM} part="3" last="true" eol="false"] a"#)
                + "\n",
        ),
        (
            Record {
                kind: TRACEBACK,
                ..record(b"T\n")
            },
            format!(
                r#"<27>1 {t} traceback {SLOT_AND_STREAM} lang="python" exception.type="app.Error" exception.message="no \"x\"" code.filepath="a/b.py" code.lineno="18446744073709551615" code.function="f.<locals>.g"] T"#
            ) + "\n",
        ),
    ] {
        assert_eq!(text_of(Format::Syslog, &record), written, "{record:?}");
    }
}

#[test]
fn severity_by_stream_and_what_cannot_be_said() {
    for (stream, priority) in [
        (Stream::Stdout, 30),
        (Stream::Stderr, 29),
        (Stream::Unbraid, 28),
    ] {
        let origin = Origin {
            stream,
            shared: true,
            ..ORIGIN
        };
        let out = bytes_of(Format::Syslog, TimeStyle::None, &origin, &record(b"x\n"));
        let stream = stream.name();
        let expected = format!(
            "<{priority}>1 - host app 1234 line [unbraid@32473 slot=\"2\" stream=\"{stream}\" shared=\"true\"] x\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn names_become_fields() {
    for (name, host, fields) in [
        ("a b", "", " - a_b "),
        ("", "h\u{fc}", " h_ - "),
        (&"x".repeat(60), "h", &format!(" h {} ", "x".repeat(48))),
    ] {
        let mut out = Vec::new();
        let mut time = TimeCache::new(TimeStyle::None);
        Syslog::new(name, host).message(&mut time, &ORIGIN, &record(b"x\n"), 7, &mut out);
        let text = String::from_utf8(out).unwrap();
        let rest = format!(r#"1234 line [meta sequenceId="7"]{SLOT_AND_STREAM}] x"#);
        assert_eq!(text, format!("<29>1 -{fields}{rest}"));
    }
}

#[test]
fn a_network_message_has_its_newlines() {
    let mut out = Vec::new();
    let mut time = TimeCache::new(TimeStyle::None);
    Syslog::new("app", "host").message(&mut time, &ORIGIN, &record(b"a\n<13>1 b\n"), 1, &mut out);
    assert!(out.ends_with(b"] a\n<13>1 b"));
}

/// The text of a message in a file: its lines joined, without the mark of UTF-8.
fn from_file(out: &[u8]) -> Vec<u8> {
    let header = regex::bytes::Regex::new(
        r#"(?s-u)^<\d{1,3}>1 [!-~]{1,32} [!-~]{1,255} [!-~]{1,48} [!-~]{1,128} [!-~]{1,32} \[unbraid@32473(?: [a-z.]{1,32}="(?:[^"\\\]]|\\["\\\]])*")+\] (?:\xef\xbb\xbf)?(.*)\n$"#,
    )
    .unwrap();
    let text = header.captures(out).expect("the grammar").get(1).unwrap();
    let mut joined = Vec::new();
    for (i, line) in text.as_bytes().split(|&b| b == b'\n').enumerate() {
        if i > 0 {
            joined.push(b'\n');
            joined.extend_from_slice(line.strip_prefix(b"\t").expect("a tab"));
        } else {
            joined.extend_from_slice(line);
        }
    }
    joined
}

proptest! {
    #[test]
    fn the_text_is_carried(bytes in bytes(), bom in any::<bool>()) {
        let mut bytes = bytes;
        if bom {
            bytes.splice(0..0, *b"\xef\xbb\xbf");
        }
        let out = bytes_of(Format::Syslog, TimeStyle::Utc, &ORIGIN, &record(&bytes));
        let mut text = from_file(&out);
        if bytes.last() == Some(&b'\n') {
            text.push(b'\n');
        }
        prop_assert_eq!(text, bytes);
    }
}
