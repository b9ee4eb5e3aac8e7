//! Errors that can pass.

use super::*;

#[test]
fn a_full_disk_keeps_everything_and_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    symlink("/dev/full", dir.path().join("log")).unwrap();
    let mut rig = Rig::with(dir, &["DIR/log"], 9, null(), null()).unwrap();
    rig.lines(1, "a\n");
    let text =
        "cannot write to DIR/log: No space left on device; its records are kept and tried again";
    assert_eq!(rig.told(), [(true, text.to_owned())]);
    let start = rig.now;
    for delay in [100, 300, 700, 1500, 2500, 3500] {
        rig.next_deadline();
        assert_eq!((rig.now - start).as_millis(), delay);
    }
    rig.lines(1, "b\n");
    assert_eq!(rig.told(), []);
    fs::remove_file(rig.path("log")).unwrap();
    rig.to.reopen(rig.now);
    assert_eq!(rig.read("log"), "a\nb\n");
    let text = "DIR/log is writable again, 4 bytes were waiting".to_owned();
    assert_eq!(rig.told(), [(false, text)]);
    assert_eq!(rig.to.deadline(), None);
    rig.lines(1, "c\n");
    assert_eq!(rig.told(), []);
}

#[test]
fn an_input_output_error_of_a_file_passes() {
    let dir = tempfile::tempdir().unwrap();
    // A regular file, where nothing lies at the place that is written to: EIO.
    symlink("/proc/self/mem", dir.path().join("log")).unwrap();
    let mut rig = Rig::with(dir, &["DIR/log"], 9, null(), null()).unwrap();
    rig.lines(1, "a\n");
    let text = "cannot write to DIR/log: I/O error; its records are kept and tried again";
    assert_eq!(rig.told(), [(true, text.to_owned())]);
    rig.next_deadline();
    rig.lines(1, "b\n");
    fs::remove_file(rig.path("log")).unwrap();
    rig.next_deadline();
    assert_eq!(rig.read("log"), "a\nb\n");
    let text = "DIR/log is writable again, 4 bytes were waiting".to_owned();
    assert_eq!(rig.told(), [(false, text)]);
}

#[test]
fn it_asks_for_a_pause_above_its_bound() {
    let mut rig = Rig::new(&["/dev/full"]);
    let text = format!("{}\n", "x".repeat(99_999));
    for _ in 0..10 {
        rig.line(1, &text);
    }
    assert!(!rig.to.congested());
    rig.line(1, &text);
    assert!(rig.to.congested());
    assert_eq!(rig.to.pending(), 1_100_000);
    assert!(rig.to.held() >= 1_100_000);
    // A failure before the time is known is tried again after a delay all the same.
    rig.flush();
    assert_eq!(
        rig.to.deadline(),
        Some(rig.now + Duration::from_millis(100))
    );
}

#[test]
fn notices_are_bounded() {
    let mut rig = Rig::new(&["DIR/no/{pid}"]);
    fs::write(rig.path("no"), "a file").unwrap();
    for pid in 1..=300 {
        rig.line(pid, "x\n");
    }
    rig.flush();
    let told = rig.told();
    assert_eq!(told.len(), 257);
    assert_eq!(
        told[256],
        (
            true,
            "44 more messages about destinations are left out".into()
        )
    );
    assert_eq!(rig.told(), []);
}

#[test]
fn a_panic_at_one_destination_costs_the_others_nothing() {
    let mut rig = Rig::new(&["DIR/a", "json:DIR/b"]);
    let text = b"one\nbad encoder at 1\ntwo\n";
    let from = from(1, Stream::Stdout);
    assert_eq!(rig.to.write_lines(&from, text, 0), 1);
    assert_eq!(rig.to.write(&from, &line(b"bad encoder at 0\n")), 1);
    assert_eq!(rig.to.write(&from, &line(b"three\n")), 0);
    rig.flush();
    let lines = [
        "one",
        "bad encoder at 1",
        "two",
        "bad encoder at 0",
        "three",
    ];
    let raw = rig.read("a");
    assert_eq!(raw.lines().collect::<Vec<_>>(), lines);
    let json = rig.read("b");
    assert_eq!(json.lines().count(), lines.len(), "{json}");
    for (object, line) in json.lines().zip(lines) {
        assert!(
            object.ends_with(&format!("\"message\":\"{line}\"}}")),
            "{object}"
        );
    }
}
