//! How long the record assembler takes, beside a scan for newlines over the same bytes in the same run.
//!
//! `cargo run --release --example assembly`, on a calm machine. Each figure is the best of several rounds.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use unbraid::record::{Assembler, Record, Rules, Settings, Stamp};

const LINES: usize = 400_000;
const ROUNDS: usize = 25;
/// What is read at once.
const READ: usize = 64 << 10;

/// Five lines.
const TRACEBACK: &str = "Traceback (most recent call last):
  File \"/srv/app/views.py\", line 41, in charge
    total = amount / len(order.items)
            ~~~~~~~^~~~~~~~~~~~~~~~~~
ZeroDivisionError: division by zero
";

/// A line of 120 bytes, with its newline.
fn line(prefix: &str, number: usize) -> String {
    let text =
        format!("{prefix}worker handled request number {number} for a customer, and it went well");
    format!("{text:<119}\n")
}

fn lines(prefix: &str) -> String {
    (0..LINES).map(|number| line(prefix, number)).collect()
}

/// Every 95 lines, five of a traceback.
fn mixed(prefix: &str) -> String {
    let block = |number| if number % 95 == 94 { TRACEBACK } else { "" };
    (0..LINES)
        .map(|number| line(prefix, number) + block(number))
        .collect()
}

/// The least that any reader of lines must do.
fn scan(bytes: &[u8]) -> Duration {
    let begin = Instant::now();
    for read in bytes.chunks(READ) {
        let mut from = 0;
        for newline in memchr::memchr_iter(b'\n', read) {
            black_box(&read[from..=newline]);
            from = newline + 1;
        }
    }
    begin.elapsed()
}

fn assemble(rules: &Arc<Rules>, bytes: &[u8]) -> Duration {
    let mut assembler = Assembler::new(Arc::clone(rules));
    let begin = Instant::now();
    let mut out = 0;
    for (number, read) in bytes.chunks(READ).enumerate() {
        let now = Stamp {
            wall_us: number as u64,
            at: begin,
        };
        assembler.push(read, now, &mut |record: &Record<'_>| {
            out += black_box(record.bytes).len();
        });
    }
    assembler.end(&mut |record: &Record<'_>| out += record.bytes.len());
    assert_eq!(out, bytes.len());
    begin.elapsed()
}

fn measure(rules: &Arc<Rules>, name: &str, bytes: &[u8]) {
    // Turn by turn, so that whatever else the machine does meets both.
    let (mut scanned, mut assembled) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        scanned = scanned.min(scan(bytes));
        assembled = assembled.min(assemble(rules, bytes));
    }
    let (scanned, assembled) = (scanned.as_secs_f64(), assembled.as_secs_f64());
    let lines = memchr::memchr_iter(b'\n', bytes).count() as f64;
    println!(
        "{name:<36} scan {:5.1} ns a line, assembly {:5.1} ns a line, {:4.2} GB/s, ratio {:.2}",
        scanned * 1e9 / lines,
        assembled * 1e9 / lines,
        bytes.len() as f64 / assembled / 1e9,
        assembled / scanned,
    );
}

fn main() {
    let rules = Arc::new(Rules::new(&Settings::default()).expect("known languages"));
    let stamp = "2026-11-23 10:00:00,123 INFO shop ";
    measure(&rules, "plain lines", lines("").as_bytes());
    measure(
        &rules,
        "plain, 5 % of lines in tracebacks",
        mixed("").as_bytes(),
    );
    measure(&rules, "log lines", lines(stamp).as_bytes());
    measure(
        &rules,
        "log, 5 % of lines in tracebacks",
        mixed(stamp).as_bytes(),
    );
}
