//! Which descriptors of this process are pipes of ours.

use crate::kernel::{self, EBADF, POLLNVAL, PollFd};
use crate::wire::{self, MAX_FOREIGN};

/// A descriptor that writes to a marked pipe.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) fd: i32,
    pub(crate) stream: u8,
    /// Access mode, `O_APPEND` and `O_NONBLOCK`.
    pub(crate) flags: i32,
}

/// Descriptors are asked for in blocks of this many: `poll` tells in 1.2 µs which of 256 are open, where an `fstat` each takes
/// 26 µs. Smaller blocks cost little more, and this runs on whatever stack forked: a signal handler's may be 8 KiB in all
/// (`SIGSTKSZ`, sigaltstack(2)).
const BLOCK: usize = 64;

/// Most processes have no descriptor from here on, which two calls settle.
const USUAL_END: usize = 256;

/// Where /proc is not mounted and a table is large, the search goes no further.
const BLIND_END: usize = 65_536;

/// Walks the descriptors upwards and yields those that write to a marked pipe, those of an outer unbraid left out.
pub(crate) struct Search<'a> {
    foreign: &'a [u64; MAX_FOREIGN],
    block: [PollFd; BLOCK],
    /// The first descriptor of `block`.
    start: usize,
    /// The next place in `block` to look at.
    at: usize,
    /// Where to stop.
    end: usize,
}

impl<'a> Search<'a> {
    pub(crate) fn new(foreign: &'a [u64; MAX_FOREIGN]) -> Self {
        let block = [PollFd {
            fd: 0,
            events: 0,
            revents: 0,
        }; BLOCK];
        let mut search = Self {
            foreign,
            block,
            start: 0,
            at: 0,
            end: table_end(),
        };
        search.load();
        search
    }

    /// Begins anew.
    pub(crate) fn rewind(&mut self) {
        self.start = 0;
        self.at = 0;
        self.load();
    }

    fn load(&mut self) {
        for (i, entry) in self.block.iter_mut().enumerate() {
            // Where poll fails (EINVAL: more entries than RLIMIT_NOFILE), each is asked by fstat.
            *entry = PollFd {
                fd: (self.start + i) as i32,
                events: 0,
                revents: 0,
            };
        }
        let _ = kernel::poll_now(&mut self.block);
    }

    fn examine(&self, fd: i32) -> Option<Found> {
        let stat = kernel::fstat(fd).ok()?;
        let stream = wire::stream_of(stat.mode)?;
        let flags = kernel::status_flags(fd).ok()?;
        let reads_only = flags & kernel::O_ACCMODE == 0;
        if reads_only || self.foreign.contains(&stat.ino) {
            return None;
        }
        Some(Found {
            fd,
            stream,
            flags: flags & (kernel::O_ACCMODE | kernel::O_APPEND | kernel::O_NONBLOCK),
        })
    }
}

impl Iterator for Search<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            while let Some(entry) = self.block.get(self.at) {
                self.at += 1;
                if entry.revents & POLLNVAL == 0
                    && let Some(found) = self.examine(entry.fd)
                {
                    return Some(found);
                }
            }
            self.start += BLOCK;
            self.at = 0;
            if self.start >= self.end {
                return None;
            }
            self.load();
        }
    }
}

/// A number that no open descriptor reaches; where there are more than usual, the kernel prints the size of the table.
fn table_end() -> usize {
    if is_unusual() {
        size_of_table().unwrap_or(BLIND_END)
    } else {
        USUAL_END
    }
}

fn is_unusual() -> bool {
    if kernel::fstat(USUAL_END as i32).is_ok() {
        return true;
    }
    // Linux ignores bits above the highest descriptor that the table can hold, and says EBADF for a closed one below it
    // (select(2), BUGS). Were that mended, the answer would always be EBADF, which costs time and nothing else.
    let mut bits = [0u64; USUAL_END / 64 + 1];
    bits[USUAL_END / 64] = 1;
    kernel::select_now(USUAL_END, &mut bits) == Err(EBADF)
}

/// `FDSize` of /proc/self/status (proc_pid_status(5)). By itself, so that its buffer is not on the stack all the time.
#[inline(never)]
fn size_of_table() -> Option<usize> {
    let file = kernel::open(b"/proc/self/status\0", 0).ok()?;
    // The line stands within the first 300 bytes.
    let mut buffer = [0u8; 512];
    let len = kernel::read(&file, &mut buffer).ok()?;
    let text = buffer.get(..len)?;
    let line = text
        .split(|b| *b == b'\n')
        .find_map(|line| line.strip_prefix(b"FDSize:"))?;
    let mut size = 0usize;
    for digit in line.iter().filter(|b| b.is_ascii_digit()) {
        size = size
            .checked_mul(10)?
            .checked_add(usize::from(digit - b'0'))?;
    }
    (size > 0).then_some(size)
}
