//! The data plane with real pipes and a file, without a server.

use super::*;
use crate::capture::gate::Counted;
use crate::output::FdBudget;
use crate::output::spec::{Filter, OutputSpec, Style, Target};
use crate::plane::Arrived;
use crate::record::Settings;
use std::io::{PipeReader, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread::JoinHandle;

/// Stands for a fault in the assembler: this cannot be caught where a record is handed over.
pub(super) fn broken(bytes: &[u8]) {
    assert!(!bytes.starts_with(b"bad assembler\n"), "as the test wants");
}

struct Running {
    orders: Outbox<Order>,
    ids: Vec<ProcessId>,
    reports: Inbox<Report>,
    reported: Poll,
    thread: JoinHandle<()>,
    budget: Arc<FdBudget>,
}

fn start(log: &Path, max_memory: usize) -> Running {
    let budget = Arc::new(FdBudget::new(100));
    let poll = Poll::new().unwrap();
    let spec = OutputSpec {
        style: Style::default(),
        target: Target::File(log.into()),
        filter: Filter::default(),
        when_full: None,
    };
    let (destinations, notices) = Destinations::open(
        &[spec],
        "test",
        crate::output::Settings::default(),
        Arc::clone(&budget),
        poll.registry(),
        DESTINATIONS,
    )
    .unwrap();
    let (orders, order_queue) = Outbox::new(mio::Waker::new(poll.registry(), WAKE).unwrap());
    let reported = Poll::new().unwrap();
    let (reports, inbox) = Outbox::new(mio::Waker::new(reported.registry(), WAKE).unwrap());
    let plane = Plane::new(Parts {
        poll,
        orders: order_queue,
        reports,
        messages: MessageCount::default(),
        wanted: Arc::default(),
        shortages: Arc::default(),
        rules: Arc::new(Rules::new(&Settings::default()).unwrap()),
        destinations,
        notices,
        instances: 1,
        recognize: false,
        max_memory,
        verbosity: Verbosity::Quiet,
        remote: true,
    });
    Running {
        orders,
        ids: Vec::new(),
        reports: inbox,
        reported,
        thread: std::thread::spawn(move || plane.run()),
        budget,
    }
}

impl Running {
    fn arrive(&mut self, id: ProcessId, pipe: PipeReader) {
        self.ids.push(id);
        self.arrive_alone(id, pipe);
    }

    /// The test sends the end of this process itself.
    fn arrive_alone(&mut self, id: ProcessId, pipe: PipeReader) {
        let pipes = vec![(1, Counted::new(OwnedFd::from(pipe), &self.budget))];
        let pid = id as i32;
        self.orders.send(Order::Arrived(Arrived {
            id,
            pid,
            parent: None,
            pipes,
            main: None,
            tracked: true,
            shared: false,
        }));
    }

    fn finish(mut self) {
        for id in self.ids {
            self.orders.send(Order::Gone(id));
        }
        self.orders.send(Order::Drain);
        let mut events = Events::with_capacity(1);
        while !matches!(self.reports.take(), Some(Report::Quiet { .. })) {
            self.reported
                .poll(&mut events, Some(Duration::from_secs(30)))
                .unwrap();
        }
        self.orders
            .send(Order::Finish(Instant::now() + Duration::from_secs(30)));
        self.thread.join().unwrap();
    }
}

#[test]
fn a_panic_costs_no_byte_and_the_plane_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut plane = start(&log, 64 << 20);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let (other_reader, mut other) = std::io::pipe().unwrap();
    writer
        .write_all(b"before\nbad encoder at 0\nafter\nhalf a li")
        .unwrap();
    other.write_all(b"undisturbed\n").unwrap();
    plane.arrive(1, reader);
    plane.arrive(2, other_reader);
    writer.write_all(b"ne\nlater\n").unwrap();
    drop((writer, other));
    plane.finish();
    let text = std::fs::read_to_string(&log).unwrap();
    for line in [
        "before",
        "bad encoder at 0",
        "after",
        "half a line",
        "later",
        "undisturbed",
    ] {
        assert_eq!(
            text.lines().filter(|l| *l == line).count(),
            1,
            "{line} in {text:?}"
        );
    }
    assert!(
        text.contains("unbraid: internal error: 1 records"),
        "{text:?}"
    );
}

#[test]
fn a_fault_in_the_assembler_costs_no_byte_either() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut plane = start(&log, 64 << 20);
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"bad assembler\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\n    x =").unwrap();
    drop(writer);
    plane.arrive(1, reader);
    plane.finish();
    let text = std::fs::read_to_string(&log).unwrap();
    let whole = "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    x =\n";
    assert!(
        text.contains("bad assembler\n") && text.contains(whole),
        "{text:?}"
    );
    assert!(
        text.contains("unbraid: internal error in the data plane"),
        "{text:?}"
    );
}

#[test]
fn at_the_ceiling_of_memory_the_largest_open_record_leaves_and_no_byte_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut plane = start(&log, 1 << 20);
    let mut writers = Vec::new();
    for id in 1..=8u64 {
        let (reader, writer) = std::io::pipe().unwrap();
        plane.arrive(id, reader);
        writers.push((id, writer));
    }
    let half = vec![b'x'; 1 << 10];
    for _ in 0..400 {
        for (_, writer) in &mut writers {
            writer.write_all(&half).unwrap();
        }
    }
    drop(writers);
    plane.finish();
    let written = std::fs::read(&log).unwrap();
    let whole = written
        .split(|b| *b != b'x')
        .map(<[u8]>::len)
        .sum::<usize>();
    assert_eq!(whole, 8 * 400 * half.len());
}

#[test]
fn many_short_half_lines_stay_within_the_memory_too() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut plane = start(&log, 1 << 20);
    let half = vec![b'x'; 40 << 10];
    let mut writers = Vec::new();
    for id in 1..=40u64 {
        let (reader, mut writer) = std::io::pipe().unwrap();
        plane.arrive(id, reader);
        writer.write_all(&half).unwrap();
        writers.push(writer);
    }
    // No line is complete and no stream holds much: what leaves now leaves for want of memory.
    let limit = Instant::now() + Duration::from_secs(30);
    while std::fs::metadata(&log).is_ok_and(|file| file.len() == 0) {
        assert!(Instant::now() < limit, "nothing left");
        std::thread::yield_now();
    }
    drop(writers);
    plane.finish();
    let written = std::fs::read(&log).unwrap();
    let whole = written
        .split(|b| *b != b'x')
        .map(<[u8]>::len)
        .sum::<usize>();
    assert_eq!(whole, 40 * half.len());
}

/// A process that executes a program and ends before anything of it is read: the pipe from before the exec is closed too.
#[test]
fn both_pipes_of_a_process_that_is_gone_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    let mut plane = start(&folder.path().join("log"), 64 << 20);
    let (before, writer) = std::io::pipe().unwrap();
    let (after, second_writer) = std::io::pipe().unwrap();
    drop((writer, second_writer));
    plane.arrive_alone(1, before);
    plane.arrive_alone(1, after);
    plane.orders.send(Order::Gone(1));
    plane.finish();
}

#[test]
fn every_packet_of_a_pipe_that_keeps_them_apart_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut plane = start(&log, 64 << 20);
    let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_DIRECT).unwrap();
    let mut writer = std::fs::File::from(writer);
    for packet in ["one\n", "two\n", "three\n"] {
        writer.write_all(packet.as_bytes()).unwrap();
    }
    plane.arrive(1, reader.into());
    // Nothing else happens: the writer lives on, and says no more.
    let limit = Instant::now() + Duration::from_secs(30);
    while std::fs::read(&log).unwrap() != b"one\ntwo\nthree\n" {
        assert!(Instant::now() < limit, "a packet was not read");
        std::thread::yield_now();
    }
    drop(writer);
    plane.finish();
}
