//! What the pure core takes of a line's time: `cargo bench --bench core`.
//!
//! Each figure stands beside a bare scan for newlines over the same bytes, which is the least that any reader of lines does, and
//! beside a plain copy of them.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;
use unbraid::output::format::Encoder;
use unbraid::output::spec::Format;
use unbraid::output::{Origin, Stream};
use unbraid::record::{Assembler, Record, Rules, Settings, Sink, Stamp, lines};

const LINES: usize = 20_000;
/// What is read at once.
const READ: usize = 64 << 10;

/// Five lines.
const TRACEBACK: &str = "Traceback (most recent call last):
  File \"/srv/app/views.py\", line 41, in charge
    total = amount / len(order.items)
            ~~~~~~~^~~~~~~~~~~~~~~~~~
ZeroDivisionError: division by zero
";

const ORIGIN: Origin = Origin {
    pid: 12345,
    slot: 3,
    stream: Stream::Stderr,
    shared: false,
    source: 1,
};

/// What the streams say.
const CASES: [&str; 4] = ["plain", "plain+tracebacks", "log", "log+tracebacks"];

fn main() {
    divan::main();
}

/// Lines of 120 bytes with their newlines; with tracebacks, 5 % of the lines are in some.
fn input(case: &str) -> String {
    let prefix = if case.starts_with("log") {
        "2026-11-23 10:00:00,123 INFO shop "
    } else {
        ""
    };
    let tracebacks = case.ends_with("tracebacks");
    let mut input = String::new();
    for number in 0..LINES {
        let text = format!("{prefix}worker handled request number {number} for a customer");
        writeln!(input, "{text:-<119}").expect("a String takes anything");
        if tracebacks && number % 95 == 94 {
            input.push_str(TRACEBACK);
        }
    }
    input
}

fn counted<'a, 'b>(bencher: Bencher<'a, 'b>, bytes: &[u8]) -> Bencher<'a, 'b> {
    bencher
        .counter(BytesCount::new(bytes.len()))
        .counter(ItemsCount::new(lines(bytes).count()))
}

/// Takes everything, in runs where there are runs.
struct Taken(usize);

impl Sink for Taken {
    fn record(&mut self, record: &Record<'_>) {
        self.0 += black_box(record.bytes).len();
    }

    fn lines(&mut self, bytes: &[u8], _: usize, _: u64) -> bool {
        self.0 += black_box(bytes).len();
        true
    }
}

#[divan::bench(args = CASES)]
fn a_scan_for_newlines(bencher: Bencher<'_, '_>, case: &str) {
    let input = input(case);
    counted(bencher, input.as_bytes()).bench_local(|| {
        for line in lines(black_box(input.as_bytes())) {
            black_box(line);
        }
    });
}

#[divan::bench(args = CASES)]
fn assembly(bencher: Bencher<'_, '_>, case: &str) {
    let input = input(case);
    let rules = Arc::new(Rules::new(&Settings::default()).expect("known languages"));
    let mut assembler = Assembler::new(rules);
    let now = Stamp {
        wall_us: 1,
        at: Instant::now(),
    };
    counted(bencher, input.as_bytes()).bench_local(|| {
        let mut taken = Taken(0);
        for read in input.as_bytes().chunks(READ) {
            assembler.push(read, now, &mut taken);
        }
        assembler.end(&mut taken);
        assert_eq!(taken.0, input.len());
    });
}

#[divan::bench]
fn a_copy(bencher: Bencher<'_, '_>) {
    let (input, mut out) = (input("log"), Vec::new());
    counted(bencher, input.as_bytes()).bench_local(|| {
        for read in input.as_bytes().chunks(READ) {
            out.clear();
            out.extend_from_slice(black_box(read));
        }
    });
}

const FORMATS: [&str; 7] = ["raw", "prefix", "json", "logfmt", "cri", "syslog", "otlp"];

fn encoder(format: &str) -> Encoder {
    let format: Format = format.parse().expect("a format's name");
    Encoder::new(&format.into(), "app", "host")
}

#[divan::bench(args = FORMATS)]
fn lines_at_once(bencher: Bencher<'_, '_>, name: &str) {
    let (input, mut out, mut encoder) = (input("log"), Vec::new(), encoder(name));
    counted(bencher, input.as_bytes()).bench_local(|| {
        let mut rest = input.as_bytes();
        while !rest.is_empty() {
            out.clear();
            rest = encoder.encode_lines(&ORIGIN, (rest, 1), &mut out);
            black_box(&out);
        }
    });
}

#[divan::bench(args = FORMATS)]
fn records_one_by_one(bencher: Bencher<'_, '_>, name: &str) {
    let (input, mut out, mut encoder) = (input("log"), Vec::new(), encoder(name));
    counted(bencher, input.as_bytes()).bench_local(|| {
        for line in lines(input.as_bytes()) {
            out.clear();
            encoder.encode(&ORIGIN, &Record::line(line, 1), &mut out);
            black_box(&out);
        }
    });
}
