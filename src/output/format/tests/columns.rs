//! Formats that put columns before lines: cri and template.

use super::*;

#[test]
fn cri_has_an_entry_for_each_line_and_p_where_one_is_cut() {
    let t = "2026-11-23T10:00:00.123456000Z stderr";
    for (record, written) in [
        (record(b"line\n"), format!("{t} F line\n")),
        (record(b"line"), format!("{t} F line\n")),
        (record(b"\n"), format!("{t} F \n")),
        (record(b"a\r\n"), format!("{t} F a\r\n")),
        (
            record(b"a\n\n  b\n"),
            format!("{t} F a\n{t} F \n{t} F   b\n"),
        ),
        (part(b"a\nb", 1, false), format!("{t} F a\n{t} P b\n")),
        (part(b"b\n", 2, false), format!("{t} F b\n")),
        (part(b"c", 3, true), format!("{t} F c\n")),
    ] {
        assert_eq!(text_of(Format::Cri, &record), written, "{record:?}");
    }
}

#[test]
fn cri_always_has_a_time_and_a_stream_that_readers_know() {
    for (stream, name) in [
        (Stream::Stdout, "stdout"),
        (Stream::Stderr, "stderr"),
        (Stream::Unbraid, "stderr"),
    ] {
        let origin = Origin { stream, ..ORIGIN };
        let out = bytes_of(Format::Cri, TimeStyle::None, &origin, &record(b"x\n"));
        let expected = format!("2026-11-23T10:00:00.123456000Z {name} F x\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn a_cut_line_is_closed_where_its_format_goes_on_with_it() {
    let time = "2026-11-23T10:00:00.123456000Z stderr F \n";
    for (format, closing) in [
        (Format::Raw, Some("\n")),
        (Format::Cri, Some(time)),
        (Format::Json, None),
        (Format::Prefix, None),
    ] {
        let mut encoder = Encoder::new(&style(format, TimeStyle::Utc), "app", "host");
        let open = encoder.left_open(&ORIGIN, &part(b"a", 1, false));
        assert_eq!(
            open.map(|open| String::from_utf8(open.closing).unwrap()),
            closing.map(str::to_owned)
        );
        for whole in [record(b"a"), part(b"a\n", 1, false), part(b"a", 2, true)] {
            assert_eq!(encoder.left_open(&ORIGIN, &whole), None, "{whole:?}");
        }
    }
}

fn template(text: &str) -> Style {
    Style {
        format: Format::Template,
        time: TimeStyle::Utc,
        template: Some(LineTemplate::parse(text).unwrap()),
    }
}

#[test]
fn template_columns_stand_on_each_line_or_once() {
    for (text, record, written) in [
        ("{pid} {line}", record(b"a\n b\n"), "1234 a\n1234  b\n"),
        ("{line}", record(b"a"), "a\n"),
        (
            "[{slot}/{stream}/{name}] <{line}>",
            record(b"\n"),
            "[2/stderr/app] <>\n",
        ),
        (
            "{time} {line}",
            record(b"a\n"),
            "2026-11-23T10:00:00.123456Z a\n",
        ),
        ("{{{pid}}} {line}", record(b"a\n"), "{1234} a\n"),
        ("{pid}{mark}{line}", record(b"a\nb\n"), "1234|a\n1234>b\n"),
        (
            "{pid}{mark}{line}",
            part(b"a\nb", 2, false),
            "1234+a\n1234>b\n",
        ),
        (
            "{pid} {record}",
            record(b"a\n1234 b\n"),
            "1234 a\n\t1234 b\n",
        ),
        ("{pid} {record};", record(b"a\n\n"), "1234 a\n\t;\n"),
        ("{pid} {record}", part(b"b\nc", 2, true), "\t1234 b\n\tc\n"),
    ] {
        let out = encoded(&template(text), &ORIGIN, &record);
        assert_eq!(String::from_utf8(out).unwrap(), written, "{text}");
    }
}

#[test]
fn template_refusals_are_one_line_and_say_why() {
    let fields =
        "there are {time}, {pid}, {slot}, {stream}, {name}, {mark}, and {line} or {record}";
    for (text, said) in [
        (
            "",
            "must have one {line} (the columns on each line) or one {record} (the columns once)"
                .to_owned(),
        ),
        (
            "{line}{record}",
            "must have one {line} (the columns on each line) or one {record} (the columns once)"
                .to_owned(),
        ),
        (
            "{line} {line}",
            "must have one {line} (the columns on each line) or one {record} (the columns once)"
                .to_owned(),
        ),
        (
            "{msg}",
            format!(r#""{{msg}}": unknown field {{msg}}: {fields}"#),
        ),
        ("{}", format!(r#""{{}}": unknown field {{}}: {fields}"#)),
        (
            "{line",
            r#""{line": a { is not closed; write {{ for a brace"#.to_owned(),
        ),
        (
            "line}",
            r#""line}": a } closes nothing; write }} for a brace"#.to_owned(),
        ),
        (
            "{line}\n",
            "holds a newline; a template makes the columns of one line".to_owned(),
        ),
    ] {
        let error = LineTemplate::parse(text).unwrap_err().to_string();
        assert_eq!(error, said, "{text}");
        assert!(!error.contains('\n'), "{text}");
    }
}

/// The bytes of a stream, as the kubelet puts them together: `P` loses its newline.
fn from_cri(entries: &[u8]) -> Vec<u8> {
    let grammar = regex::bytes::Regex::new(
        r"(?s-u)^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([PF]) ([^\n]*)\n$",
    )
    .unwrap();
    let mut bytes = Vec::new();
    for entry in entries.split_inclusive(|&b| b == b'\n') {
        let fields = grammar.captures(entry).expect("the grammar");
        bytes.extend_from_slice(&fields[4]);
        if &fields[3] == b"F" {
            bytes.push(b'\n');
        }
    }
    bytes
}

proptest! {
    #[test]
    fn cri_entries_are_the_stream(bytes in bytes(), cut in 1..59usize) {
        let cut = cut.min(bytes.len());
        let (first, second) = bytes.split_at(cut);
        prop_assume!(!second.is_empty());
        let mut entries = bytes_of(Format::Cri, TimeStyle::Utc, &ORIGIN, &part(first, 1, false));
        entries.extend(bytes_of(Format::Cri, TimeStyle::Utc, &ORIGIN, &part(second, 2, true)));
        let mut expected = bytes.clone();
        if expected.last() != Some(&b'\n') {
            expected.push(b'\n');
        }
        prop_assert_eq!(from_cri(&entries), expected);
    }

    /// A line that starts no record begins with a tab, and without the tabs the record is whole.
    #[test]
    fn a_template_with_the_record_starts_once(bytes in bytes()) {
        let out = encoded(&template("{pid} {record}"), &ORIGIN, &record(&bytes));
        let mut lines = out.split_inclusive(|&b| b == b'\n');
        let mut joined = lines.next().unwrap().strip_prefix(b"1234 ").unwrap().to_vec();
        for line in lines {
            joined.extend_from_slice(line.strip_prefix(b"\t").expect("a tab"));
        }
        let mut expected = bytes;
        if expected.last() != Some(&b'\n') {
            expected.push(b'\n');
        }
        prop_assert_eq!(joined, expected);
    }
}
