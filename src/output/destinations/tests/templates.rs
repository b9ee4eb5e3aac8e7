//! A file for each process, slot or stream.

use super::*;

#[test]
fn a_file_for_each_process_or_slot_or_stream() {
    let mut rig = Rig::new(&["DIR/p/{pid}", "DIR/{name}.{slot}.{stream}", "DIR/{stream}"]);
    assert_eq!(
        fs::read_dir(rig.dir.path()).unwrap().count(),
        0,
        "nothing before a record"
    );
    for (pid, slot, stream) in [(11, 1, Stream::Stdout), (12, 2, Stream::Stderr)] {
        let origin = Origin {
            slot,
            ..from(pid, stream)
        };
        rig.to.write(&origin, &line(format!("{pid}\n").as_bytes()));
    }
    rig.flush();
    for (file, text) in [
        ("p/11", "11\n"),
        ("p/12", "12\n"),
        ("app.1.stdout", "11\n"),
        ("app.2.stderr", "12\n"),
        ("stdout", "11\n"),
        ("stderr", "12\n"),
    ] {
        assert_eq!(rig.read(file), text, "{file}");
    }
    assert_eq!(open_below(rig.dir.path()), 6);
    rig.to.process_ended(11, None);
    assert_eq!(open_below(rig.dir.path()), 5, "the slot is not free yet");
    rig.to.process_ended(11, Some(1));
    assert_eq!(open_below(rig.dir.path()), 4);
    rig.to.process_ended(12, Some(2));
    assert_eq!(open_below(rig.dir.path()), 2, "those of streams stay");
}

#[test]
fn ten_thousand_dead_processes_leave_no_descriptor() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::with(dir, &["DIR/{pid}.log"], 20, null(), null()).unwrap();
    for pid in 1..=10_000 {
        rig.line(pid, "first\n");
        if pid % 16 == 0 {
            rig.flush();
            assert!(open_below(rig.dir.path()) <= 20);
        }
        rig.line(pid, "last\n");
        rig.to.process_ended(pid, Some(pid as u32));
    }
    rig.flush();
    assert_eq!(rig.budget.left(), 20);
    assert_eq!(open_below(rig.dir.path()), 0);
    let to = &rig.to;
    assert_eq!(
        (to.sinks.len(), to.by_path.len(), to.owned.len()),
        (0, 0, 0)
    );
    assert_eq!((to.by_use.len(), to.work.len(), to.held()), (0, 0, 0));
    for pid in [1, 5000, 10_000] {
        assert_eq!(rig.read(&format!("{pid}.log")), "first\nlast\n");
    }
}

#[test]
fn with_few_descriptors_the_least_used_is_closed_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::with(dir, &["DIR/{pid}", "DIR/all"], 3, null(), null()).unwrap();
    for round in 1..=3 {
        for pid in 1..=5 {
            // A line in parts stays one line, also when its file was closed in between.
            let text = format!("{pid}{round}");
            let record = part(text.as_bytes(), round, round == 3);
            rig.to.write(&from(pid, Stream::Stdout), &record);
            rig.flush();
        }
        assert_eq!(open_below(rig.dir.path()), 3);
    }
    for pid in 1..=5 {
        let text = rig.read(&pid.to_string());
        assert_eq!(text, format!("{pid}1{pid}2{pid}3\n"));
    }
    assert_eq!(rig.told(), []);
    // The two used last are open, the others are closed.
    let open = |rig: &Rig, pid: i32| {
        let key = rig.path(&pid.to_string()).into_os_string().into_vec();
        rig.to.sinks[rig.to.by_path[&key]].open.is_some()
    };
    let open: Vec<i32> = (1..=5).filter(|&pid| open(&rig, pid)).collect();
    assert_eq!(open, [4, 5]);
}

#[test]
fn what_cannot_be_opened_is_kept_and_tried_again() {
    let mut rig = Rig::new(&["DIR/sub/{pid}"]);
    fs::write(rig.path("sub"), "a file").unwrap();
    rig.lines(7, "a\n");
    rig.lines(7, "b\n");
    let text = "cannot open DIR/sub/7: Not a directory; its records are kept and tried again";
    assert_eq!(rig.told(), [(true, text.to_owned())]);
    rig.to.process_ended(7, None);
    rig.next_deadline();
    assert_eq!(rig.to.pending(), 4);
    fs::remove_file(rig.path("sub")).unwrap();
    rig.next_deadline();
    assert_eq!(rig.read("sub/7"), "a\nb\n");
    let text = "DIR/sub/7 is writable again, 4 bytes were waiting".to_owned();
    assert_eq!(rig.told(), [(false, text)]);
    assert_eq!(rig.to.sinks.len(), 0, "closed when it was written");
    assert_eq!(rig.budget.left(), 100);
}

#[test]
fn no_permit_at_all_is_a_failure_that_can_pass() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::with(dir, &["DIR/{pid}"], 0, null(), null()).unwrap();
    rig.lines(7, "a\n");
    let text = "cannot open DIR/7: too few file descriptors; its records are kept and tried again";
    assert_eq!(rig.told(), [(true, text.to_owned())]);
    rig.budget.give(1);
    rig.next_deadline();
    assert_eq!(rig.read("7"), "a\n");
}

#[test]
fn a_slot_that_is_taken_again_keeps_its_file() {
    let mut rig = Rig::new(&["DIR/{slot}"]);
    rig.line(3, "a\n");
    rig.to.process_ended(3, Some(3));
    rig.line(3, "b\n");
    rig.flush();
    assert_eq!(rig.to.sinks.len(), 1);
    rig.to.process_ended(3, Some(3));
    assert_eq!(rig.to.sinks.len(), 0);
    assert_eq!(rig.read("3"), "a\nb\n");
    rig.lines(3, "c\n");
    assert_eq!(rig.read("3"), "a\nb\nc\n");
}
