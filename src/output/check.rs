//! `--check`: what each destination is and whether it could be written. Nothing is made, opened or changed.

use super::network::{Peer, Remote};
use super::open::{Cause, Fd, check_inherited, file_type};
use super::seen::Seen;
use super::spec::{OutputSpec, Target, shown};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::SFlag;
use nix::unistd::{AccessFlags, faccessat};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// For each destination its name, and what it is or why it cannot be written.
pub(super) fn check(specs: &[OutputSpec]) -> Vec<(String, Result<String, String>)> {
    let answer = |spec: &OutputSpec| {
        let found = match &spec.target {
            Target::Stdout => inherited(&Fd::Stdout(std::io::stdout())),
            Target::Stderr => inherited(&Fd::Stderr(std::io::stderr())),
            Target::File(path) => file(path),
            Target::Network(remote) => receiver(remote),
            // What comes after the first field is known with the first record only.
            Target::Template(template) => {
                let start = template.fixed_start();
                let end = start
                    .iter()
                    .rposition(|&b| b == b'/')
                    .map_or(0, |slash| slash.max(1));
                folder(Path::new(OsStr::from_bytes(&start[..end])))
                    .map(|folder| format!("files, made at their first records{}", made(folder)))
            }
        };
        (
            spec.target.to_string(),
            found.map_err(|cause| cause.to_string()),
        )
    };
    specs.iter().map(answer).collect()
}

/// Nobody is called: that would be seen.
fn receiver(remote: &Remote) -> Result<String, Cause> {
    let what = match &remote.peer {
        Peer::Tcp { .. } => "a receiver over TCP, not tried",
        Peer::Local(path) | Peer::Journal(path) => match nix::sys::stat::stat(path.as_path()) {
            Ok(stat) if file_type(&stat) == SFlag::S_IFSOCK => "a socket",
            Ok(_) => return Err(Cause::NoSocket),
            Err(Errno::ENOENT) => "no socket yet; records would wait for it",
            Err(errno) => return Err(errno.into()),
        },
    };
    Ok(match &remote.queue.folder {
        None => what.to_owned(),
        Some(path) => format!("{what}, with a queue on disk{}", made(folder(path)?)),
    })
}

fn inherited(fd: &Fd) -> Result<String, Cause> {
    check_inherited(fd)?;
    Ok("open".to_owned())
}

fn file(path: &Path) -> Result<String, Cause> {
    let what = match Seen::at(path)? {
        Seen::Nothing => return missing(path),
        Seen::Regular => "a file, appended to",
        Seen::Fifo => "a FIFO",
        Seen::NamelessPipe => "a pipe",
        Seen::CharDevice => "a device",
    };
    may(path, AccessFlags::W_OK)?;
    Ok(what.to_owned())
}

/// A file that would be made.
fn missing(path: &Path) -> Result<String, Cause> {
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(Errno::EISDIR.into());
    }
    // A symbolic link to nothing: the file is made where it points to.
    let real = std::fs::read_link(path).map(|to| parent(path).join(to));
    let folder = folder(parent(real.as_deref().unwrap_or(path)))?;
    Ok(format!("a file, made at start{}", made(folder)))
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Whether files can be made in a folder, which may have to be made itself: then it is returned.
fn folder(wanted: &Path) -> Result<Option<PathBuf>, Cause> {
    let mut folder = wanted;
    loop {
        let at = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        match nix::sys::stat::stat(at) {
            Ok(_) if at.is_dir() => {
                let access = may(at, AccessFlags::W_OK | AccessFlags::X_OK);
                access.map_err(|errno| Cause::InFolder {
                    folder: shown(at.as_os_str().as_bytes()),
                    errno,
                })?;
                return Ok((folder != wanted).then(|| wanted.to_owned()));
            }
            Ok(_) => return Err(Errno::ENOTDIR.into()),
            Err(Errno::ENOENT) => folder = folder.parent().ok_or(Errno::ENOENT)?,
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn made(folder: Option<PathBuf>) -> String {
    folder.map_or_else(String::new, |folder| {
        format!(", with the folder {}", shown(folder.as_os_str().as_bytes()))
    })
}

/// With the effective user, as an open would be.
fn may(path: &Path, access: AccessFlags) -> Result<(), Errno> {
    faccessat(AT_FDCWD, path, access, AtFlags::AT_EACCESS)
}
