//! A queue on disk: what it holds outlives this program.
//!
//! A folder has segments with ascending numbers, `00000000000000000001.queue`, and the file `position`, which says where the first
//! message begins that its receiver may not have. A message stands as its length and a checksum (both 32 bits, little endian) and
//! its bytes. The data plane appends to the newest segment, the writer's thread reads from the oldest and removes it. A
//! process that dies leaves at most one message torn at the end of a segment, and the next run begins a new one.

use nix::fcntl::{Flock, FlockArg};
use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A segment is left for a new one at this size, in bytes.
const SEGMENT: u64 = 4 << 20;

/// Length and checksum.
const HEAD: usize = 8;

/// No message is longer: what says so is no message.
const LONGEST: usize = 1 << 31;

/// A place between two messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place {
    segment: u64,
    offset: u64,
}

/// The end that is written to.
#[derive(Debug)]
pub(super) struct Tail {
    folder: PathBuf,
    segment: u64,
    file: Option<File>,
    len: u64,
    frames: Vec<u8>,
}

/// What is to be handed out again.
#[derive(Debug)]
pub(super) struct Rewound {
    /// Where it begins, among the bytes handed out.
    pub(super) from: u64,
    /// How many messages of it were sent before.
    pub(super) messages: usize,
    /// How many bytes of the queue it takes that had been freed.
    pub(super) bytes: u64,
    /// Whether it stands on the disk that it is to be sent again.
    pub(super) noted: io::Result<()>,
}

/// The end that is read from.
#[derive(Debug)]
pub(super) struct Head {
    folder: PathBuf,
    /// The lock, kept until the end; its file holds the position.
    position: Flock<File>,
    /// Segments that are not read to their ends, but the newest ones, of which the other end tells.
    at: Place,
    file: Option<(u64, File)>,
    /// Where each message that was handed out and is not forgotten ends: among the bytes handed out, on disk, and among all
    /// that lies on disk.
    places: VecDeque<(u64, Place, u64)>,
    /// Where the first of them begins, in the same terms.
    start: (u64, Place, u64),
    handed: u64,
    /// Bytes of the segments that were read or passed over, and those of them that were confirmed.
    read: u64,
    confirmed: u64,
    /// Bytes that could not be read as messages, and of which is still to be told.
    torn: u64,
    /// The oldest segment that may still be there.
    oldest: u64,
    buffer: Vec<u8>,
}

/// Opens the queue in `folder`, which is made where it is missing. Returns both ends and how many bytes lie there.
pub(super) fn open(folder: &Path) -> io::Result<(Tail, Head, u64)> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let position = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join("position"))?;
    let position =
        Flock::lock(position, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
            if errno == nix::errno::Errno::EWOULDBLOCK {
                io::Error::other("another unbraid uses this queue")
            } else {
                errno.into()
            }
        })?;
    let segments = segments(folder)?;
    let mut at = read_position(&position);
    if let Some(first) = segments.first()
        && at.segment < *first
    {
        at = Place {
            segment: *first,
            offset: 0,
        };
    }
    let mut waiting = 0;
    for segment in &segments {
        if *segment < at.segment {
            std::fs::remove_file(path(folder, *segment))?;
        } else {
            waiting += std::fs::metadata(path(folder, *segment))?.len();
        }
    }
    let newest = segments.last().copied().unwrap_or(0).max(at.segment);
    let tail = Tail {
        folder: folder.to_owned(),
        segment: newest,
        file: None,
        len: 0,
        frames: Vec::new(),
    };
    let head = Head {
        folder: folder.to_owned(),
        position,
        at,
        file: None,
        places: VecDeque::new(),
        start: (0, at, 0),
        handed: 0,
        read: 0,
        confirmed: 0,
        torn: 0,
        oldest: at.segment,
        buffer: Vec::new(),
    };
    Ok((tail, head, waiting.saturating_sub(at.offset)))
}

/// The numbers of the segments in a folder, ascending.
fn segments(folder: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".queue"));
        found.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

fn path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:020}.queue"))
}

/// Two numbers of 20 digits; anything else is the beginning.
fn read_position(file: &File) -> Place {
    let mut text = [0; 42];
    let read = file.read_exact_at(&mut text, 0);
    let text = std::str::from_utf8(&text).ok().filter(|_| read.is_ok());
    let mut numbers = text.unwrap_or_default().split_ascii_whitespace();
    let mut next = || numbers.next().and_then(|number| number.parse().ok());
    let place = next().zip(next());
    place.map_or_else(Place::default, |(segment, offset)| Place {
        segment,
        offset,
    })
}

impl Tail {
    /// Appends messages; `ends` as the backlog takes them. All are there, or none counts. Returns the bytes they take.
    pub(super) fn append(&mut self, bytes: &[u8], ends: &[usize]) -> io::Result<u64> {
        if self.file.is_none() || self.len >= SEGMENT {
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path(&self.folder, self.segment + 1))?;
            self.segment += 1;
            self.file = Some(file);
            self.len = 0;
        }
        self.frames.clear();
        let mut start = 0;
        for &end in ends {
            let message = &bytes[start..end];
            self.frames
                .extend_from_slice(&(message.len() as u32).to_le_bytes());
            self.frames
                .extend_from_slice(&checksum(message).to_le_bytes());
            self.frames.extend_from_slice(message);
            start = end;
        }
        let file = self.file.as_ref().ok_or(ErrorKind::NotFound)?;
        // At the place known to be good: what a failed try left there is written over.
        file.write_all_at(&self.frames, self.len)?;
        self.len += self.frames.len() as u64;
        Ok(self.frames.len() as u64)
    }

    /// Up to where messages may be read. Before the first is written, that is all that earlier runs left.
    pub(super) fn place(&self) -> Place {
        match self.file {
            Some(_) => Place {
                segment: self.segment,
                offset: self.len,
            },
            None => Place {
                segment: self.segment + 1,
                offset: 0,
            },
        }
    }
}

impl Head {
    /// Hands out messages before `until`, the other end's place, about `most` bytes, into `bytes` and `ends`.
    pub(super) fn load(
        &mut self,
        until: Place,
        most: usize,
        bytes: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> io::Result<()> {
        while bytes.len() < most && self.at < until {
            let Some(limit) = self.open_segment(until)? else {
                self.at = Place {
                    segment: self.at.segment + 1,
                    offset: 0,
                };
                continue;
            };
            let before = self.at;
            self.read_frames(limit, most, bytes, ends)?;
            if self.at == before && self.at.segment == until.segment {
                break;
            }
            if self.at == before {
                // Its end, or what a dying process or a failing disk left torn.
                let rest = limit.saturating_sub(self.at.offset);
                self.read += rest;
                self.torn += rest;
                self.at = Place {
                    segment: self.at.segment + 1,
                    offset: 0,
                };
            }
        }
        Ok(())
    }

    /// How many bytes were passed over since it was last asked, because they are torn or damaged.
    pub(super) fn torn(&mut self) -> u64 {
        std::mem::take(&mut self.torn)
    }

    /// Opens the segment at hand; its length, as far as it may be read. `None`: there is none of this number.
    fn open_segment(&mut self, until: Place) -> io::Result<Option<u64>> {
        let number = self.at.segment;
        if self.file.as_ref().is_none_or(|(open, _)| *open != number) {
            match File::open(path(&self.folder, number)) {
                Ok(file) => self.file = Some((number, file)),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let Some((_, file)) = &self.file else {
            return Ok(None);
        };
        // A segment of an earlier run is whole; of the one that is written to, the rest is not there yet.
        let own = number == until.segment;
        Ok(Some(if own {
            until.offset
        } else {
            file.metadata()?.len()
        }))
    }

    fn read_frames(
        &mut self,
        limit: u64,
        most: usize,
        bytes: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> io::Result<()> {
        let Some((_, file)) = &self.file else {
            return Ok(());
        };
        let there = limit.saturating_sub(self.at.offset);
        let mut wanted = (most as u64).min(there) as usize;
        self.buffer.resize(wanted, 0);
        file.read_exact_at(&mut self.buffer, self.at.offset)?;
        let mut from = 0;
        while let Some(len) = frame_length(&self.buffer[from..]) {
            let whole = HEAD + len;
            if (from + whole) as u64 > there {
                break;
            }
            if from + whole > wanted {
                if from > 0 {
                    break;
                }
                // One message that is longer than what is read at a time.
                wanted = whole;
                self.buffer.resize(wanted, 0);
                file.read_exact_at(&mut self.buffer, self.at.offset)?;
            }
            let frame = &self.buffer[from..from + whole];
            if checksum(&frame[HEAD..]).to_le_bytes() != frame[4..HEAD] {
                break;
            }
            bytes.extend_from_slice(&frame[HEAD..]);
            ends.push(bytes.len());
            self.handed += len as u64;
            from += whole;
            self.at.offset += whole as u64;
            self.read += whole as u64;
            self.places.push_back((self.handed, self.at, self.read));
        }
        Ok(())
    }

    /// The receiver has the first `until` bytes of what was handed out, as far as is known; the first `surely` of them are
    /// never asked for again. Returns how many bytes of the queue are free for it.
    pub(super) fn confirm(&mut self, until: u64, surely: u64) -> io::Result<u64> {
        let count = self.places.partition_point(|(end, ..)| *end <= until);
        let last = count.checked_sub(1).map(|last| self.places[last]);
        let Some((_, place, read)) = last.filter(|(.., read)| *read > self.confirmed) else {
            return Ok(0);
        };
        self.note(place)?;
        self.forget(surely)?;
        let freed = read - self.confirmed;
        self.confirmed = read;
        Ok(freed)
    }

    fn forget(&mut self, until: u64) -> io::Result<()> {
        let count = self.places.partition_point(|(end, ..)| *end <= until);
        if let Some(end) = self.places.drain(..count).next_back() {
            self.start = end;
        }
        while self.oldest < self.start.1.segment {
            match std::fs::remove_file(path(&self.folder, self.oldest)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => self.oldest += 1,
            }
        }
        Ok(())
    }

    /// What comes after the first `surely` bytes that were handed out may not have arrived after all: it is handed out again,
    /// by the next run should this one end now. Of it, what comes before `sent` was sent.
    pub(super) fn rewind(&mut self, surely: u64, sent: u64) -> Rewound {
        let forgotten = self.forget(surely);
        let (from, place, read) = self.start;
        let messages = self.places.partition_point(|(end, ..)| *end <= sent);
        self.places.clear();
        (self.at, self.handed, self.read) = (place, from, read);
        let bytes = self.confirmed.saturating_sub(read);
        self.confirmed = self.confirmed.min(read);
        Rewound {
            from,
            messages,
            bytes,
            noted: forgotten.and_then(|()| self.note(place)),
        }
    }

    /// Notes where the next run begins.
    fn note(&self, place: Place) -> io::Result<()> {
        let text = format!("{:020} {:020}\n", place.segment, place.offset);
        self.position.write_all_at(text.as_bytes(), 0)
    }
}

fn frame_length(frame: &[u8]) -> Option<usize> {
    let len = frame.get(..4)?.try_into().ok()?;
    let len = u32::from_le_bytes(len) as usize;
    (frame.len() >= HEAD && len < LONGEST).then_some(len)
}

/// FNV-1a, 32 bits: it tells a torn message from a whole one, no more. An empty message has another sum than zeros.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, &byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(texts: &[&str]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for text in texts {
            bytes.extend_from_slice(text.as_bytes());
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn append(tail: &mut Tail, texts: &[&str]) {
        let (bytes, ends) = messages(texts);
        tail.append(&bytes, &ends).unwrap();
    }

    fn load(head: &mut Head, until: Place, most: usize) -> String {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        head.load(until, most, &mut bytes, &mut ends).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_was_not_confirmed_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/queue");
        let (mut tail, mut head, waiting) = open(&folder).unwrap();
        assert_eq!(waiting, 0);
        append(&mut tail, &["one ", "two ", ""]);
        assert_eq!(load(&mut head, tail.place(), 100), "one two ");
        append(&mut tail, &["three "]);
        assert_eq!(load(&mut head, tail.place(), 100), "three ");
        head.confirm(4, 4).unwrap();
        assert!(open(&folder).is_err(), "it is in use");
        drop((tail, head));
        let (mut tail, mut head, waiting) = open(&folder).unwrap();
        assert_eq!(waiting, 4 + 6 + 3 * HEAD as u64);
        assert_eq!(load(&mut head, tail.place(), 100), "two three ");
        append(&mut tail, &["four"]);
        assert_eq!(load(&mut head, tail.place(), 100), "four");
        head.confirm(14, 14).unwrap();
        drop((tail, head));
        let (tail, mut head, waiting) = open(&folder).unwrap();
        assert_eq!(
            (waiting, load(&mut head, tail.place(), 100)),
            (0, String::new())
        );
        assert_eq!(segments(&folder).unwrap().len(), 1);
    }

    #[test]
    fn a_torn_message_ends_its_segment_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for keep in [1, 7, 9, 11] {
            let folder = dir.path().join(keep.to_string());
            let (mut tail, head, _) = open(&folder).unwrap();
            append(&mut tail, &["one "]);
            append(&mut tail, &["torn"]);
            let segment = path(&folder, tail.place().segment);
            drop((tail, head));
            let file = OpenOptions::new().write(true).open(segment).unwrap();
            file.set_len(4 + HEAD as u64 + keep).unwrap();
            let (mut tail, mut head, _) = open(&folder).unwrap();
            append(&mut tail, &["two"]);
            assert_eq!(load(&mut head, tail.place(), 100), "one two", "{keep}");
            assert_eq!(head.torn(), keep);
        }
    }

    #[test]
    fn segments_follow_each_other_and_long_messages_pass() {
        let dir = tempfile::tempdir().unwrap();
        let (mut tail, mut head, _) = open(dir.path()).unwrap();
        let long = "x".repeat(3 << 20);
        for _ in 0..4 {
            append(&mut tail, &[&long]);
        }
        assert_eq!(segments(dir.path()).unwrap().len(), 2);
        let mut got = 0;
        for _ in 0..4 {
            got += load(&mut head, tail.place(), 1000).len();
        }
        assert_eq!(got, 4 * long.len());
        let got = got as u64;
        head.confirm(got - 1, 0).unwrap();
        assert_eq!(segments(dir.path()).unwrap(), [1, 2]);
        head.confirm(got, got).unwrap();
        assert_eq!(segments(dir.path()).unwrap(), [2]);
    }

    #[test]
    fn what_was_confirmed_too_early_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let (mut tail, mut head, _) = open(dir.path()).unwrap();
        append(&mut tail, &["one ", "two ", "three ", "four "]);
        load(&mut head, tail.place(), 100);
        let frame = |text: &str| (text.len() + HEAD) as u64;
        let two = frame("one ") + frame("two ");
        assert_eq!(head.confirm(8, 0).unwrap(), two);
        let again = head.rewind(4, 14);
        assert_eq!((again.from, again.messages, again.bytes), (4, 2, 12));
        assert_eq!(load(&mut head, tail.place(), 100), "two three four ");
        // It arrives, and what follows.
        let three = frame("two ") + frame("three ");
        assert_eq!(head.confirm(14, 8).unwrap(), three);
        let again = head.rewind(8, 8);
        assert_eq!((again.from, again.messages, again.bytes), (8, 0, 14));
        drop((tail, head));
        let (tail, mut head, waiting) = open(dir.path()).unwrap();
        assert_eq!(waiting, frame("three ") + frame("four "));
        assert_eq!(load(&mut head, tail.place(), 100), "three four ");
    }
}
