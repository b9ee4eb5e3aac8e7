//! Files that are moved away, replaced or deleted.

use super::*;

/// How long whoever moved a file away has to make a new one.
const MAKING: Duration = Duration::from_millis(250);

#[test]
fn a_moved_file_is_followed_by_a_new_one() {
    let mut rig = Rig::new(&["DIR/log"]);
    rig.lines(1, "a\n");
    fs::rename(rig.path("log"), rig.path("log.1")).unwrap();
    rig.lines(1, "a\n");
    rig.now += Duration::from_millis(249);
    rig.lines(1, "a\n");
    assert_eq!(rig.names(), ["log.1"]);
    rig.now += Duration::from_millis(1);
    rig.lines(1, "b\n");
    assert_eq!(
        (rig.read("log.1"), rig.read("log")),
        ("a\na\na\n".into(), "b\n".into())
    );
    // Replaced by one that is inside a line.
    fs::write(rig.path("new"), "half").unwrap();
    fs::rename(rig.path("new"), rig.path("log")).unwrap();
    rig.lines(1, "c\n");
    assert_eq!(rig.read("log"), "half\nc\n");
    let text = "DIR/log ended inside a line; closed it with a newline".to_owned();
    assert_eq!(rig.told(), [(false, text)]);
    assert_eq!(rig.budget.left(), 99);
    assert_eq!(open_below(rig.dir.path()), 1);
}

#[test]
fn a_deleted_file_and_a_deleted_folder_are_made_again() {
    let mut rig = Rig::new(&["DIR/f/g/log"]);
    rig.lines(1, "a\n");
    fs::remove_file(rig.path("f/g/log")).unwrap();
    rig.lines(1, "b\n");
    assert_eq!(rig.read("f/g/log"), "b\n");
    fs::remove_dir_all(rig.path("f")).unwrap();
    rig.lines(1, "c\n");
    assert_eq!(rig.read("f/g/log"), "c\n");
    assert_eq!(rig.told(), []);
}

#[test]
fn what_cannot_be_opened_again_is_written_where_it_was() {
    let mut rig = Rig::new(&["DIR/log"]);
    rig.lines(1, "a\n");
    fs::rename(rig.path("log"), rig.path("log.1")).unwrap();
    fs::create_dir(rig.path("log")).unwrap();
    rig.lines(1, "b\n");
    rig.lines(1, "c\n");
    rig.to.reopen(rig.now);
    let text =
        "cannot open DIR/log again: Is a directory; the file that was there is written further";
    assert_eq!(rig.told(), [(true, text.to_owned())]);
    assert_eq!(rig.read("log.1"), "a\nb\nc\n");
    assert_eq!(rig.budget.left(), 99);
    fs::remove_dir(rig.path("log")).unwrap();
    rig.lines(1, "d\n");
    rig.now += MAKING;
    rig.lines(1, "e\n");
    assert_eq!(rig.read("log"), "e\n");
    assert_eq!(rig.read("log.1"), "a\nb\nc\nd\n");
}

#[test]
fn a_new_file_needs_no_second_permit() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::with(dir, &["DIR/log"], 1, null(), null()).unwrap();
    fs::remove_file(rig.path("log")).unwrap();
    rig.lines(1, "a\n");
    assert_eq!(rig.read("log"), "a\n");
    assert_eq!(rig.budget.left(), 0);
}

#[test]
fn the_signal_makes_the_new_file_at_once() {
    let mut rig = Rig::new(&["DIR/log"]);
    rig.line(1, "a\n");
    fs::rename(rig.path("log"), rig.path("log.1")).unwrap();
    rig.to.reopen(rig.now);
    assert_eq!(
        (rig.read("log.1"), rig.read("log")),
        (String::new(), "a\n".into())
    );
    fs::remove_file(rig.path("log")).unwrap();
    rig.to.reopen(rig.now);
    assert_eq!(rig.read("log"), "");
    assert!(rig.to.work.is_empty());
}

#[test]
fn a_line_in_parts_is_not_cut_by_it() {
    let mut rig = Rig::new(&["DIR/log"]);
    let origin = from(1, Stream::Stdout);
    rig.to.write(&origin, &part(b"aa", 1, false));
    rig.flush();
    fs::rename(rig.path("log"), rig.path("log.1")).unwrap();
    rig.to.reopen(rig.now);
    rig.to.write(&origin, &part(b"bb", 2, false));
    rig.flush();
    rig.to.write(&origin, &part(b"cc\n", 3, true));
    rig.flush();
    rig.lines(1, "d\n");
    assert_eq!(
        (rig.read("log.1"), rig.read("log")),
        ("aabbcc\n".into(), "d\n".into())
    );
}
