use super::*;
use crate::record::line::{names_error, trim_end};
use crate::record::{Settings, lines};

/// A machine, and the text that it was told of.
struct Stream {
    rules: Rules,
    machine: Machine,
    text: String,
    /// How much of the text is decided.
    decided: usize,
}

impl Stream {
    fn new(text: &str) -> Self {
        let mut stream = Self {
            rules: Rules::new(&Settings::default()).unwrap(),
            machine: Machine::default(),
            text: String::new(),
            decided: 0,
        };
        stream.push(text);
        stream
    }

    fn push(&mut self, text: &str) {
        for line in lines(text.as_bytes()) {
            let seen = Line::new(trim_end(line), names_error(line));
            self.machine
                .line(&self.rules, seen, None, line.len(), false);
        }
        self.text.push_str(text);
        assert_eq!(self.machine.undecided(), self.text.len() - self.left());
    }

    /// The bytes that have left.
    fn left(&self) -> usize {
        let waiting: usize = self.machine.out.iter().map(|emit| emit.len).sum();
        self.decided + waiting
    }

    /// What has been decided since the last time; a traceback behind `*`.
    fn take(&mut self) -> Vec<String> {
        let mut records = Vec::new();
        for emit in std::mem::take(&mut self.machine.out) {
            let text = &self.text[self.decided..self.decided + emit.len];
            let mark = if emit.trace.is_some() { "*" } else { "" };
            records.push(format!("{mark}{text}"));
            self.decided += emit.len;
        }
        records
    }

    fn end(mut self) -> Vec<String> {
        self.machine.flush();
        self.take()
    }
}

/// Checks that `text`, without the lines `%%`, makes the records that stand between them; a traceback behind `*`.
#[track_caller]
fn records(text: &str) {
    let want: Vec<&str> = text.split("%%\n").collect();
    let input: String = want.iter().map(|r| r.trim_start_matches('*')).collect();
    assert_eq!(Stream::new(&input).end(), want);
}

const HEAD: &str = "com.acme.Oops: bad\n";
const FRAME: &str = "\tat com.acme.Main.run(Main.java:3)\n";
const LOW_LINE: &str = "2026-11-23 10:00:00 INFO up\n";
const HIGH_LINE: &str = "2026-11-23 10:00:00 ERROR bad\n";

#[test]
fn so_many_lines_are_held_and_no_more() {
    for (further, whole) in [(0, true), (31, true), (32, false)] {
        let text = [HEAD, &"further\n".repeat(further), FRAME].concat();
        let records = Stream::new(&text).end();
        let want = if whole { 1 } else { further + 2 };
        assert_eq!(records.len(), want, "{further} lines");
        assert_eq!(records[0].starts_with('*'), whole, "{further} lines");
    }
}

#[test]
fn so_many_bytes_are_held_and_no_more() {
    for (len, whole) in [(5 << 10, true), (6 << 10, false)] {
        let further = format!("{}\n", "x".repeat(len));
        let text = [HEAD, &further.repeat(3), FRAME].concat();
        let records = Stream::new(&text).end();
        assert_eq!(records.len(), if whole { 1 } else { 5 }, "{len} bytes");
    }
}

#[test]
fn a_foreign_line_ends_a_traceback() {
    records(
        "*com.acme.Oops: bad
	at com.acme.Main.run(Main.java:3)
%%
plain
%%
plain
",
    );
}

#[test]
fn what_no_line_confirms_leaves_line_by_line() {
    records(
        "com.acme.Oops: bad
%%
its message
",
    );
    // Also where another head, or a log line, comes first.
    records(
        "com.acme.Oops: bad
%%
its message
%%
*com.acme.Other: bad
	at com.acme.Main.run(Main.java:3)
%%
com.acme.Last: bad
%%
2026-11-23 10:00:00 INFO up
",
    );
}

#[test]
fn a_log_line_closes_what_is_open() {
    records(
        "2026-11-23 10:00:00 INFO value: {
  a: 1
%%
2026-11-23 10:00:00 INFO up
%%
*2026-11-23 10:00:00 ERROR bad
Traceback (most recent call last):
  File \"a.py\", line 1, in f
%%
2026-11-23 10:00:00 INFO up
  further
",
    );
}

#[test]
fn parts_keep_the_state() {
    let opener = "Traceback (most recent call last):\n";
    let frame = "  File \"a.py\", line 1, in f\n";
    let error = "KeyError: 'x'\n";
    let mut stream = Stream::new(&[opener, frame].concat());
    let part = stream.machine.cut(opener.len()).unwrap();
    let marks = part.trace.unwrap();
    assert_eq!((part.len, part.parts), (opener.len(), 0));
    assert_eq!((marks.error, marks.frame), (None, Some(opener.len())));
    stream.decided += part.len;
    stream.push(error);
    stream.machine.flush();
    let last = stream.machine.out[0];
    let marks = last.trace.unwrap();
    assert_eq!((last.len, last.parts), (frame.len() + error.len(), 1));
    // Counted from the part's own first byte.
    assert_eq!((marks.error, marks.frame), (Some(frame.len()), Some(0)));
}

#[test]
fn nothing_is_cut_where_nothing_is_open() {
    assert!(Stream::new("").machine.cut(1).is_none());
    assert!(Stream::new(HEAD).machine.cut(1).is_none());
}

#[test]
fn a_head_behind_further_lines_joins_or_stands_apart() {
    // With its package it says that it is the message's; a machine's own words never are.
    records(
        "*2026-11-23 10:00:00 ERROR bad
for user 7
com.acme.Oops: bad
	at com.acme.Main.run(Main.java:3)
%%
2026-11-23 10:00:00 ERROR bad
%%
for user 7
%%
*Exception in thread \"main\" com.acme.Oops: bad
	at com.acme.Main.run(Main.java:3)
%%
2026-11-23 10:00:00 ERROR bad
%%
for user 7
%%
*Error: bad
    at f (/srv/a.js:1:2)
%%
*2026-11-23 10:00:00 ERROR bad
Error: bad
    at f (/srv/a.js:1:2)
",
    );
}

#[test]
fn each_state_has_its_patience() {
    let second = Duration::from_secs(1);
    let traceback = "Traceback (most recent call last):\n";
    let cases = [
        ("", None),
        ("plain\n", None),
        (LOW_LINE, Some(LOW)),
        ("2026-11-23 10:00:00 INFO value: {\n", Some(HIGH)),
        ("Nov 23, 2026 2:29:45 PM Main main\n", Some(HIGH)),
        (HIGH_LINE, Some(HIGH)),
        (HEAD, Some(HIGH)),
        ("Exception in thread T:\n", Some(HIGH)),
        (traceback, Some(second)),
    ];
    for (text, want) in cases {
        let stream = Stream::new(text);
        assert_eq!(stream.machine.patience(&stream.rules), want, "{text}");
    }
}

#[test]
fn patience_has_the_users_limit() {
    let mut stream = Stream::new(HIGH_LINE);
    let record_timeout = Duration::from_millis(100);
    stream.rules.record_timeout = record_timeout;
    let patience = stream.machine.patience(&stream.rules);
    assert_eq!(patience, Some(record_timeout));
}

#[test]
fn a_format_of_ones_own_waits_as_a_traceback_does() {
    let mut stream = Stream::new("");
    stream.machine.custom(true, 5, false);
    let second = Some(Duration::from_secs(1));
    assert_eq!(stream.machine.patience(&stream.rules), second);
}

#[test]
fn a_long_line_waits_for_its_end() {
    let mut stream = Stream::new("");
    stream.machine.single(5, true);
    assert_eq!(stream.machine.patience(&stream.rules), None);
    stream.machine.grow(7);
    assert!(stream.machine.out.is_empty());
    stream.machine.end_long();
    assert_eq!(stream.machine.out[0].len, 12);
}
