//! The control socket's file: made so that nobody else can connect at any moment, and removed at the end if it is still ours.

use super::place::{self, MAX_PATH};
use mio::net::{UnixListener, UnixStream};
use nix::sys::stat::{Mode, umask};
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path is longer than the kernel's address of a socket.
    #[error(
        "cannot make the control socket {path}: the path has {length} bytes, and a socket's has at most {MAX_PATH}"
    )]
    TooLong {
        /// The path.
        path: String,
        /// Its length.
        length: usize,
    },
    /// Somebody answers there.
    #[error(
        "cannot make the control socket {0}: another unbraid answers there; give each its own --control"
    )]
    InUse(String),
    /// There is something else.
    #[error(
        "cannot make the control socket {0}: there is something that is no socket; it is left as it is"
    )]
    NoSocket(String),
    /// The system says no.
    #[error("cannot make the control socket {path}: {cause}")]
    Failed {
        /// The path.
        path: String,
        /// Why not.
        cause: String,
    },
}

/// A socket that listens.
#[derive(Debug)]
pub struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Device and inode: whether the file at the path is still this one.
    id: Option<(u64, u64)>,
}

impl Socket {
    /// Makes the socket at `path`. What a dead process left there is replaced.
    ///
    /// The mode is 0600 from the first moment, by the umask. That belongs to the whole process: to be called before there is a
    /// second thread.
    pub fn at(path: &Path) -> Result<Self, SocketError> {
        let shown = || path.display().to_string();
        let length = path.as_os_str().len();
        if length > MAX_PATH {
            return Err(SocketError::TooLong {
                path: shown(),
                length,
            });
        }
        let failed = |error: io::Error| SocketError::Failed {
            path: shown(),
            cause: crate::cause(&error),
        };
        let listener = match bind(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                make_way(path)?;
                bind(path)
            }
            bound => bound,
        };
        Ok(Self {
            listener: listener.map_err(failed)?,
            path: path.into(),
            id: id(path),
        })
    }

    /// Makes the socket in the first of the default folders that can be had. The error is the last folder's.
    pub fn by_default(
        name: &str,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SocketError> {
        let file = place::file_name(name, std::process::id());
        let session = place::session_folder(env);
        match session.map(|folder| Self::inside(&folder, &file)) {
            Some(Ok(socket)) => Ok(socket),
            Some(Err(_)) | None => Self::inside(&place::system_folder(), &file),
        }
    }

    fn inside(folder: &Path, file: &str) -> Result<Self, SocketError> {
        let path = folder.join(file);
        place::make(folder).map_err(|error| SocketError::Failed {
            path: path.display().to_string(),
            cause: crate::cause(&error),
        })?;
        sweep(folder);
        Self::at(&path)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Another unbraid may have taken the place since.
        if self.id.is_some() && id(&self.path) == self.id {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    // bind(2) makes the file with 0777 less the umask: a chmod afterwards would leave a moment.
    let before = umask(Mode::from_bits_truncate(0o177));
    let bound = UnixListener::bind(path);
    umask(before);
    bound
}

/// Removes what unbraids that were killed left in a folder that is ours alone.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(place::named).map(|(_, pid)| pid);
        // Whoever lives may be about to listen.
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = make_way(&entry.path());
        }
    }
}

fn id(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path)
        .ok()
        .map(|data| (data.dev(), data.ino()))
}

/// Removes the file of a socket at which nobody listens.
fn make_way(path: &Path) -> Result<(), SocketError> {
    let shown = path.display().to_string();
    let failed = |error: io::Error| SocketError::Failed {
        path: path.display().to_string(),
        cause: crate::cause(&error),
    };
    let data = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        data => data.map_err(failed)?,
    };
    if !data.file_type().is_socket() {
        return Err(SocketError::NoSocket(shown));
    }
    // mio's never waits: a queue that is full (EAGAIN) belongs to somebody.
    match UnixStream::connect(path) {
        Ok(_) => Err(SocketError::InUse(shown)),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock => Err(SocketError::InUse(shown)),
            ErrorKind::NotFound => Ok(()),
            ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
            _ => Err(failed(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn the_socket_is_ours_alone_and_goes_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let socket = Socket::at(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        UnixStream::connect(&path).unwrap();
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_dead_process_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let _socket = Socket::at(&path).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn what_killed_ones_left_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let own = place::file_name("own", std::process::id());
        let dead = place::file_name("dead", u32::MAX);
        for name in [&own, &dead] {
            drop(std::os::unix::net::UnixListener::bind(path(name)).unwrap());
        }
        fs::write(path("text-1.sock"), "").unwrap();
        sweep(folder.path());
        let left = [&own, &dead, "text-1.sock"].map(|name| path(name).exists());
        assert_eq!(left, [true, false, true]);
    }

    #[test]
    fn who_lives_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let _first = Socket::at(&path).unwrap();
        let error = Socket::at(&path).unwrap_err().to_string();
        assert!(error.contains("another unbraid answers there"), "{error}");
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn what_is_no_socket_is_never_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let dead = folder.path().join("dead");
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        fs::write(&path, "text").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&dead, &link).unwrap();
        for taken in [&path, &link] {
            let error = Socket::at(taken).unwrap_err().to_string();
            assert!(error.contains("no socket"), "{error}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"text");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && dead.exists());
        // A socket of another kind is somebody's too.
        let other = folder.path().join("other");
        let _other = UnixDatagram::bind(&other).unwrap();
        assert!(Socket::at(&other).is_err() && other.exists());
    }

    #[test]
    fn a_place_that_was_taken_over_is_left_to_its_new_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let first = Socket::at(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _second = Socket::at(&path).unwrap();
        drop(first);
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn the_limit_of_a_path_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let room = MAX_PATH - folder.path().as_os_str().len() - 1;
        let _fits = Socket::at(&folder.path().join("x".repeat(room))).unwrap();
        let error = Socket::at(&folder.path().join("x".repeat(room + 1)));
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("108 bytes") && error.ends_with("at most 107"),
            "{error}"
        );
    }
}
