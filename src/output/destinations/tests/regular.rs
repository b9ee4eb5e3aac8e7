//! Regular files.

use super::*;

#[test]
fn made_with_their_folders_and_modes_before_any_record() {
    let rig = Rig::new(&["DIR/a/b/app.log"]);
    let file = fs::metadata(rig.path("a/b/app.log")).unwrap();
    assert_eq!(file.mode() & 0o7777, 0o640 & !umask());
    assert_eq!(file.len(), 0);
    for folder in ["a", "a/b"] {
        let mode = fs::metadata(rig.path(folder)).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o750 & !umask(), "{folder}");
    }
    assert_eq!(rig.opened, []);
}

#[test]
fn a_batch_is_written_at_the_flush_and_appended() {
    let mut rig = Rig::new(&["DIR/log"]);
    rig.line(1, "a\n");
    rig.line(2, "b\nc\n");
    assert_eq!(rig.read("log"), "");
    assert_eq!(rig.to.pending(), 6);
    rig.flush();
    assert_eq!(rig.read("log"), "a\nb\nc\n");
    assert_eq!(rig.to.pending(), 0);
    // Another writer has come in between.
    fs::write(rig.path("log"), "other\n").unwrap();
    rig.lines(1, "d\n");
    assert_eq!(rig.read("log"), "other\nd\n");
    assert_eq!(rig.to.deadline(), None);
}

#[test]
fn a_large_batch_goes_out_early_and_ends_with_a_record() {
    let mut rig = Rig::new(&["DIR/log"]);
    let text = format!("{}\n", "x".repeat(999));
    for _ in 0..300 {
        rig.line(1, &text);
    }
    let early = rig.read("log").len();
    assert_eq!(early, 263_000);
    assert_eq!(rig.to.pending(), 300_000 - early);
    rig.flush();
    assert_eq!(rig.read("log").len(), 300_000);
}

#[test]
fn a_file_that_ended_inside_a_line_is_closed_and_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("torn"), "half").unwrap();
    fs::write(dir.path().join("whole"), "whole\n").unwrap();
    fs::write(dir.path().join("empty"), "").unwrap();
    let specs = ["DIR/torn", "DIR/whole", "DIR/empty"];
    let mut rig = Rig::with(dir, &specs, 9, null(), null()).unwrap();
    let told: Vec<_> = rig
        .opened
        .iter()
        .map(|n| (n.error, n.text.clone()))
        .collect();
    let torn = rig.path("torn");
    let text = format!(
        "{} ended inside a line; closed it with a newline",
        torn.display()
    );
    assert_eq!(told, [(false, text)]);
    rig.lines(1, "next\n");
    assert_eq!(rig.read("torn"), "half\nnext\n");
    assert_eq!(rig.read("whole"), "whole\nnext\n");
    assert_eq!(rig.read("empty"), "next\n");
}

#[test]
fn the_newline_is_written_without_a_record_too() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("torn"), "half").unwrap();
    let mut rig = Rig::with(dir, &["DIR/torn"], 9, null(), null()).unwrap();
    rig.flush();
    assert_eq!(rig.read("torn"), "half\n");
}

#[test]
fn descriptors_are_closed_at_exec_and_permits_counted() {
    let rig = Rig::new(&["DIR/log", "DIR/log", "DIR/other"]);
    assert_eq!(rig.to.sinks.len(), 2, "one path, one sink");
    assert_eq!(rig.budget.left(), 98);
    for (_, sink) in &rig.to.sinks {
        let fd = sink.open.as_ref().unwrap().raw();
        let flags = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
        let flags = flags
            .lines()
            .find_map(|l| l.strip_prefix("flags:"))
            .unwrap()
            .trim();
        let flags = i32::from_str_radix(flags, 8).unwrap();
        assert_eq!(flags & libc::O_CLOEXEC, libc::O_CLOEXEC);
        assert_eq!(flags & libc::O_APPEND, libc::O_APPEND);
    }
    let budget = Arc::clone(&rig.budget);
    drop(rig);
    assert_eq!(budget.left(), 100);
}

#[test]
fn filters_and_formats_of_several_destinations() {
    let mut rig = Rig::new(&[
        "DIR/all",
        "prefix:DIR/err,stream=stderr",
        "json:DIR/slots,slot=2",
    ]);
    rig.line(1, "a\n");
    rig.to.write(&from(2, Stream::Stderr), &line(b"b\n"));
    rig.to.write(
        &Origin {
            slot: 0,
            ..from(3, Stream::Unbraid)
        },
        &line(b"unbraid: c\n"),
    );
    rig.flush();
    assert_eq!(rig.read("all"), "a\nb\nunbraid: c\n");
    assert_eq!(rig.read("err"), "2 err | b\n");
    let json = r#"{"pid":2,"slot":2,"stream":"stderr","name":"app","message":"b"}"#;
    assert_eq!(rig.read("slots"), format!("{json}\n"));
}

#[test]
fn lines_at_once_reach_those_that_take_them() {
    let mut rig = Rig::new(&[
        "DIR/all",
        "prefix:DIR/prefix,stream=stdout",
        "json:DIR/other,stream=stderr",
        "DIR/{pid}",
        "DIR/tracebacks,kind=traceback",
    ]);
    rig.to
        .write(&from(1, Stream::Stdout), &part(b"half", 1, false));
    rig.to.write_lines(&from(2, Stream::Stdout), b"a\nb\n", 0);
    rig.line(3, "c\n");
    rig.to.write_lines(&from(2, Stream::Stdout), b"d\n", 0);
    rig.flush();
    assert_eq!(rig.read("all"), "half\na\nb\nc\nd\n");
    let prefix = "1 out | half\n2 out | a\n2 out | b\n3 out | c\n2 out | d\n";
    assert_eq!(rig.read("prefix"), prefix);
    assert_eq!(rig.read("2"), "a\nb\nd\n");
    assert_eq!(
        (rig.read("other"), rig.read("tracebacks")),
        Default::default()
    );
}

#[test]
fn lines_that_grow_much_go_out_early() {
    let mut rig = Rig::new(&["json:DIR/log"]);
    let lines = "x\n".repeat(32_000);
    rig.to
        .write_lines(&from(1, Stream::Stdout), lines.as_bytes(), 0);
    assert!(rig.to.pending() < EARLY, "{}", rig.to.pending());
    rig.flush();
    assert_eq!(rig.read("log").lines().count(), 32_000);
}

#[test]
fn what_cannot_be_opened_says_why() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    symlink("nowhere", dir.path().join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("sock")).unwrap();
    for (spec, said) in [
        ("DIR/folder", "cannot open DIR/folder: Is a directory"),
        ("DIR/new/", "cannot open DIR/new/: Is a directory"),
        ("DIR/file/log", "cannot open DIR/file/log: Not a directory"),
        (
            "DIR/sock",
            "cannot open DIR/sock: it is a socket; write syslog+unix:PATH for one that takes syslog",
        ),
        ("/dev/null/x", "cannot open /dev/null/x: Not a directory"),
        (
            "DIR/link/log",
            "cannot open DIR/link/log: the folder DIR/link cannot be made: File exists",
        ),
    ] {
        let name = dir.path().to_str().unwrap().to_owned();
        let again = tempfile::Builder::new().tempdir_in(dir.path()).unwrap();
        let spec = spec.replace("DIR", &name);
        let error = Rig::with(again, &[&spec], 9, null(), null())
            .err()
            .expect(&spec);
        assert_eq!(error.to_string().replace(&name, "DIR"), said);
    }
    let none = Rig::with(dir, &["DIR/a"], 0, null(), null()).err().unwrap();
    assert_eq!(none.cause, "too few file descriptors");
}

#[test]
fn stdout_for_reading_only_is_refused() {
    let fd: OwnedFd = fs::File::open("/dev/null").unwrap().into();
    let dir = tempfile::tempdir().unwrap();
    let error = Rig::with(dir, &["-"], 9, fd, null()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "cannot open stdout: it is open for reading only"
    );
}

#[test]
fn buffers_are_given_back_when_idle() {
    let mut rig = Rig::new(&["DIR/{pid}"]);
    let text = format!("{}\n", "x".repeat(100_000));
    for pid in 1..=5 {
        rig.lines(pid, &text);
    }
    assert!(rig.to.held() > 500_000);
    // The first deadline notes who is idle from now on, a later one gives back.
    rig.next_deadline();
    rig.line(1, "active\n");
    if rig.to.deadline().is_some() {
        rig.next_deadline();
    }
    assert!(rig.to.held() <= 256 << 10, "{}", rig.to.held());
    rig.flush();
    assert_eq!(rig.to.deadline(), None, "nothing wakes an idle program");
}
