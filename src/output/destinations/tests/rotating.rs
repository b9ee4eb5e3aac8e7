//! Logs are moved aside between records.

use super::*;
use crate::output::rotate::period::Period;
use std::os::unix::fs::PermissionsExt;

const NAME: &str = "log.2026-11-23T10-00-00.123456Z";

fn by_size(size: u64) -> Settings {
    Settings {
        rotation: Rotation {
            size: Some(size),
            ..Rotation::default()
        },
        ..Settings::default()
    }
}

fn every(text: &str) -> Settings {
    let length = humantime::parse_duration(text).unwrap();
    Settings {
        rotation: Rotation {
            every: Period::new(length),
            ..Rotation::default()
        },
        ..Settings::default()
    }
}

#[test]
fn a_file_is_never_larger_than_was_asked_for() {
    let mut rig = Rig::set(&["DIR/log"], by_size(10));
    for text in [
        "aaaa\n",
        "bbbb\n",
        "c\n",
        "dddddddddddddddddd\n",
        "e\n",
        "f\n",
    ] {
        WALL.set(WALL.get() + 1_000_000);
        rig.lines(1, text);
    }
    assert_eq!(rig.read("log"), "e\nf\n");
    let texts: Vec<String> = rig.names()[1..].iter().map(|n| rig.read(n)).collect();
    // A record that is larger by itself has its own file.
    assert_eq!(texts, ["aaaa\nbbbb\n", "c\n", "dddddddddddddddddd\n"]);
    assert_eq!(rig.told(), []);
    assert_eq!((rig.budget.left(), open_below(rig.dir.path())), (99, 1));
}

#[test]
fn one_batch_fills_many_files() {
    let mut rig = Rig::set(&["DIR/log"], by_size(100));
    let mut all = String::new();
    for number in 0..300 {
        let text = format!("record {number}\n");
        rig.line(1, &text);
        all += &text;
    }
    rig.flush();
    assert_eq!(rig.joined(), all);
    assert_eq!(rig.to.pending(), 0);
    let names = rig.names();
    assert!(names.len() > 30, "{names:?}");
    for name in &names {
        let text = rig.read(name);
        assert!(text.len() <= 100 && text.ends_with('\n'), "{name}: {text}");
    }
    // The clock stands still here; the names go on all the same.
    assert_eq!(
        names[1..4],
        [
            "log.2026-11-23T10-00-00.123456Z",
            "log.2026-11-23T10-00-00.123457Z",
            "log.2026-11-23T10-00-00.123458Z",
        ]
    );
}

#[test]
fn what_strangers_wrote_counts() {
    let mut rig = Rig::set(&["DIR/log"], by_size(100));
    rig.lines(1, "a\n");
    let mut text = "x".repeat(98);
    text.push('\n');
    fs::File::options()
        .append(true)
        .open(rig.path("log"))
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .unwrap();
    rig.lines(1, "b\n");
    assert_eq!(
        (rig.read(NAME), rig.read("log")),
        ("a\n".to_owned() + &text, "b\n".into())
    );
}

#[test]
fn no_record_is_cut_by_it() {
    let mut rig = Rig::set(&["DIR/log"], by_size(4));
    let origin = from(1, Stream::Stdout);
    for (record, now) in [
        (part(b"aaa", 1, false), "aaa"),
        (part(b"bbb", 2, false), "aaabbb"),
        (part(b"ccc\n", 3, true), "aaabbbccc\n"),
    ] {
        rig.to.write(&origin, &record);
        rig.to.rotate(rig.now);
        rig.flush();
        let read = if record.part.unwrap().last {
            NAME
        } else {
            "log"
        };
        assert_eq!(rig.read(read), now);
    }
    assert_eq!(rig.read("log"), "");
}

#[test]
fn it_is_asked_for() {
    let mut rig = Rig::new(&["DIR/log", "DIR/empty,stream=stderr", "-"]);
    rig.lines(1, "a\n");
    rig.line(1, "b\n");
    rig.to.rotate(rig.now);
    // What was there before the request stands before it.
    assert_eq!(rig.names(), ["empty", "log", NAME]);
    assert_eq!(
        (rig.read(NAME), rig.read("log")),
        ("a\n".into(), "b\n".into())
    );
    // An empty log is not moved aside.
    rig.to.rotate(rig.now);
    rig.to.rotate(rig.now);
    assert_eq!(rig.names().len(), 4);
    assert_eq!(rig.read("log"), "");
    rig.flush();
    assert!(rig.to.work.is_empty());
    assert_eq!(rig.told(), []);
}

#[test]
fn files_of_templates_too() {
    let mut rig = Rig::new(&["DIR/{slot}"]);
    rig.lines(1, "a\n");
    rig.lines(2, "b\n");
    rig.to.rotate(rig.now);
    let names = [
        "1",
        "1.2026-11-23T10-00-00.123456Z",
        "2",
        "2.2026-11-23T10-00-00.123456Z",
    ];
    assert_eq!(rig.names(), names);
}

#[test]
fn a_turn_comes_by_itself() {
    WALL.set(US);
    let mut rig = Rig::set(&["DIR/log", "DIR/empty,stream=stderr"], every("1h"));
    rig.lines(1, "a\n");
    let wait = Duration::from_micros(3600 * 1_000_000 - 123_456);
    assert_eq!(rig.to.deadline(), Some(rig.now + wait));
    WALL.set(US + 3600 * 1_000_000 - 123_457);
    rig.flush();
    assert_eq!(rig.names(), ["empty", "log"]);
    WALL.set(US + 3600 * 1_000_000 - 123_456);
    rig.now += wait;
    rig.flush();
    assert_eq!(
        rig.names(),
        ["empty", "log", "log.2026-11-23T11-00-00.000000Z"]
    );
    assert_eq!(rig.to.deadline(), Some(rig.now + Duration::from_secs(3600)));
    rig.lines(1, "b\n");
    assert_eq!(rig.read("log"), "b\n");
}

#[test]
fn what_another_program_has_moved_is_not_moved_again() {
    WALL.set(US);
    let mut rig = Rig::set(&["DIR/log"], every("1h"));
    rig.lines(1, "a\n");
    fs::rename(rig.path("log"), rig.path(NAME)).unwrap();
    fs::write(rig.path("log"), "its own\n").unwrap();
    WALL.set(US + 3600 * 1_000_000);
    let file = fs::File::options()
        .append(true)
        .open(rig.path("log"))
        .unwrap();
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_micros(WALL.get()))
        .unwrap();
    rig.lines(1, "b\n");
    assert_eq!(rig.names(), ["log", NAME]);
    assert_eq!(rig.read("log"), "its own\nb\n");
}

#[test]
fn a_log_from_before_the_last_turn_is_over() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("old", "a\n"), ("new", "b\n"), ("half", "c")] {
        fs::write(dir.path().join(name), text).unwrap();
        let seconds = if name == "new" {
            US / 1_000_000
        } else {
            US / 1_000_000 - 3600
        };
        let file = fs::File::options()
            .append(true)
            .open(dir.path().join(name))
            .unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(seconds))
            .unwrap();
    }
    let mut rig = Rig::set_in(dir, &["DIR/old", "DIR/new", "DIR/half"], every("1h"));
    rig.flush();
    assert_eq!(rig.read("old.2026-11-23T10-00-00.123456Z"), "a\n");
    // It ended inside a line; that is closed first.
    assert_eq!(rig.read("half.2026-11-23T10-00-00.123456Z"), "c\n");
    assert_eq!(rig.read("new"), "b\n");
    assert_eq!(rig.names().len(), 5);
    assert!(rig.to.work.is_empty());
}

#[test]
fn what_death_cut_short_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("log"), "a\n").unwrap();
    fs::hard_link(dir.path().join("log"), dir.path().join(NAME)).unwrap();
    let mut rig = Rig::set_in(dir, &["DIR/log"], by_size(1000));
    rig.lines(1, "b\n");
    assert_eq!(rig.names(), ["log", NAME]);
    assert_eq!(rig.joined(), "a\nb\n");
}

#[test]
fn the_new_file_takes_after_the_old_one() {
    let mut rig = Rig::set(&["DIR/log"], by_size(2));
    rig.lines(1, "a\n");
    let mode = |rig: &Rig| fs::metadata(rig.path("log")).unwrap().mode() & 0o7777;
    fs::set_permissions(rig.path("log"), fs::Permissions::from_mode(0o604)).unwrap();
    rig.lines(1, "b\n");
    assert_eq!(mode(&rig), 0o604);
    // Only what follows by rotation does.
    fs::remove_file(rig.path("log")).unwrap();
    rig.lines(1, "c\n");
    assert_eq!(mode(&rig), 0o640 & !umask());
}

#[test]
fn old_files_lie_beside_the_log_itself() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    symlink("d/real", dir.path().join("log")).unwrap();
    let mut rig = Rig::set_in(dir, &["DIR/log"], by_size(2));
    rig.lines(1, "a\n");
    rig.lines(1, "b\n");
    assert_eq!(rig.names(), ["d", "log"]);
    assert_eq!(rig.read("d/real"), "b\n");
    assert_eq!(rig.read("d/real.2026-11-23T10-00-00.123456Z"), "a\n");
}

#[test]
fn what_is_no_file_is_not_moved() {
    let dir = tempfile::tempdir().unwrap();
    nix::unistd::mkfifo(
        &dir.path().join("fifo"),
        nix::sys::stat::Mode::from_bits_truncate(0o600),
    )
    .unwrap();
    let mut rig = Rig::set_in(dir, &["DIR/fifo", "/dev/null"], by_size(2));
    rig.lines(1, "aaaa\n");
    rig.to.rotate(rig.now);
    assert_eq!(rig.names(), ["fifo"]);
    assert_eq!(rig.told(), []);
}

#[test]
fn another_programs_lock_is_waited_for() {
    let mut rig = Rig::set(&["DIR/log"], by_size(2));
    rig.lines(1, "a\n");
    let other = fs::File::open(rig.path("log")).unwrap();
    assert!(crate::sys::file::try_lock(&other).unwrap());
    rig.lines(1, "b\n");
    // Written all the same, and tried again by itself.
    assert_eq!(rig.read("log"), "a\nb\n");
    crate::sys::file::unlock(&other).unwrap();
    rig.now += Duration::from_millis(99);
    rig.lines(1, "c\n");
    assert_eq!(rig.names(), ["log"]);
    rig.now += Duration::from_millis(1);
    rig.lines(1, "d\n");
    assert_eq!(
        (rig.read(NAME), rig.read("log")),
        ("a\nb\nc\n".into(), "d\n".into())
    );
}

#[test]
fn it_is_not_waited_for_when_the_time_is_not_known() {
    let mut rig = Rig::set(&["DIR/log"], by_size(200_000));
    rig.lines(1, "a\n");
    let other = fs::File::open(rig.path("log")).unwrap();
    assert!(crate::sys::file::try_lock(&other).unwrap());
    // So much goes out at once, before the flush.
    let text = format!("{}\n", "x".repeat(99_999));
    for _ in 0..3 {
        rig.line(1, &text);
    }
    assert_eq!(rig.read("log").len(), 300_002);
    assert_eq!(rig.names(), ["log"]);
}

#[test]
fn what_cannot_be_moved_is_written_further() {
    // A name of 255 bytes leaves no room for a stamp.
    let name = "l".repeat(255);
    let mut rig = Rig::set(&[&format!("DIR/{name}")], by_size(2));
    rig.lines(1, "a\n");
    rig.lines(1, "b\n");
    let told = rig.told();
    let text = format!(
        "cannot rotate DIR/{name}: File name too long; it is written further and tried again"
    );
    assert_eq!(told, [(true, text)]);
    rig.lines(1, "c\n");
    rig.now += Duration::from_secs(1);
    rig.lines(1, "d\n");
    assert_eq!(rig.told(), []);
    assert_eq!(rig.read(&name), "a\nb\nc\nd\n");
}
