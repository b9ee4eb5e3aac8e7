//! One pipe that is read, and the process that it belongs to.

use crate::capture::gate::Counted;
use crate::output::{Origin, Stream};
use crate::plane::{ProcessId, Written};
use crate::record::Assembler;
use std::time::Instant;

/// A pipe's read end with the state of its stream.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says one thing, and any of them may come with any other"
)]
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) fd: Counted,
    pub(super) process: ProcessId,
    /// The stream's number, as in the pipe's mark.
    pub(super) number: u8,
    pub(super) assembler: Assembler,
    /// Names the stream for the destinations; goes on over exec with the half line.
    pub(super) source: u64,
    /// Several processes write here.
    pub(super) shared: bool,
    /// The pipe that the process had for this stream before an exec, while it is not read to its end yet.
    pub(super) before: Option<usize>,
    /// The other end of `before`.
    pub(super) after: Option<usize>,
    /// The open record may hold what somebody wrote who was turned away for want of descriptors.
    pub(super) doubtful: bool,
    /// It is at its end, and its process lives: what is held may go on after an exec.
    pub(super) ended: bool,
    /// It was reported that others hold it although its process is gone.
    pub(super) outlived: bool,
    /// No writer is left: the end can be read, and no event will tell of it again.
    pub(super) hung_up: bool,
    /// It was made larger than the kernel makes pipes.
    pub(super) large: bool,
    /// It stands in the list of pipes to read.
    pub(super) listed: bool,
    /// The earliest time for which it stands in the timers.
    pub(super) timer: Option<Instant>,
    /// What `assembler` held when it was last asked.
    pub(super) held: usize,
}

/// A process that has, or had, pipes.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: i32,
    /// Given at its first byte.
    pub(super) slot: Option<u32>,
    /// How many of its pipes are open, those of earlier programs too.
    pub(super) open: usize,
    /// It has ended.
    pub(super) gone: bool,
    /// Its end will be told; otherwise the end of its pipes is taken for it.
    pub(super) tracked: bool,
    /// The pipe in use for each stream: number and key.
    pub(super) current: Vec<(u8, usize)>,
    /// When it was first heard of.
    pub(super) since: Instant,
    /// How much it wrote.
    pub(super) written: Written,
}

/// The stream that has this number in a pipe's mark.
pub(super) fn stream(number: u8) -> Stream {
    if number == 1 {
        Stream::Stdout
    } else {
        Stream::Stderr
    }
}

/// Who writes to `pipe`, if it is `process`. `unknown`: others may, on any pipe.
pub(super) fn origin(pipe: &Pipe, process: &Process, unknown: bool) -> Origin {
    Origin {
        pid: process.pid,
        slot: process.slot.unwrap_or(0),
        stream: stream(pipe.number),
        shared: pipe.shared || pipe.doubtful || unknown,
        source: pipe.source,
    }
}
