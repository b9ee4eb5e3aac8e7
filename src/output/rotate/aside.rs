//! Gives a file another name, and never one that is taken.

use super::names::{Form, MOST_COUNTER, Stamp, archive, parse};
use crate::output::open::{FileId, id_at};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Moves the log at `path`, which is the file `id`, aside, under a name of the time `micros` (µs since 1970, UTC).
///
/// First the file gets its second name, then it loses the first. Where that was cut short, the second name is there already
/// and is kept. The caller holds the file's lock, so that no other program that asks for it does the same.
pub(in crate::output) fn move_aside(path: &Path, id: FileId, micros: u64) -> io::Result<PathBuf> {
    if let Some(there) = second_name(path, id) {
        std::fs::remove_file(path)?;
        return Ok(there);
    }
    let name = path.file_name().unwrap_or_default();
    for counter in 0..=MOST_COUNTER {
        let stamp = Stamp { micros, counter };
        let to = path.with_file_name(OsStr::from_bytes(&archive(
            name.as_bytes(),
            stamp,
            Form::Plain,
        )));
        match rename_new(path, &to) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(to),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Whether the file `id` at `path` was being moved aside when that was cut short.
pub(in crate::output) fn is_cut_short(path: &Path, id: FileId) -> bool {
    second_name(path, id).is_some()
}

/// The old file's name that the log has already, if the last move was cut short.
fn second_name(path: &Path, id: FileId) -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    if std::fs::metadata(path).ok()?.nlink() < 2 {
        return None;
    }
    let live = path.file_name()?.as_bytes();
    let folder = match path.parent()? {
        here if here.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    };
    let mut names = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name());
    let ours = |name: &OsString| {
        parse(name.as_bytes()).is_some_and(|(of, _, form)| of == live && form == Form::Plain)
    };
    names.find_map(|name| {
        let other = path.with_file_name(&name);
        (ours(&name) && id_at(&other) == Some(id)).then_some(other)
    })
}

/// Renames a file whose new name nobody has; `AlreadyExists`: somebody has.
///
/// By link(2) and unlink(2), which every file system that has links does rightly, NFS too; where there are no links, by
/// renameat2(2), which only some know.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        Ok(()) => {}
        // link(2): EPERM, the file system has no links, or the file is not ours (proc_sys_fs(5), protected_hardlinks).
        Err(error) if no_links(&error) => return crate::sys::file::rename_new(from, to),
        // An answer of an NFS server that was lost: the link was made by the first try.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && is_same(from, to) => {}
        Err(error) => return Err(error),
    }
    std::fs::remove_file(from).inspect_err(|_| {
        // With both names it would be taken for moved at the next try. Where this fails too, that is what happens.
        let _ = std::fs::remove_file(to);
    })
}

fn no_links(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EPERM | libc::EOPNOTSUPP | libc::ENOSYS | libc::EMLINK)
    )
}

fn is_same(one: &Path, other: &Path) -> bool {
    id_at(one).is_some_and(|id| id_at(other) == Some(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    /// 2026-11-23T10:00:00.123456Z
    const US: u64 = 1_795_428_000_123_456;
    const NAME: &str = "log.2026-11-23T10-00-00.123456Z";

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_name_that_is_taken_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        for text in ["a", "b", "c"] {
            fs::write(&log, text).unwrap();
            move_aside(&log, id_at(&log).unwrap(), US).unwrap();
        }
        let counted = [
            String::from(NAME),
            format!("{NAME}_001"),
            format!("{NAME}_002"),
        ];
        assert_eq!(names(dir.path()), counted);
        for (name, text) in counted.iter().zip(["a", "b", "c"]) {
            assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), text);
        }
    }

    #[test]
    fn a_move_that_was_cut_short_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        fs::write(&log, "a").unwrap();
        // As after a death between link and unlink.
        fs::hard_link(&log, dir.path().join(NAME)).unwrap();
        let to = move_aside(&log, id_at(&log).unwrap(), US + 5).unwrap();
        assert_eq!(to, dir.path().join(NAME));
        assert_eq!(names(dir.path()), [NAME]);
    }

    #[test]
    fn another_name_of_the_log_is_no_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        fs::write(&log, "a").unwrap();
        fs::hard_link(&log, dir.path().join("mine")).unwrap();
        move_aside(&log, id_at(&log).unwrap(), US).unwrap();
        assert_eq!(names(dir.path()), [NAME, "mine"]);
        assert_eq!(fs::metadata(dir.path().join(NAME)).unwrap().nlink(), 2);
    }

    #[test]
    fn what_cannot_lose_its_name_gets_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let error = rename_new(&dir.path().join("no"), &dir.path().join("to")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(names(dir.path()), [""; 0]);
    }
}
