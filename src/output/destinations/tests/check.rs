//! `--check`.

use super::*;

#[test]
fn says_what_would_be_and_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    fs::write(dir.path().join("file"), "half").unwrap();
    symlink("nowhere/log", dir.path().join("link")).unwrap();
    nix::unistd::mkfifo(&dir.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let name = dir.path().to_str().unwrap();
    for (spec, answer) in [
        ("DIR/file", Ok("a file, appended to")),
        ("DIR/fifo", Ok("a FIFO")),
        ("/dev/null", Ok("a device")),
        ("DIR/new", Ok("a file, made at start")),
        (
            "DIR/a/b/new",
            Ok("a file, made at start, with the folder DIR/a/b"),
        ),
        (
            "DIR/link",
            Ok("a file, made at start, with the folder DIR/nowhere"),
        ),
        ("DIR/{pid}", Ok("files, made at their first records")),
        ("DIR/x{pid}/log", Ok("files, made at their first records")),
        (
            "DIR/a/{pid}",
            Ok("files, made at their first records, with the folder DIR/a"),
        ),
        ("DIR/folder", Err("Is a directory")),
        ("DIR/new/", Err("Is a directory")),
        ("DIR/file/log", Err("Not a directory")),
        ("DIR/file/{pid}", Err("Not a directory")),
    ] {
        let (shown, found) = Destinations::check(&[parse(&dir, spec)]).remove(0);
        assert_eq!(shown.replace(name, "DIR"), spec);
        let found = found.map(|text| text.replace(name, "DIR"));
        assert_eq!(
            found,
            answer.map(str::to_owned).map_err(str::to_owned),
            "{spec}"
        );
    }
    assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"half");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
}

#[test]
fn a_file_system_that_cannot_be_written() {
    // /proc refuses new files, also to root.
    let dir = tempfile::tempdir().unwrap();
    let (_, found) = Destinations::check(&[parse(&dir, "/proc/self/log")]).remove(0);
    assert!(found.is_err(), "{found:?}");
}
