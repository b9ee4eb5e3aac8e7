//! Opening destinations, and the ways to write to what is open.

use super::budget::{FdBudget, Permit};
use super::seen::{Seen, open_seen};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, stat};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;

/// The major number of `/dev/null`, `/dev/full` and their like, which never make a writer wait (devices.txt in Linux).
const MEMORY_DEVICES: u64 = 1;

/// Why a destination cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cause {
    #[error("{}", .0.desc())]
    Errno(Errno),
    #[error("it is a socket; write syslog+unix:PATH for one that takes syslog")]
    Socket,
    #[error("it is a block device, and what it holds would be overwritten")]
    BlockDevice,
    #[error("the folder {folder} cannot be made: {}", errno.desc())]
    Folder { folder: String, errno: Errno },
    #[error("nothing can be made in {folder}: {}", errno.desc())]
    InFolder { folder: String, errno: Errno },
    #[error("too few file descriptors")]
    NoDescriptor,
    /// `--lock` was asked for.
    #[error("{}", .0.desc())]
    Lock(Errno),
    #[error("it is open for reading only")]
    ReadOnly,
    #[error("it changed while it was being opened")]
    Changing,
    #[error("it is no socket")]
    NoSocket,
    #[error("its queue: {0}")]
    Queue(String),
}

impl From<Errno> for Cause {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// What a file is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    dev: u64,
    ino: u64,
}

impl FileId {
    pub(super) fn of(stat: &FileStat) -> Self {
        Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
        }
    }
}

/// What kind of thing is open; it decides which errors are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Regular,
    Pipe,
    Socket,
    Terminal,
    /// Another character device, or something that only an inherited descriptor can be.
    Other,
}

/// How a thing is written to, so that a write never waits for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// write(2): a regular file, or a device that never makes a writer wait.
    Plain,
    /// write(2) on a description of our own with `O_NONBLOCK`.
    Nonblocking,
    /// pwritev2(2) with `RWF_NOWAIT`: an inherited pipe.
    Nowait,
    /// send(2) with `MSG_DONTWAIT`: an inherited socket.
    Send,
    /// poll(2), then write(2) of at most so many bytes: the last resort for what is inherited.
    Polled(usize),
}

/// What lies at the path of an open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    Itself,
    /// It was moved away or deleted, and another made in its place.
    Another,
    Nothing,
}

/// A descriptor that is either ours or the process's own stdout or stderr, which is never closed.
#[derive(Debug)]
pub(super) enum Fd {
    Stdout(io::Stdout),
    Stderr(io::Stderr),
    Ours(OwnedFd),
}

impl AsFd for Fd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stdout(fd) => fd.as_fd(),
            Self::Stderr(fd) => fd.as_fd(),
            Self::Ours(fd) => fd.as_fd(),
        }
    }
}

/// An open destination.
#[derive(Debug)]
pub(super) struct Open {
    fd: Fd,
    pub(super) kind: Kind,
    pub(super) way: Way,
    pub(super) id: FileId,
    /// A regular file that was not empty and whose last byte was no newline when it was opened.
    pub(super) inside_line: bool,
    /// The size of a regular file, in bytes: as it was last looked at, and what was written since.
    pub(super) size: u64,
    /// When it was last written to before it was opened, in µs since 1970.
    pub(super) modified: u64,
    /// How many names it had when it was opened.
    pub(super) links: u64,
    /// For a descriptor that we opened.
    pub(super) permit: Option<Permit>,
}

impl Open {
    /// Opens a path for appending; makes the file (0640 less umask) and its folders (0750 less umask) where they are
    /// missing. A FIFO is opened also where it has no reader. The caller sets the permit.
    pub(super) fn path(path: &Path) -> Result<Self, Cause> {
        // Something else may come to lie at the path between looking and opening.
        for _ in 0..3 {
            let seen = Seen::at(path)?;
            let fd = open_seen(path, seen)?;
            let stat = fstat(&fd)?;
            if seen.fits(&stat) {
                return Self::from_path(fd, &stat);
            }
        }
        Err(Cause::Changing)
    }

    fn from_path(fd: OwnedFd, stat: &FileStat) -> Result<Self, Cause> {
        let kind = kind_of(stat, &fd)?;
        let way = if kind == Kind::Regular {
            Way::Plain
        } else {
            Way::Nonblocking
        };
        let inside_line = kind == Kind::Regular && ends_inside_line(&fd);
        let id = FileId::of(stat);
        Ok(Self {
            fd: Fd::Ours(fd),
            kind,
            way,
            id,
            inside_line,
            size: size_of(stat),
            modified: u64::try_from(stat.st_mtime * 1_000_000 + stat.st_mtime_nsec / 1000)
                .unwrap_or(0),
            links: stat.st_nlink,
            permit: None,
        })
    }

    /// Takes an inherited descriptor, whose flags must not be changed: others share its description.
    pub(super) fn inherited(fd: Fd, budget: &Arc<FdBudget>) -> Result<Self, Cause> {
        let stat = check_inherited(&fd)?;
        let kind = kind_of(&stat, &fd)?;
        let way = match kind {
            Kind::Regular => Way::Plain,
            Kind::Pipe => Way::Nowait,
            Kind::Socket => Way::Send,
            Kind::Other if is_memory_device(&stat) => Way::Plain,
            Kind::Terminal | Kind::Other => Way::Polled(Self::polled_chunk(kind)),
        };
        let mut open = Self {
            fd,
            kind,
            way,
            id: FileId::of(&stat),
            inside_line: false,
            size: size_of(&stat),
            modified: 0,
            links: 1,
            permit: None,
        };
        if let Way::Polled(_) = way {
            // Where that fails (a terminal of another user, say), polling has to do.
            let _ = open.leave_description(budget);
        }
        Ok(open)
    }

    /// Changes from the inherited description to one of our own that does not block; where that cannot be, to polling.
    /// `ENXIO`: it is a pipe that has no reader left.
    pub(super) fn leave_description(&mut self, budget: &Arc<FdBudget>) -> Result<(), Errno> {
        self.way = Way::Polled(Self::polled_chunk(self.kind));
        let Some(permit) = Permit::take(budget) else {
            return Ok(());
        };
        let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let link = format!("/proc/self/fd/{}", self.raw());
        match nix::fcntl::open(link.as_str(), flags, Mode::empty()) {
            Ok(fd) if fstat(&fd).is_ok_and(|stat| FileId::of(&stat) == self.id) => {
                self.fd = Fd::Ours(fd);
                self.permit = Some(permit);
                self.way = Way::Nonblocking;
                Ok(())
            }
            Err(Errno::ENXIO) if self.kind == Kind::Pipe => Err(Errno::ENXIO),
            _ => Ok(()),
        }
    }

    /// How much a write may take after poll(2) said that there is room. A pipe: `PIPE_BUF`, for which a free page is
    /// there. A terminal says so when its driver holds fewer than 256 bytes.
    fn polled_chunk(kind: Kind) -> usize {
        if kind == Kind::Pipe {
            libc::PIPE_BUF
        } else {
            256
        }
    }

    /// One call that writes; never waits for a reader.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        let written = self.write_once(bytes)?;
        self.size += written as u64;
        Ok(written)
    }

    fn write_once(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match self.way {
            Way::Plain | Way::Nonblocking => nix::unistd::write(&self.fd, bytes),
            Way::Nowait => crate::sys::write::write_nowait(self.fd.as_fd(), bytes),
            Way::Send => send(
                self.raw(),
                bytes,
                MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
            ),
            Way::Polled(most) if self.has_room() => {
                nix::unistd::write(&self.fd, &bytes[..bytes.len().min(most)])
            }
            Way::Polled(_) => Err(Errno::EAGAIN),
        }
    }

    /// Whether poll(2) says that a write would not wait (an error counts: the write then tells it).
    pub(super) fn has_room(&self) -> bool {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLOUT)];
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1))
    }

    /// What lies at `path`, from which this was opened. Where it is the file itself, its size is then what it is now.
    pub(super) fn look(&mut self, path: &Path) -> There {
        if self.kind != Kind::Regular {
            return There::Itself;
        }
        match stat(path) {
            Ok(stat) if FileId::of(&stat) == self.id => {
                self.size = size_of(&stat);
                There::Itself
            }
            Ok(_) => There::Another,
            Err(_) => There::Nothing,
        }
    }

    /// The last byte of the file; `None`: there is none, or it may not be read.
    pub(super) fn last_byte(&self) -> Option<u8> {
        last_byte(self.fd.as_fd())
    }

    /// Gives a file that was just made the rights and the owners of the one that it follows, as far as that is allowed.
    pub(super) fn take_after(&self, before: &FileStat) {
        let (uid, gid) = (before.st_uid.into(), before.st_gid.into());
        // With other owners the same rights would be rights of others.
        if nix::unistd::fchown(&self.fd, Some(uid), Some(gid)).is_ok() {
            let mode = Mode::from_bits_truncate(before.st_mode);
            let _ = nix::sys::stat::fchmod(&self.fd, mode);
        }
    }

    /// What the file is now.
    pub(super) fn stat(&self) -> Result<FileStat, Errno> {
        fstat(&self.fd)
    }

    /// Another descriptor for the same description.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.fd.as_fd().try_clone_to_owned()
    }

    /// Takes the file's lock if nobody else has it (flock(2)); false: somebody has.
    pub(super) fn try_lock(&self) -> io::Result<bool> {
        crate::sys::file::try_lock(&self.fd)
    }

    /// Gives the lock back.
    pub(super) fn unlock(&self) {
        // It cannot fail for a lock that is held; one that is not held is none to give back.
        let _ = crate::sys::file::unlock(&self.fd);
    }

    /// Whether the file has lost its last name.
    pub(super) fn is_deleted(&self) -> bool {
        fstat(&self.fd).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Bytes that lie in a FIFO of which this program holds both ends: nobody has read them yet, and they are gone when it
    /// ends without a reader.
    pub(super) fn undelivered(&self) -> usize {
        let both_ends = self.kind == Kind::Pipe
            && nix::fcntl::fcntl(self.fd.as_fd(), nix::fcntl::FcntlArg::F_GETFL)
                .is_ok_and(|flags| flags & OFlag::O_ACCMODE.bits() == OFlag::O_RDWR.bits());
        if both_ends {
            crate::sys::fd::unread(self.fd.as_fd()).unwrap_or(0)
        } else {
            0
        }
    }

    /// For registration only.
    pub(super) fn raw(&self) -> RawFd {
        self.fd.as_fd().as_raw_fd()
    }
}

/// Whether an inherited descriptor can be written to at all, and what it is.
pub(super) fn check_inherited(fd: &Fd) -> Result<FileStat, Cause> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    if flags & OFlag::O_ACCMODE == OFlag::O_RDONLY {
        return Err(Cause::ReadOnly);
    }
    Ok(fstat(fd)?)
}

/// Which file lies at the path, if one does.
pub(super) fn id_at(path: &Path) -> Option<FileId> {
    stat(path).ok().map(|stat| FileId::of(&stat))
}

fn kind_of(stat: &FileStat, fd: impl AsFd) -> Result<Kind, Cause> {
    match file_type(stat) {
        SFlag::S_IFREG => Ok(Kind::Regular),
        SFlag::S_IFIFO => Ok(Kind::Pipe),
        SFlag::S_IFSOCK => Ok(Kind::Socket),
        SFlag::S_IFCHR if nix::unistd::isatty(fd).unwrap_or(false) => Ok(Kind::Terminal),
        SFlag::S_IFDIR => Err(Errno::EISDIR.into()),
        SFlag::S_IFBLK => Err(Cause::BlockDevice),
        _ => Ok(Kind::Other),
    }
}

pub(super) fn file_type(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn is_memory_device(stat: &FileStat) -> bool {
    file_type(stat) == SFlag::S_IFCHR && nix::sys::stat::major(stat.st_rdev) == MEMORY_DEVICES
}

/// Whether the file's last byte is no newline; where it cannot be read: no.
fn ends_inside_line(fd: &OwnedFd) -> bool {
    last_byte(fd.as_fd()).is_some_and(|last| last != b'\n')
}

fn last_byte(fd: BorrowedFd<'_>) -> Option<u8> {
    let last = last_byte_now(fd)?;
    if last == b'\n' {
        return Some(last);
    }
    // Another program may be writing: the size grows while it does. A change of no owner waits for it, since both need the
    // inode's lock (Linux, fs/open.c, chown_common), and alters nothing but the time of change.
    let _ = nix::unistd::fchown(fd, None, None);
    last_byte_now(fd)
}

fn last_byte_now(fd: BorrowedFd<'_>) -> Option<u8> {
    let size = fstat(fd).ok()?.st_size;
    let mut last = [0];
    let read = size > 0 && nix::sys::uio::pread(fd, &mut last, size - 1) == Ok(1);
    read.then_some(last[0])
}

fn size_of(stat: &FileStat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}
