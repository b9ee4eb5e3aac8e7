//! What lies at a path, and how each is opened for writing.

use super::open::{Cause, file_type};
use super::spec::shown;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, SFlag, stat};
use nix::sys::statfs::statfs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// The file system of pipes without a name (linux/magic.h, `PIPEFS_MAGIC`).
const PIPEFS: i64 = 0x5049_5045;

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Nothing,
    Regular,
    /// A FIFO with a name.
    Fifo,
    /// A pipe without a name, reached through `/proc/PID/fd` or `/dev/stdout`.
    NamelessPipe,
    CharDevice,
}

impl Seen {
    /// Looks without opening anything. What can never be written to is an error.
    pub(super) fn at(path: &Path) -> Result<Self, Cause> {
        let stat = match stat(path) {
            Ok(stat) => stat,
            Err(Errno::ENOENT) => return Ok(Self::Nothing),
            Err(errno) => return Err(errno.into()),
        };
        match file_type(&stat) {
            SFlag::S_IFREG => Ok(Self::Regular),
            SFlag::S_IFIFO => {
                let system = statfs(path)?.filesystem_type().0;
                Ok(if system == PIPEFS {
                    Self::NamelessPipe
                } else {
                    Self::Fifo
                })
            }
            SFlag::S_IFCHR => Ok(Self::CharDevice),
            SFlag::S_IFDIR => Err(Errno::EISDIR.into()),
            SFlag::S_IFSOCK => Err(Cause::Socket),
            SFlag::S_IFBLK => Err(Cause::BlockDevice),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    /// Whether what was opened is what was seen; otherwise the flags of the opening are wrong for it.
    pub(super) fn fits(self, stat: &FileStat) -> bool {
        let wanted = match self {
            Self::Nothing | Self::Regular => SFlag::S_IFREG,
            Self::Fifo | Self::NamelessPipe => SFlag::S_IFIFO,
            Self::CharDevice => SFlag::S_IFCHR,
        };
        file_type(stat) == wanted
    }
}

pub(super) fn open_seen(path: &Path, seen: Seen) -> Result<OwnedFd, Cause> {
    let common = OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    let open =
        |flags: OFlag| nix::fcntl::open(path, common | flags, Mode::from_bits_truncate(0o640));
    let fd = match seen {
        Seen::Nothing | Seen::Regular => {
            if seen == Seen::Nothing {
                make_folder(path)?;
            }
            // Read access shows whether the file ends inside a line; an append-only log may withhold it.
            let flags = OFlag::O_APPEND | OFlag::O_CREAT;
            match open(OFlag::O_RDWR | flags) {
                Err(Errno::EACCES) => open(OFlag::O_WRONLY | OFlag::O_NONBLOCK | flags),
                other => other,
            }
        }
        // With both ends ours it opens without a reader, the bytes wait for one, and one that goes breaks nothing
        // (fifo(7)). Without the right to read that has to be done without.
        Seen::Fifo => match open(OFlag::O_RDWR | OFlag::O_NONBLOCK) {
            Err(Errno::EACCES) => open(OFlag::O_WRONLY | OFlag::O_NONBLOCK),
            other => other,
        },
        // Somebody else's pipe: its reader's end must be seen.
        Seen::NamelessPipe | Seen::CharDevice => open(OFlag::O_WRONLY | OFlag::O_NONBLOCK),
    };
    fd.map_err(Cause::from)
}

/// Makes the folder of `path` where it is missing.
fn make_folder(path: &Path) -> Result<(), Cause> {
    let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(folder);
    made.map_err(|error| Cause::Folder {
        folder: shown(folder.as_os_str().as_bytes()),
        errno: Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)),
    })
}
