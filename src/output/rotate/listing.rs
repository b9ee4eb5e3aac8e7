//! What lies in the folders of a destination.

use super::family::{Family, Fields, Found};
use super::names::Form;
use super::plan::{Entry, What};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Every old file of the family, and its logs that may have been left by a process or a slot. Regular files only.
pub(super) fn list(family: &Family) -> io::Result<Vec<Entry>> {
    let root = if family.is_absolute() { "/" } else { "." };
    let mut entries = Vec::new();
    let start = vec![Fields::default()];
    folder(family, 0, Path::new(root), &start, &mut entries)?;
    Ok(entries)
}

/// Follows the template from its folder at `place`, which lies in `at`.
fn folder(
    family: &Family,
    place: usize,
    at: &Path,
    before: &[Fields],
    entries: &mut Vec<Entry>,
) -> io::Result<()> {
    if place == family.folders() {
        return files(family, at, before, entries);
    }
    if let Some(name) = family.fixed_folder(place) {
        let next = at.join(OsStr::from_bytes(name));
        return folder(family, place + 1, &next, before, entries);
    }
    for name in names(at)? {
        let fields = family.folder(place, name.as_bytes(), before);
        if !fields.is_empty() && at.join(&name).is_dir() {
            folder(family, place + 1, &at.join(&name), &fields, entries)?;
        }
    }
    Ok(())
}

/// The names in a folder; one that is not there has none. No descriptor stays open over what follows.
fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let entries = present(std::fs::read_dir(folder))?.into_iter().flatten();
    entries.map(|entry| Ok(entry?.file_name())).collect()
}

/// What is not there is no error.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn files(
    family: &Family,
    at: &Path,
    before: &[Fields],
    entries: &mut Vec<Entry>,
) -> io::Result<()> {
    for name in names(at)? {
        let Some(found) = family.file(name.as_bytes(), before) else {
            continue;
        };
        let path = at.join(&name);
        let Some(what) = what(family, &found, at) else {
            continue;
        };
        let Some(stat) = present(path.symlink_metadata())?.filter(std::fs::Metadata::is_file)
        else {
            continue;
        };
        // A log that was moved aside in part has both names; it is the data plane's until it has one.
        let linked = matches!(what, What::Archive(_, _, Form::Plain)) && stat.nlink() > 1;
        if linked && is_live(&stat, &at.join(OsStr::from_bytes(&found.live))) {
            continue;
        }
        let fields = found.fields[0];
        entries.push(Entry {
            path,
            what,
            group: (fields.slot, fields.stream),
            modified: micros(&stat),
        });
    }
    Ok(())
}

fn is_live(stat: &std::fs::Metadata, live: &Path) -> bool {
    live.metadata()
        .is_ok_and(|live| (live.dev(), live.ino()) == (stat.dev(), stat.ino()))
}

fn micros(stat: &std::fs::Metadata) -> u64 {
    let micros = stat.mtime() * 1_000_000 + stat.mtime_nsec() / 1000;
    u64::try_from(micros).unwrap_or(0)
}

/// What the file may be to the plan; `None`: a log that is in use.
fn what(family: &Family, found: &Found, at: &Path) -> Option<What> {
    if let Some((stamp, form)) = found.archive {
        let live: PathBuf = at.join(OsStr::from_bytes(&found.live));
        return Some(What::Archive(live, stamp, form));
    }
    if family.has_pid() {
        let alive = |fields: &Fields| fields.pid.is_some_and(runs);
        return (!found.fields.iter().any(alive)).then_some(What::Left);
    }
    family.has_slot().then_some(What::Slot)
}

/// Whether this process runs. One that has ended and was not waited for yet does not: it has no program.
fn runs(pid: i32) -> bool {
    match std::fs::read_link(format!("/proc/{pid}/exe")) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}
