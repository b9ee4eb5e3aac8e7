//! A real gunicorn, its log behind a reader that stalls for 3 s: every `traceback.print_exc()` and every line of 9,001
//! bytes comes out whole, under its worker's true PID. Without unbraid they do not.
//!
//! The application answers each request with the exact text that it wrote, so nothing is guessed.

mod support;

use std::collections::HashMap;
use std::time::Duration;
use support::gunicorn::{Gunicorn, Server};
use support::http;
use support::log::{self, Entry};
use support::pipes;
use support::unbraid::Unbraid;

const EACH: usize = 800;
const STALL: Duration = Duration::from_secs(3);

/// What a worker wrote, and which one.
struct Written {
    text: String,
    pid: i32,
}

impl Written {
    fn is_traceback(&self) -> bool {
        self.text.contains("Traceback (most recent call last):")
    }
}

/// 800 tracebacks and 800 long lines, mixed.
fn load(server: &Server, at_once: usize) -> Vec<Written> {
    let page = |index: usize| {
        if index.is_multiple_of(2) {
            "traceback"
        } else {
            "long"
        }
    };
    let paths: Vec<String> = (0..2 * EACH)
        .map(|index| format!("/{}/{}", page(index), index / 2))
        .collect();
    let answers = http::get_all(server.port, &paths, at_once);
    let written: Vec<Written> = answers
        .into_iter()
        .map(|answer| Written {
            text: answer.body,
            pid: answer.pid,
        })
        .collect();
    assert_eq!(count(&written, |_| true), (EACH, EACH));
    written
}

/// How many tracebacks and how many long lines are so.
fn count(written: &[Written], is_so: impl Fn(&Written) -> bool) -> (usize, usize) {
    let so = written.iter().filter(|written| is_so(written));
    let (tracebacks, long): (Vec<_>, Vec<_>) = so.partition(|written| written.is_traceback());
    (tracebacks.len(), long.len())
}

/// How many stand in the log once, as a record of their own, under the right PID.
fn intact(entries: &[Entry], written: &[Written]) -> (usize, usize) {
    let mut found: HashMap<(&str, i32), usize> = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.stream == "stderr") {
        *found.entry((&entry.message, entry.pid)).or_default() += 1;
    }
    count(written, |written| {
        found.get(&(written.text.trim_end_matches('\n'), written.pid)) == Some(&1)
    })
}

fn gunicorn_writes_whole_records(gunicorn: &Gunicorn, options: &[&str]) {
    let (stdout, reader) = pipes::stalling_reader(STALL);
    let unbraid = Unbraid::new()
        .options(["--format", "json", "-o", "-"])
        .options(options.iter().copied());
    let server = gunicorn.start(unbraid.stdout(stdout));
    let workers = server.workers();
    let written = load(&server, 3 * gunicorn.workers);
    let answered: std::collections::BTreeSet<i32> =
        written.iter().map(|written| written.pid).collect();
    assert!(
        answered.iter().all(|pid| workers.contains(pid)) && answered.len() > 1,
        "{answered:?} of {workers:?}"
    );
    server.running.signal(nix::sys::signal::Signal::SIGTERM);
    server.running.end().assert_code(0);
    let text = reader.join().expect("the reader ends");
    let entries = log::parse(&text);
    let shared = entries.iter().filter(|entry| entry.shared).count();
    let parts = entries.iter().filter(|entry| entry.part.is_some()).count();
    assert_eq!(
        intact(&entries, &written),
        (EACH, EACH),
        "tracebacks and long lines; {shared} shared, {parts} parts"
    );
}

#[test]
fn gunicorn_4_sync() {
    gunicorn_writes_whole_records(&Gunicorn::sync(4), &[]);
}

#[test]
fn gunicorn_16_sync() {
    gunicorn_writes_whole_records(&Gunicorn::sync(16), &[]);
}

#[test]
fn gunicorn_4_gthread() {
    gunicorn_writes_whole_records(&Gunicorn::gthread(4), &[]);
}

#[test]
fn gunicorn_16_gthread() {
    gunicorn_writes_whole_records(&Gunicorn::gthread(16), &[]);
}

#[test]
fn gunicorn_with_little_memory_is_held_back() {
    // Eight megabytes do not fit: the stalled reader holds the workers back, and still nothing is torn.
    gunicorn_writes_whole_records(&Gunicorn::sync(4), &["--max-memory", "2MiB"]);
}

/// The same load into a pipe that all share.
fn gunicorn_without_unbraid(gunicorn: &Gunicorn) {
    let (stderr, reader) = pipes::stalling_reader(STALL);
    let server = gunicorn.start_without(Unbraid::new().stderr(stderr));
    let written = load(&server, 3 * gunicorn.workers);
    server.running.signal(nix::sys::signal::Signal::SIGTERM);
    server.running.end().assert_code(0);
    let text = reader.join().expect("the reader ends");
    let whole = count(&written, |written| {
        memchr::memmem::find(&text, written.text.as_bytes()).is_some()
    });
    println!("without unbraid: {whole:?} of {:?}", (EACH, EACH));
    assert!(
        whole.0 < EACH && whole.1 < EACH,
        "the load does not show what unbraid is for"
    );
}

#[test]
fn gunicorn_4_without_unbraid_is_braided() {
    gunicorn_without_unbraid(&Gunicorn::sync(4));
}

#[test]
fn gunicorn_16_without_unbraid_is_braided() {
    gunicorn_without_unbraid(&Gunicorn::gthread(16));
}
