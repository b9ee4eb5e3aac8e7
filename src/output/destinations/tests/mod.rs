//! Real files, FIFOs, pipes, sockets and terminals. A clock that the test moves; waiting is on events of the loop.

mod check;
mod dropping;
mod failing;
mod glue;
mod hanging;
mod locking;
mod moved;
mod regular;
mod rotating;
mod syncing;
mod templates;

use super::own::Inherited;
use super::*;
use crate::output::Stream;
use crate::output::open::{Fd, Way};
use crate::output::settings::{Rotation, WhenSync};
use crate::output::spec::{Style, TimeStyle};
use crate::record::{Kind as RecordKind, Part};
use mio::{Events, Poll};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::cell::Cell;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const TOKENS: TokenRange = TokenRange {
    first: 100,
    count: 50,
};

/// A time limit only to fail.
const LONG: Duration = Duration::from_secs(20);

/// Stands for a fault in an encoder.
pub(super) fn poisoned(route: usize, record: &Record<'_>) {
    let bad = format!("bad encoder at {route}\n");
    assert!(record.bytes != bad.as_bytes(), "as the test wants");
}

/// Destinations in a folder of their own, with their event loop.
struct Rig {
    dir: TempDir,
    poll: Poll,
    budget: Arc<FdBudget>,
    to: Destinations,
    opened: Vec<Notice>,
    now: Instant,
}

impl Rig {
    /// `DIR` in a spec stands for the rig's folder.
    fn new(specs: &[&str]) -> Self {
        Self::with(tempfile::tempdir().unwrap(), specs, 100, null(), null()).unwrap()
    }

    fn with(
        dir: TempDir,
        specs: &[&str],
        permits: usize,
        stdout: OwnedFd,
        stderr: OwnedFd,
    ) -> Result<Self, OpenError> {
        Self::all(dir, specs, Settings::default(), permits, stdout, stderr)
    }

    fn set(specs: &[&str], settings: Settings) -> Self {
        Self::set_in(tempfile::tempdir().unwrap(), specs, settings)
    }

    fn set_in(dir: TempDir, specs: &[&str], settings: Settings) -> Self {
        Self::all(dir, specs, settings, 100, null(), null()).unwrap()
    }

    fn all(
        dir: TempDir,
        specs: &[&str],
        settings: Settings,
        permits: usize,
        stdout: OwnedFd,
        stderr: OwnedFd,
    ) -> Result<Self, OpenError> {
        let specs: Vec<OutputSpec> = specs.iter().map(|spec| parse(&dir, spec)).collect();
        let poll = Poll::new().unwrap();
        let budget = Arc::new(FdBudget::new(permits));
        let inherited = Inherited {
            stdout: Fd::Ours(stdout),
            stderr: Fd::Ours(stderr),
            wall: || WALL.get(),
        };
        let (to, opened) = Destinations::open_with(
            &specs,
            "app",
            settings,
            Arc::clone(&budget),
            poll.registry(),
            TOKENS,
            inherited,
        )?;
        Ok(Self {
            dir,
            poll,
            budget,
            to,
            opened,
            now: Instant::now(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8(fs::read(self.path(name)).unwrap()).unwrap()
    }

    fn line(&mut self, pid: i32, text: &str) {
        self.to
            .write(&from(pid, Stream::Stdout), &line(text.as_bytes()));
    }

    fn flush(&mut self) {
        self.to.flush(self.now);
    }

    fn lines(&mut self, pid: i32, text: &str) {
        self.line(pid, text);
        self.flush();
    }

    fn told(&mut self) -> Vec<(bool, String)> {
        let dir = self.dir.path().to_str().unwrap().to_owned();
        let told = self
            .to
            .notices()
            .map(|n| (n.error, n.text.replace(&dir, "DIR")));
        told.collect()
    }

    /// Waits for one round of events and hands them on.
    fn events(&mut self) {
        let mut events = Events::with_capacity(16);
        self.poll.poll(&mut events, Some(LONG)).unwrap();
        assert!(!events.is_empty(), "no event within the time limit");
        for event in &events {
            assert!(self.to.ready(event.token(), self.now));
        }
    }

    /// The names in the folder, sorted.
    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.dir.path()).unwrap().flatten();
        let mut names: Vec<String> = names
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// All files of the folder, by name, joined: with one log and its old files, the records in their order.
    fn joined(&self) -> String {
        let mut names = self.names();
        // The log itself is the newest.
        names.rotate_left(1);
        names.iter().map(|name| self.read(name)).collect()
    }

    /// Moves the clock to the next deadline and flushes.
    fn next_deadline(&mut self) {
        self.now = self.to.deadline().expect("a deadline");
        self.flush();
    }
}

thread_local! {
    /// The wall clock of this test's destinations.
    static WALL: Cell<u64> = const { Cell::new(US) };
}

/// 2026-11-23T10:00:00.123456Z
const US: u64 = 1_795_428_000_123_456;

fn parse(dir: &TempDir, spec: &str) -> OutputSpec {
    let spec = spec.replace("DIR", dir.path().to_str().unwrap());
    let style = Style {
        time: TimeStyle::None,
        ..Style::default()
    };
    OutputSpec::parse(OsStr::new(&spec), &style).unwrap()
}

fn null() -> OwnedFd {
    fs::File::options()
        .write(true)
        .open("/dev/null")
        .unwrap()
        .into()
}

/// Slot and source follow from the PID.
fn from(pid: i32, stream: Stream) -> Origin {
    let source = pid as u64 * 2 + u64::from(stream == Stream::Stderr);
    Origin {
        pid,
        slot: pid as u32,
        stream,
        shared: false,
        source,
    }
}

fn line(bytes: &[u8]) -> Record<'_> {
    Record {
        bytes,
        wall_us: 0,
        kind: RecordKind::Line,
        part: None,
    }
}

fn part(bytes: &[u8], number: u32, last: bool) -> Record<'_> {
    Record {
        part: Some(Part { number, last }),
        ..line(bytes)
    }
}

/// A pipe that holds one page.
fn small_pipe() -> (OwnedFd, OwnedFd) {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
    assert_eq!(fcntl(&write, FcntlArg::F_SETPIPE_SZ(4096)), Ok(4096));
    (read, write)
}

/// What a descriptor gives at once.
fn available(fd: &OwnedFd) -> Vec<u8> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL).unwrap());
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
    let mut out = Vec::new();
    // EAGAIN at the end.
    let _ = fs::File::from(fd.try_clone().unwrap()).read_to_end(&mut out);
    out
}

/// Reads until the destinations have nothing left to write.
fn drain(rig: &mut Rig, fd: &OwnedFd) -> Vec<u8> {
    let mut out = available(fd);
    while rig.to.pending() > 0 {
        rig.events();
        out.extend(available(fd));
    }
    out
}

/// Waits until nobody holds the other end: a process that another test is just starting may have a copy of it.
fn wait_until_gone(fd: &OwnedFd) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::empty())];
    let limit = PollTimeout::try_from(LONG).unwrap();
    assert_eq!(poll(&mut fds, limit), Ok(1), "the other end is still open");
}

/// Open descriptors of this process below a folder.
fn open_below(dir: &Path) -> usize {
    let fds = fs::read_dir("/proc/self/fd").unwrap();
    let links = fds.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
    links.filter(|link| link.starts_with(dir)).count()
}

fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))
        .unwrap();
    u32::from_str_radix(line.trim(), 8).unwrap()
}
