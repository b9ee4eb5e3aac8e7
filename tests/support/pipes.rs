//! Pipes and whoever reads them.

use super::wait;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{PipeReader, PipeWriter, Read};
use std::os::fd::AsFd;
use std::thread::JoinHandle;
use std::time::Duration;

/// Whether a write to this end of a pipe would have to wait.
pub fn is_full(writer: &impl AsFd) -> bool {
    let mut wanted = [PollFd::new(writer.as_fd(), PollFlags::POLLOUT)];
    let ready = poll(&mut wanted, PollTimeout::ZERO).expect("poll");
    ready == 0
}

/// Waits until no more goes in.
#[track_caller]
pub fn wait_until_full(writer: &impl AsFd) {
    wait::until_true("a full pipe", || is_full(writer));
}

/// A pipe whose reader takes the first byte, reads nothing for `stall`, and then reads more slowly than a busy server
/// writes.
pub fn stalling_reader(stall: Duration) -> (PipeWriter, JoinHandle<Vec<u8>>) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    (
        writer,
        std::thread::spawn(move || read_slowly(reader, stall)),
    )
}

fn read_slowly(mut reader: PipeReader, stall: Duration) -> Vec<u8> {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    let first = reader.read(&mut chunk[..1]).expect("a pipe");
    text.extend_from_slice(&chunk[..first]);
    // Being slow is the load here: nothing waits for these times to pass.
    std::thread::sleep(stall);
    loop {
        let count = reader.read(&mut chunk).expect("a pipe");
        if count == 0 {
            return text;
        }
        text.extend_from_slice(&chunk[..count]);
        wait::pause(Duration::from_micros(500));
    }
}
