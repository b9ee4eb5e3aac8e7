//! The process's own stdout and stderr.

use super::Destinations;
use crate::output::open::{Cause, Fd, FileId, Open, check_inherited, file_type};
use crate::output::sink::{Owner, Sink};
use nix::sys::stat::{FileStat, SFlag};

/// What the process was given: the descriptors that `stdout` and `stderr` mean, and the wall clock, in µs since 1970; tests
/// give others.
#[derive(Debug)]
pub(super) struct Inherited {
    pub(super) stdout: Fd,
    pub(super) stderr: Fd,
    pub(super) wall: fn() -> u64,
}

/// stdout and stderr, opened when they are first wanted. Where both are one file or pipe, they have one sink.
#[derive(Debug)]
pub(super) struct OwnSinks {
    ids: [Option<FileId>; 2],
    fds: [Option<Fd>; 2],
    sinks: [Option<usize>; 2],
    /// Whether it is a regular file, which paths may open for themselves.
    regular: [bool; 2],
}

impl OwnSinks {
    pub(super) fn new(inherited: Inherited) -> Self {
        let fds = [inherited.stdout, inherited.stderr];
        let stats = [check_inherited(&fds[0]).ok(), check_inherited(&fds[1]).ok()];
        let regular = |stat: &FileStat| file_type(stat) == SFlag::S_IFREG;
        Self {
            ids: [
                stats[0].as_ref().map(FileId::of),
                stats[1].as_ref().map(FileId::of),
            ],
            regular: [
                stats[0].as_ref().is_some_and(regular),
                stats[1].as_ref().is_some_and(regular),
            ],
            fds: fds.map(Some),
            sinks: [None, None],
        }
    }

    pub(super) fn stdout(&mut self, all: &mut Destinations) -> Result<usize, Cause> {
        self.sink(0, all)
    }

    pub(super) fn stderr(&mut self, all: &mut Destinations) -> Result<usize, Cause> {
        self.sink(1, all)
    }

    /// The sink of stdout or stderr, if that is the file `found` and no regular file.
    pub(super) fn not_regular(
        &mut self,
        found: FileId,
        all: &mut Destinations,
    ) -> Option<Result<usize, Cause>> {
        let which = (0..2).find(|&i| self.ids[i] == Some(found) && !self.regular[i])?;
        Some(self.sink(which, all))
    }

    fn sink(&mut self, which: usize, all: &mut Destinations) -> Result<usize, Cause> {
        let same = self.ids[0].is_some() && self.ids[0] == self.ids[1];
        let which = if same { 0 } else { which };
        if let Some(id) = self.sinks[which] {
            return Ok(id);
        }
        let fd = self.fds[which].take().ok_or(Cause::NoDescriptor)?;
        let open = Open::inherited(fd, &all.budget)?;
        let label = ["stdout", "stderr"][which];
        let mut sink = Sink::new(label.to_owned(), None, Owner::Fixed);
        sink.last_id = Some(open.id);
        sink.open = Some(open);
        let id = all.sinks.insert(sink);
        all.register(id);
        self.sinks[which] = Some(id);
        Ok(id)
    }
}
