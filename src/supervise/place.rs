//! Whether the server can be who it shall be, and where: asked before anything is started or made.

use super::command::{CommandError, resolve};
use super::identity::Identity;
use crate::sys::credentials::Credentials;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Who the server is and where it starts, as far as that is not who and where this program is.
#[derive(Debug, Default)]
pub struct Place {
    /// Who.
    pub credentials: Option<Credentials>,
    /// Where.
    pub folder: Option<CString>,
    /// The user as it was given, for people.
    name: String,
}

/// Why the server cannot be started there.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// This program may not make it another user's.
    #[error(
        "cannot start the server as {0}: that takes root (CAP_SETUID, CAP_SETGID and CAP_KILL); start unbraid as root, or \
             as that user without --user and --group"
    )]
    NotRoot(String),
    /// Its user cannot go to its folder.
    #[error("cannot change to {folder}{whose}: {cause}")]
    Folder {
        /// `--chdir`.
        folder: String,
        /// ` as www-data`, or nothing.
        whose: String,
        /// Why.
        cause: String,
    },
    /// Its user cannot execute COMMAND.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Nothing could be asked.
    #[error("cannot look as the server's user: {}", crate::cause(.0))]
    Look(#[from] io::Error),
}

impl Place {
    /// The place for the server, where this program may give it.
    pub fn new(identity: Option<&Identity>, folder: Option<&Path>) -> Result<Self, PlaceError> {
        let credentials = match identity {
            Some(identity) if !(may_become_others() || is_own(&identity.credentials)) => {
                return Err(PlaceError::NotRoot(identity.name.clone()));
            }
            Some(identity) => Some(&identity.credentials).filter(|wanted| !is_own(wanted)),
            None => None,
        };
        Ok(Self {
            credentials: credentials.cloned(),
            folder: folder.map(|path| super::command::c_string(path.as_os_str())),
            name: identity.map_or_else(String::new, |identity| identity.name.clone()),
        })
    }

    /// The file of `command`, for exec in this place: the server's user can go there and execute it.
    pub fn find(&self, command: &OsStr) -> Result<PathBuf, PlaceError> {
        self.look(|| {
            self.enter()?;
            Ok(resolve(command, self.folder())?)
        })?
    }

    /// Whether the server's user can read `path`.
    pub fn can_read(&self, path: &Path) -> io::Result<()> {
        self.look(|| File::open(path).map(drop))
            .and_then(std::convert::identity)
    }

    /// `path`, which is relative to this place, for this program.
    pub fn seen_from_here(&self, path: &Path) -> PathBuf {
        self.folder()
            .map_or_else(|| path.to_owned(), |folder| folder.join(path))
    }

    /// ` as www-data`, where that is not who this program is.
    pub fn whose(&self) -> String {
        match self.credentials {
            Some(_) => format!(" as {}", self.name),
            None => String::new(),
        }
    }

    fn folder(&self) -> Option<&Path> {
        let folder = self.folder.as_ref()?;
        Some(Path::new(OsStr::from_bytes(folder.as_bytes())))
    }

    fn enter(&self) -> Result<(), PlaceError> {
        let Some(folder) = self.folder() else {
            return Ok(());
        };
        let verdict = match std::fs::metadata(folder) {
            Ok(data) if !data.is_dir() => Err(io::Error::from_raw_os_error(libc::ENOTDIR)),
            Ok(_) => {
                nix::unistd::access(folder, nix::unistd::AccessFlags::X_OK).map_err(Into::into)
            }
            Err(error) => Err(error),
        };
        verdict.map_err(|error| PlaceError::Folder {
            folder: folder.display().to_string(),
            whose: self.whose(),
            cause: crate::cause(&error),
        })
    }

    fn look<T: Send>(&self, look: impl FnOnce() -> T + Send) -> io::Result<T> {
        match &self.credentials {
            Some(credentials) => credentials.look(look),
            None => Ok(look()),
        }
    }
}

fn is_own(wanted: &Credentials) -> bool {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    // Root may change the supplementary groups as well.
    let groups = wanted.groups.is_none() || !may_become_others();
    groups && wanted.uid.is_none_or(|wanted| wanted == uid.as_raw()) && wanted.gid == gid.as_raw()
}

/// Whether this program may make a process another user's, and signal it then.
fn may_become_others() -> bool {
    std::fs::read_to_string("/proc/self/status").map_or_else(
        |_| nix::unistd::geteuid().is_root(),
        |text| has_rights(&text),
    )
}

/// By /proc/PID/status (proc_pid_status(5)). Root in a container may lack them.
fn has_rights(status: &str) -> bool {
    /// CAP_KILL, CAP_SETGID and CAP_SETUID (linux/capability.h).
    const WANTED: u64 = 1 << 5 | 1 << 6 | 1 << 7;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    effective.is_some_and(|mask| mask & WANTED == WANTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_from_the_effective_set() {
        let status = |mask| format!("Name:\tx\nCapPrm:\tffffffffffffffff\nCapEff:\t{mask}\n");
        assert!(has_rights(&status("000001ffffffffff")));
        assert!(has_rights(&status("00000000000000e0")));
        assert!(!has_rights(&status("00000000000000c0")));
        assert!(!has_rights(&status("0000000000000000")));
        assert!(!has_rights("Name:\tx\n"));
    }

    #[test]
    fn a_command_with_a_slash_is_relative_to_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("app");
        std::fs::copy("/bin/true", &program).unwrap();
        let place = Place::new(None, Some(folder.path())).unwrap();
        assert_eq!(place.find(OsStr::new("./app")).unwrap(), Path::new("./app"));
        assert_eq!(place.seen_from_here(Path::new("./app")), program);
        place.find(OsStr::new("app")).unwrap_err();
        let place = Place::new(None, None).unwrap();
        place.find(OsStr::new("./app")).unwrap_err();
    }

    #[test]
    fn a_folder_that_cannot_be_entered_is_refused() {
        for (folder, says) in [
            ("/no/such", "cannot change to /no/such: No such file"),
            (
                "/etc/passwd",
                "cannot change to /etc/passwd: Not a directory",
            ),
        ] {
            let place = Place::new(None, Some(Path::new(folder))).unwrap();
            let error = place.find(OsStr::new("sh")).unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
