//! How much room busy pipes get. A writer that does nothing else fills a pipe of 64 KiB in 200 µs, sooner than this program looks
//! again, and then waits; in a larger one it goes on.

use nix::fcntl::{FcntlArg, fcntl};
use std::os::fd::BorrowedFd;

/// A read of this many bytes says that the pipe was full or would have been soon. Half of what the kernel gives a pipe: lines
/// that do not fill its pages fill it earlier.
const BUSY: usize = 32 << 10;

/// What a busy pipe is made to hold, in bytes. More than 64 KiB is taken only while a writer is ahead of this program.
const LARGE: usize = 256 << 10;

/// What that is more than the kernel gives a pipe.
const MORE: usize = LARGE - (64 << 10);

/// For all pipes together, in bytes: a few. With many busy writers it is not they that wait, and more room only takes what is
/// read out of the processor's cache: 16 writers of lines up to 16 KiB were a tenth faster with this than with 8 MiB. And over
/// 64 MiB of a user's pipes the kernel makes further ones small (`pipe-user-pages-soft`, pipe(7)), the server's own too.
const ALL: usize = 1 << 20;

/// The room that is left for pipes to grow.
#[derive(Debug)]
pub(super) struct Room {
    left: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { left: ALL }
    }
}

impl Room {
    /// A pipe gave `len` bytes at once. True: it is larger from now on, and its room is to be given back when it is closed.
    pub(super) fn grow(&mut self, pipe: BorrowedFd<'_>, len: usize) -> bool {
        if len < BUSY || self.left < MORE {
            return false;
        }
        // Refused where the user's pipes hold too much already, or the machine allows none of this size: it stays as it is, and
        // so will others. Half as many are tried from now on.
        let grown = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(LARGE as i32)).is_ok();
        self.left = if grown {
            self.left - MORE
        } else {
            self.left / 2
        };
        grown
    }

    /// A pipe that was made larger is closed.
    pub(super) fn give(&mut self) {
        self.left += MORE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn size(pipe: BorrowedFd<'_>) -> usize {
        fcntl(pipe, FcntlArg::F_GETPIPE_SZ).unwrap() as usize
    }

    #[test]
    fn a_busy_pipe_grows_while_there_is_room() {
        let pipes: Vec<_> = (0..=ALL / MORE).map(|_| std::io::pipe().unwrap()).collect();
        let mut room = Room::default();
        assert!(!room.grow(pipes[0].0.as_fd(), BUSY - 1));
        let before = size(pipes[0].0.as_fd());
        let grown = pipes
            .iter()
            .filter(|(reader, _)| room.grow(reader.as_fd(), BUSY))
            .count();
        assert_eq!(grown, ALL / MORE);
        assert_eq!(size(pipes[0].0.as_fd()), LARGE);
        assert_eq!(size(pipes[grown].0.as_fd()), before);
        room.give();
        assert!(room.grow(pipes[grown].0.as_fd(), BUSY));
    }

    #[test]
    fn what_cannot_grow_is_not_tried_for_ever() {
        let mut room = Room::default();
        let null = std::fs::File::open("/dev/null").unwrap();
        let mut tries = 0;
        while room.left >= MORE {
            assert!(!room.grow(null.as_fd(), BUSY));
            tries += 1;
        }
        assert!(tries < 10, "{tries}");
    }
}
