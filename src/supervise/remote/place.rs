//! Where the control socket lies when nobody names a place. Both sides look here.

use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkdir};
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The longest path of a socket, in bytes: `sun_path` of unix(7), less its NUL.
pub const MAX_PATH: usize = 107;

/// What sockets' names end with.
pub const SUFFIX: &str = ".sock";

/// What of `--name` stands in a socket's name at the most, in bytes, so that every name makes a path.
const MAX_NAME: usize = 40;

/// The folders, the better one first.
pub fn folders(env: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let session = session_folder(env).into_iter();
    session.chain([system_folder()]).collect()
}

/// This user's own folder of the session, as `XDG_RUNTIME_DIR` names it.
pub fn session_folder(env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let session = env("XDG_RUNTIME_DIR").map(PathBuf::from);
    // A relative one counts as unset (XDG Base Directory Specification), and root may have inherited another user's.
    let session = session.filter(|path| path.is_absolute() && is_ours(path));
    session.map(|path| path.join("unbraid"))
}

/// The system's folder: root's, or who was given it.
pub fn system_folder() -> PathBuf {
    PathBuf::from("/run/unbraid")
}

fn is_ours(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_dir() && data.uid() == geteuid().as_raw())
}

/// Makes a folder that is this user's alone. One that is there must be this user's, and nobody else may write to it.
pub fn make(folder: &Path) -> io::Result<()> {
    match mkdir(folder, Mode::S_IRWXU) {
        Ok(()) => Ok(()),
        Err(nix::errno::Errno::EEXIST) => judge(folder),
        Err(error) => Err(error.into()),
    }
}

fn judge(folder: &Path) -> io::Result<()> {
    let data = fs::symlink_metadata(folder)?;
    let refused = |why| Err(io::Error::new(ErrorKind::PermissionDenied, why));
    if !data.is_dir() {
        refused("it is no folder")
    } else if data.uid() != geteuid().as_raw() {
        refused("it belongs to another user")
    } else if data.mode() & 0o022 != 0 {
        refused("others can write to it")
    } else {
        Ok(())
    }
}

/// A socket's name: whose, and which.
pub fn file_name(name: &str, pid: u32) -> String {
    let mut cut = name.len().min(MAX_NAME);
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    let name = name[..cut].replace(['/', '\0'], "_");
    format!("{name}-{pid}{SUFFIX}")
}

/// The name and the PID that [`file_name`] was made of.
pub fn named(file_name: &str) -> Option<(&str, u32)> {
    let (name, pid) = file_name.strip_suffix(SUFFIX)?.rsplit_once('-')?;
    Some((name, pid.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_name_is_read_back_and_every_name_fits() {
        for name in ["gunicorn", "a-1", "", "..", "é".repeat(40).as_str()] {
            let made = file_name(name, 12);
            let (read, pid) = named(&made).unwrap();
            assert!(name.starts_with(read) && pid == 12 && !made.contains('/'));
            assert!("/run/user/4294967295/unbraid/".len() + made.len() <= MAX_PATH);
        }
        for other in ["x.sock", "x-1", "x-y.sock", ".sock"] {
            assert_eq!(named(other), None, "{other}");
        }
    }

    #[test]
    fn the_sessions_folder_stands_first_if_it_is_ours() {
        let ours = tempfile::tempdir().unwrap();
        let with = |value: &str| folders(&|_| Some(value.into()));
        let system = PathBuf::from("/run/unbraid");
        let both = [ours.path().join("unbraid"), system.clone()];
        assert_eq!(with(ours.path().to_str().unwrap()), both);
        assert_eq!(with("relative"), [system.as_path()]);
        assert_eq!(with("/no/such/folder"), [system.as_path()]);
        assert_eq!(folders(&|_| None), [system.as_path()]);
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not_used() {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("unbraid");
        make(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        make(&folder).unwrap();
        for mode in [0o720, 0o702, 0o777] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
            assert!(make(&folder).is_err(), "{mode:o}");
        }
        let link = around.path().join("link");
        symlink(around.path(), &link).unwrap();
        assert!(make(&link).is_err());
        assert!(make(&around.path().join("no/such")).is_err());
    }
}
