//! Which socket: the one that is named, else the only one in the default folders that is alive.

use super::Failure;
use crate::supervise::remote::place;
use mio::net::UnixStream;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A socket at which an unbraid listens.
#[derive(Debug)]
struct Found {
    name: String,
    pid: u32,
    path: PathBuf,
}

/// The socket to ask at.
pub(super) fn socket(
    named: Option<PathBuf>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, Failure> {
    let in_environment = || env("UNBRAID_CONTROL").filter(|value| !value.is_empty());
    if let Some(path) = named {
        return Ok(path);
    }
    match in_environment() {
        Some(none) if none == "none" => Err(Failure(
            "UNBRAID_CONTROL is none, so there is no socket; name one with --control".into(),
        )),
        Some(path) => Ok(path.into()),
        None => only(&place::folders(env)),
    }
}

fn only(folders: &[PathBuf]) -> Result<PathBuf, Failure> {
    let mut found = Vec::new();
    let mut looked = Vec::new();
    for folder in folders {
        let unread = match look(folder, &mut found) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                format!(" ({})", crate::cause(&error))
            }
            _ => String::new(),
        };
        looked.push(format!("{}{unread}", folder.display()));
    }
    match &found[..] {
        [] => Err(Failure(format!(
            "no running unbraid has its socket in {}; name one with --control",
            looked.join(" or ")
        ))),
        [one] => Ok(one.path.clone()),
        several => {
            let mut text = "several are running; choose one with --control:".to_owned();
            for one in several {
                // Writing to a String cannot fail.
                let _ = write!(
                    text,
                    "\n  {} (PID {}): {}",
                    one.name,
                    one.pid,
                    one.path.display()
                );
            }
            Err(Failure(text))
        }
    }
}

fn look(folder: &Path, found: &mut Vec<Found>) -> std::io::Result<()> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some((name, pid)) = name.and_then(place::named) else {
            continue;
        };
        let name = name.to_owned();
        if lives(&path) {
            found.push(Found { name, pid, path });
        }
    }
    Ok(())
}

/// Whether somebody listens there. Never waits: a full queue is somebody's.
fn lives(path: &Path) -> bool {
    match UnixStream::connect(path) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn nothing(_: &str) -> Option<OsString> {
        None
    }

    #[test]
    fn what_is_named_is_taken_and_the_option_wins() {
        let named =
            |value: &'static str| move |key: &str| (key == "UNBRAID_CONTROL").then(|| value.into());
        let path = |found: Result<PathBuf, Failure>| found.map_err(|Failure(why)| why).unwrap();
        assert_eq!(
            path(socket(Some("/a".into()), &named("/b"))),
            Path::new("/a")
        );
        assert_eq!(path(socket(None, &named("/b"))), Path::new("/b"));
        assert!(socket(None, &named("none")).is_err());
        assert_eq!(path(socket(Some("/a".into()), &nothing)), Path::new("/a"));
    }

    #[test]
    fn the_only_one_alive_is_found_and_of_several_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let folders = [at("missing"), folder.path().to_owned()];
        let Failure(why) = only(&folders).unwrap_err();
        assert!(
            why.starts_with("no running unbraid") && !why.contains('\n'),
            "{why}"
        );
        drop(UnixListener::bind(at("dead-1.sock")).unwrap());
        let _other = UnixListener::bind(at("other")).unwrap();
        assert!(only(&folders).is_err());
        let _one = UnixListener::bind(at("a-b-2.sock")).unwrap();
        assert_eq!(only(&folders).ok(), Some(at("a-b-2.sock")));
        let _two = UnixListener::bind(at("two-3.sock")).unwrap();
        let Failure(why) = only(&folders).unwrap_err();
        for part in ["a-b (PID 2)", "two (PID 3)", "a-b-2.sock", "--control"] {
            assert!(why.contains(part), "{why}");
        }
    }
}
