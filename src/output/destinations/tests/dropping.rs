//! `--when-full drop`.

use super::*;

fn dropping() -> Settings {
    Settings {
        when_full: WhenFull::Drop,
        ..Settings::default()
    }
}

/// 100,000 bytes.
fn long() -> String {
    format!("{}\n", "x".repeat(99_999))
}

#[test]
fn what_is_not_taken_is_counted_and_told() {
    let dir = tempfile::tempdir().unwrap();
    symlink("/dev/full", dir.path().join("log")).unwrap();
    let mut rig = Rig::set_in(dir, &["DIR/log"], dropping());
    let text = long();
    for pid in [1, 2] {
        for _ in 0..10 {
            rig.line(pid, &text);
        }
    }
    rig.flush();
    // 1 MiB and what stood on its edge.
    assert_eq!(rig.to.pending(), 1_100_000);
    assert!(!rig.to.congested());
    let dropped = Dropped {
        bytes: 900_000,
        records: 9,
    };
    assert_eq!(rig.to.dropped(), dropped);
    let full = "DIR/log takes no more; records for it are dropped until it does";
    assert_eq!(rig.told()[1], (true, full.to_owned()));
    assert_eq!(rig.told(), []);
    fs::remove_file(rig.path("log")).unwrap();
    rig.to.reopen(rig.now);
    let told = rig.told();
    let text = "DIR/log takes records again; 9 records (900000 bytes) were dropped: 9 of process 2";
    assert!(told.contains(&(true, text.to_owned())), "{told:?}");
    assert_eq!(rig.read("log").len(), 1_100_000);
    rig.lines(1, "a\n");
    assert_eq!(rig.told(), []);
    assert_eq!(rig.to.dropped(), dropped);
}

#[test]
fn a_reader_that_stands_still_holds_nobody_back() {
    let (_reader, writer) = small_pipe();
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::all(dir, &["-", "DIR/log"], dropping(), 9, writer, null()).unwrap();
    let text = long();
    for _ in 0..30 {
        rig.lines(1, &text);
    }
    assert!(!rig.to.congested());
    assert_eq!(rig.read("log").len(), 3_000_000);
    assert!(rig.to.pending() <= 1_200_000);
    rig.told();
    rig.to.tell_dropped();
    let told = rig.told();
    // That was the last word, although it was dropped there itself.
    rig.lines(1, &told[0].1);
    rig.to.tell_dropped();
    assert_eq!(rig.told(), []);
    assert!(
        told[0]
            .1
            .starts_with("stdout took no more until the end; 19 records"),
        "{told:?}"
    );
}

#[test]
fn many_that_stand_still_stay_within_the_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::set_in(dir, &["DIR/no/{pid}"], dropping());
    fs::write(rig.path("no"), "a file").unwrap();
    let text = long();
    for _ in 0..10 {
        for pid in 1..=40 {
            rig.line(pid, &text);
        }
        rig.flush();
    }
    assert!(
        rig.to.pending() <= (8 << 20) + 100_000,
        "{}",
        rig.to.pending()
    );
    let all = rig.to.pending() as u64 + rig.to.dropped().bytes;
    assert_eq!(all, 400 * 100_000);
}

#[test]
fn a_line_of_which_a_part_was_dropped_does_not_go_on() {
    let dir = tempfile::tempdir().unwrap();
    symlink("/dev/full", dir.path().join("log")).unwrap();
    let mut rig = Rig::set_in(dir, &["DIR/log"], dropping());
    let origin = from(1, Stream::Stdout);
    let text = vec![b'x'; 100_000];
    for number in 1..=12 {
        rig.to.write(&origin, &part(&text, number, false));
        rig.flush();
    }
    fs::remove_file(rig.path("log")).unwrap();
    rig.to.reopen(rig.now);
    rig.to.write(&origin, &part(b"rest\n", 13, true));
    rig.flush();
    let log = rig.read("log");
    assert_eq!(log, "x".repeat(1_100_000) + "\nrest\n");
}
