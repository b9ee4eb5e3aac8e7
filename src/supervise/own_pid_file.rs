//! `--pid-file`: this program's own PID, in a file that is locked while it runs.
//!
//! The lock, not the number, says whether somebody runs: it ends with its process, also by KILL, and a number may be
//! another process's by now.

use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why the file cannot be this program's.
#[derive(Debug, thiserror::Error)]
#[error("cannot use PID file {path}: {cause}")]
pub struct OwnPidFileError {
    path: String,
    cause: String,
}

/// The file, locked. Dropped, it is removed, if it still lies at its path.
#[derive(Debug)]
pub struct OwnPidFile {
    path: PathBuf,
    file: Flock<File>,
}

impl OwnPidFile {
    /// Makes or takes over the file, and locks it. It stays empty until [`Self::write`].
    pub fn lock(path: &Path) -> Result<Self, OwnPidFileError> {
        // Comes again where the one who held it has just removed it.
        loop {
            let file = open(path, true)?;
            let mut file = Flock::lock(file, FlockArg::LockExclusiveNonblock)
                .map_err(|(mut file, errno)| refused(path, &mut file, &errno.into()))?;
            if !lies_at(path, &file) {
                continue;
            }
            judge(&mut file).map_err(|error| fault(path, &error))?;
            // Against umask: whoever may signal this program may learn its PID.
            file.set_permissions(fs::Permissions::from_mode(0o644))
                .and_then(|()| file.set_len(0))
                .map_err(|error| fault(path, &error))?;
            let path = path.to_owned();
            return Ok(Self { path, file });
        }
    }

    /// Whether [`Self::lock`] would succeed. Makes nothing.
    pub fn check(path: &Path) -> Result<(), OwnPidFileError> {
        match open(path, false) {
            Ok(mut file) => {
                judge(&mut file).map_err(|error| fault(path, &error))?;
                Flock::lock(file, FlockArg::LockSharedNonblock)
                    .map(drop)
                    .map_err(|(mut file, errno)| refused(path, &mut file, &errno.into()))
            }
            Err(_) if !path.exists() => {
                let folder = path.parent().unwrap_or(Path::new("/"));
                nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK)
                    .map_err(|errno| fault(path, &errno.into()))
            }
            Err(error) => Err(error),
        }
    }

    /// Writes the PID: the server has been started.
    pub fn write(&mut self) -> Result<(), OwnPidFileError> {
        let text = format!("{}\n", std::process::id());
        self.file
            .rewind()
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .map_err(|error| fault(&self.path, &error))
    }
}

impl Drop for OwnPidFile {
    fn drop(&mut self) {
        if lies_at(&self.path, &self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn fault(path: &Path, error: &io::Error) -> OwnPidFileError {
    OwnPidFileError {
        path: path.display().to_string(),
        cause: crate::cause(error),
    }
}

fn open(path: &Path, make: bool) -> Result<File, OwnPidFileError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(make).mode(0o644);
    // A FIFO or a device would be no place for a PID, and might never open.
    options.custom_flags(libc::O_NONBLOCK);
    options.open(path).map_err(|error| fault(path, &error))
}

/// The error for a file that could not be locked.
fn refused(path: &Path, file: &mut File, error: &io::Error) -> OwnPidFileError {
    if error.kind() != io::ErrorKind::WouldBlock {
        return fault(path, error);
    }
    let mut text = String::new();
    let _ = file
        .rewind()
        .and_then(|()| file.take(32).read_to_string(&mut text));
    let holder = match text.trim() {
        "" => "another unbraid that is starting".to_owned(),
        pid => format!("process {pid}, which runs"),
    };
    OwnPidFileError {
        path: path.display().to_string(),
        cause: format!("it belongs to {holder}"),
    }
}

/// Whether the file is one that may be written anew: empty, or with a number alone.
fn judge(file: &mut File) -> io::Result<()> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut start = Vec::new();
    file.take(32).read_to_end(&mut start)?;
    let is_pid = start.trim_ascii().iter().all(u8::is_ascii_digit) && start.len() < 32;
    if is_pid {
        Ok(())
    } else {
        Err(io::Error::other("it holds something else than a PID"))
    }
}

fn lies_at(path: &Path, file: &File) -> bool {
    let id = |data: fs::Metadata| (data.dev(), data.ino());
    match (fs::metadata(path), file.metadata()) {
        (Ok(there), Ok(ours)) => id(there) == id(ours),
        _ => false,
    }
}
