//! Finding COMMAND, as execvp(3) would.

use nix::unistd::{AccessFlags, eaccess};
use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why COMMAND cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such file.
    #[error("cannot start {0}: not found")]
    NotFound(String),
    /// There is one, and it cannot be executed.
    #[error("cannot start {0}: {1}")]
    NotExecutable(String, String),
}

impl CommandError {
    /// What exec reported for `command`.
    pub fn from_exec(command: &OsStr, error: &io::Error) -> Self {
        let name = command.to_string_lossy().into_owned();
        match error.kind() {
            io::ErrorKind::NotFound => {
                Self::NotExecutable(name, "its interpreter or loader was not found".into())
            }
            _ => Self::NotExecutable(name, crate::cause(error)),
        }
    }

    /// The exit status that shells use: 127 not found, 126 not executable.
    pub fn status(&self) -> i32 {
        match self {
            Self::NotFound(_) => 127,
            Self::NotExecutable(..) => 126,
        }
    }
}

/// The file that `command` names: itself where it holds a slash, else the first of its name in the folders of `PATH`.
/// It will be executed in `folder`, to which it may be relative.
pub fn resolve(command: &OsStr, folder: Option<&Path>) -> Result<PathBuf, CommandError> {
    let name = || command.to_string_lossy().into_owned();
    if command.as_bytes().contains(&b'/') {
        let path = PathBuf::from(command);
        return match executable(&path, folder) {
            Ok(()) => Ok(path),
            Err(error) if is_missing(&error) => Err(CommandError::NotFound(name())),
            Err(error) => Err(CommandError::NotExecutable(name(), crate::cause(&error))),
        };
    }
    // Without PATH the C library looks here (execvp(3)).
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let mut refused = None;
    for listed in std::env::split_paths(&path) {
        let listed = if listed.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            listed
        };
        let candidate = listed.join(command);
        match executable(&candidate, folder) {
            Ok(()) => return Ok(candidate),
            Err(error) if is_missing(&error) => {}
            Err(error) => refused = refused.or(Some(crate::cause(&error))),
        }
    }
    Err(match refused {
        Some(cause) => CommandError::NotExecutable(name(), cause),
        None => CommandError::NotFound(name()),
    })
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn executable(path: &Path, folder: Option<&Path>) -> io::Result<()> {
    let path = &folder.map_or_else(|| path.to_owned(), |folder| folder.join(path));
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    Ok(eaccess(path, AccessFlags::X_OK)?)
}

/// A string for exec. Arguments come from exec themselves, so they hold no NUL; one that did would end there.
pub fn c_string(text: &OsStr) -> CString {
    let bytes = text.as_bytes();
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    CString::new(&bytes[..end]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_and_a_path_is_taken() {
        assert!(resolve(OsStr::new("sh"), None).unwrap().ends_with("sh"));
        assert_eq!(
            resolve(OsStr::new("/bin/sh"), None).unwrap(),
            PathBuf::from("/bin/sh")
        );
    }

    #[test]
    fn not_found_is_127_and_not_executable_is_126() {
        for (command, status) in [
            ("no-such-command-x", 127),
            ("/no/such/x", 127),
            ("/etc/passwd", 126),
            ("/tmp", 126),
        ] {
            assert_eq!(
                resolve(OsStr::new(command), None).unwrap_err().status(),
                status,
                "{command}"
            );
        }
    }
}
