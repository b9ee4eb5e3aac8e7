//! `--lock`: nobody who asks for the lock writes at the same time.

use super::*;
use crate::sys::file::{try_lock, unlock};

fn lock() -> Settings {
    Settings {
        lock: true,
        ..Settings::default()
    }
}

fn other(rig: &Rig, name: &str) -> fs::File {
    let path = rig.path(name);
    fs::File::options()
        .append(true)
        .read(true)
        .open(path)
        .unwrap()
}

#[test]
fn it_waits_without_hanging_and_says_so_once() {
    let mut rig = Rig::set(&["DIR/log"], lock());
    let other = other(&rig, "log");
    assert!(try_lock(&other).unwrap());
    rig.lines(1, "a\n");
    let start = rig.now;
    let mut tries = 0;
    while rig.now < start + Duration::from_secs(6) {
        rig.next_deadline();
        tries += 1;
    }
    assert!((80..200).contains(&tries), "{tries}");
    let text = "DIR/log is locked by another program; its records are kept and tried again";
    assert_eq!(rig.told(), [(true, text.to_owned())]);
    assert_eq!(rig.read("log"), "");
    unlock(&other).unwrap();
    rig.next_deadline();
    assert_eq!(rig.read("log"), "a\n");
    let text = "DIR/log is not locked any more, 2 bytes were waiting";
    assert_eq!(rig.told(), [(false, text.to_owned())]);
    // It is not kept.
    assert!(try_lock(&other).unwrap());
}

#[test]
fn a_file_that_moved_while_it_waited_is_not_written_to() {
    let mut rig = Rig::set(&["DIR/log"], lock());
    let other = other(&rig, "log");
    assert!(try_lock(&other).unwrap());
    rig.lines(1, "a\n");
    fs::rename(rig.path("log"), rig.path("log.1")).unwrap();
    fs::write(rig.path("log"), "").unwrap();
    unlock(&other).unwrap();
    rig.next_deadline();
    assert_eq!(
        (rig.read("log.1"), rig.read("log")),
        (String::new(), "a\n".into())
    );
    assert!(try_lock(self::other(&rig, "log")).unwrap());
}

#[test]
fn half_a_line_of_another_program_is_closed() {
    let mut rig = Rig::set(&["DIR/log"], lock());
    rig.lines(1, "a\n");
    std::io::Write::write_all(&mut other(&rig, "log"), b"torn").unwrap();
    rig.lines(1, "b\n");
    // Its own open line is no such thing.
    rig.to
        .write(&from(1, Stream::Stdout), &part(b"c", 1, false));
    rig.flush();
    rig.to
        .write(&from(1, Stream::Stdout), &part(b"d\n", 2, true));
    rig.flush();
    assert_eq!(rig.read("log"), "a\ntorn\nb\ncd\n");
    let text = "DIR/log ended inside a line; closed it with a newline".to_owned();
    assert_eq!(rig.told(), [(false, text)]);
}

#[test]
fn half_a_line_that_goes_on_is_not_closed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("log"), "half a rec").unwrap();
    let other = fs::File::options()
        .append(true)
        .open(dir.path().join("log"))
        .unwrap();
    assert!(try_lock(&other).unwrap());
    let mut rig = Rig::set_in(dir, &["DIR/log"], lock());
    rig.lines(1, "a\n");
    // As after a disk that was full.
    std::io::Write::write_all(&mut &other, b"ord\n").unwrap();
    unlock(&other).unwrap();
    rig.next_deadline();
    assert_eq!(rig.read("log"), "half a record\na\n");
    assert_eq!((rig.opened.len(), rig.told()), (0, vec![]));
}

#[test]
fn half_a_line_is_closed_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("log"), "torn").unwrap();
    let mut rig = Rig::set_in(dir, &["DIR/log"], lock());
    assert_eq!(rig.opened.len(), 1);
    rig.flush();
    assert_eq!(rig.read("log"), "torn\n");
    rig.lines(1, "a\n");
    assert_eq!((rig.read("log"), rig.told()), ("torn\na\n".into(), vec![]));
}

#[test]
fn rotation_is_under_the_lock() {
    let settings = Settings {
        rotation: Rotation {
            size: Some(4),
            ..Rotation::default()
        },
        ..lock()
    };
    let mut rig = Rig::set(&["DIR/log"], settings);
    let mut all = String::new();
    for number in 0..50 {
        let text = format!("{number}\n");
        rig.line(1, &text);
        all += &text;
    }
    rig.flush();
    assert_eq!(rig.joined(), all);
    assert!(rig.names().len() > 30);
    assert!(try_lock(other(&rig, "log")).unwrap());
}

#[test]
fn pipes_have_no_lock() {
    let mut rig = Rig::set(&["/dev/null"], lock());
    rig.lines(1, "a\n");
    assert_eq!(rig.to.pending(), 0);
}
