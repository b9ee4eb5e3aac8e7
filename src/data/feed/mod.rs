//! What clients of the control socket get of the records: the last ones, and those to come. Pure: records in, lines out.
//!
//! Nothing here waits for a client. Each follower has a limit of bytes that are on their way to it; what comes beyond is left out,
//! counted, and told to it as soon as there is room again.

mod recent;

use crate::output::format::Encoder;
use crate::output::spec::Format;
use crate::output::{Origin, Stream};
use crate::plane::{Listen, Report, Room, Wanted};
use crate::protocol::Answer;
use crate::record::{Record, lines};
use recent::Recent;
use std::mem::take;
use std::sync::Arc;

/// Bytes that may be on their way to one follower.
const ON_THE_WAY: usize = 256 << 10;

/// A record longer than that, as a line of JSON, is sent when nothing else is on its way, up to this length.
const LONGEST: usize = 1 << 19;

/// The most of the past that one answer holds, in bytes; its oldest records are left out.
const PAST: usize = 3 << 18;

/// A client that gets records as they come.
#[derive(Debug)]
struct Follower {
    client: u64,
    wanted: Wanted,
    room: Arc<Room>,
    /// Lines for it that are not sent yet.
    lines: Vec<u8>,
    /// There are lines, or something was left out.
    news: bool,
}

impl Follower {
    /// After a loss everything is left out until the client was told: so it stands where the records are missing.
    fn offer(&mut self, line: &[u8]) {
        let used = self.room.used();
        let fits = used + line.len() <= ON_THE_WAY || (used == 0 && line.len() <= LONGEST);
        if fits && !self.room.has_lost() {
            self.room.enter(line.len());
            self.lines.extend_from_slice(line);
        } else {
            self.room.lose_one();
        }
        self.news = true;
    }
}

/// Lines for a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) client: u64,
    pub(super) lines: Vec<u8>,
    /// The whole answer: nothing follows.
    pub(super) last: bool,
}

impl From<Chunk> for Report {
    fn from(chunk: Chunk) -> Self {
        Self::Lines {
            client: chunk.client,
            lines: chunk.lines,
            last: chunk.last,
        }
    }
}

/// The records' way to the clients.
#[derive(Debug)]
pub(super) struct Feed {
    /// `None`: nobody can ask.
    recent: Option<Recent>,
    followers: Vec<Follower>,
    encoder: Encoder,
    line: Vec<u8>,
}

impl Feed {
    /// `keeps`: the last records are kept for those who will ask. `name` is `--name`.
    pub(super) fn new(keeps: bool, name: &str) -> Self {
        Self {
            recent: keeps.then(Recent::default),
            followers: Vec::new(),
            encoder: Encoder::new(&Format::Json.into(), name, ""),
            line: Vec::new(),
        }
    }

    /// A record was written.
    pub(super) fn take(&mut self, origin: &Origin, record: &Record<'_>) {
        let Some(recent) = &mut self.recent else {
            return;
        };
        recent.keep(origin, record);
        self.line.clear();
        let listening = self.followers.iter_mut();
        for follower in listening.filter(|follower| wants(&follower.wanted, origin)) {
            if self.line.is_empty() {
                self.encoder.encode(origin, record, &mut self.line);
            }
            follower.offer(&self.line);
        }
    }

    /// Lines were written, each of which is a record of its own.
    pub(super) fn take_lines(&mut self, origin: &Origin, bytes: &[u8], count: usize, wall_us: u64) {
        let Some(recent) = &mut self.recent else {
            return;
        };
        if self.followers.is_empty() && !recent.may_keep(wall_us) {
            recent.pass(count as u64);
            return;
        }
        for line in lines(bytes) {
            self.take(origin, &Record::line(line, wall_us));
        }
    }

    /// A client asks. The answer is what it gets of the past.
    pub(super) fn ask(&mut self, listen: Listen) -> Chunk {
        let Listen {
            client,
            wanted,
            past,
            room,
        } = listen;
        let last = room.is_none();
        let lines = self.past(&wanted, past.unwrap_or(usize::MAX));
        self.followers.retain(|follower| !follower.room.is_closed());
        if let Some(room) = room {
            room.enter(lines.len());
            self.followers.push(Follower {
                client,
                wanted,
                room,
                lines: Vec::new(),
                news: false,
            });
        }
        Chunk {
            client,
            lines,
            last,
        }
    }

    /// From the newest back, so that the oldest are those that find no room; then in their order.
    fn past(&mut self, wanted: &Wanted, count: usize) -> Vec<u8> {
        let (mut lines, mut starts) = (Vec::new(), Vec::new());
        let Some(recent) = &self.recent else {
            return lines;
        };
        let (mut left, mut lost) = (count, recent.lost());
        for kept in recent.newest_first() {
            if left == 0 || lines.len() > PAST {
                break;
            }
            if wants(wanted, kept.origin()) {
                if lost > 0 {
                    starts.push(lines.len());
                    lines.extend_from_slice(&Answer::Dropped(take(&mut lost)).encode());
                }
                starts.push(lines.len());
                let (origin, record) = (kept.origin(), kept.record());
                self.encoder.encode(origin, &record, &mut lines);
                left -= 1;
            }
            lost += kept.lost();
        }
        if lines.len() > PAST {
            lines.truncate(starts.pop().unwrap_or(0));
        }
        let mut ordered = Vec::with_capacity(lines.len());
        let mut end = lines.len();
        for start in starts.into_iter().rev() {
            ordered.extend_from_slice(&lines[start..end]);
            end = start;
        }
        ordered
    }

    /// What is to be sent now. To be asked for at the end of each round.
    pub(super) fn chunks(&mut self) -> Vec<Chunk> {
        if self.followers.is_empty() {
            return Vec::new();
        }
        self.followers.retain(|follower| !follower.room.is_closed());
        let due = self.followers.iter_mut().filter(|f| f.news);
        due.map(|follower| {
            follower.news = false;
            Chunk {
                client: follower.client,
                lines: take(&mut follower.lines),
                last: false,
            }
        })
        .collect()
    }
}

/// This program's own messages belong to no slot, although they stand in the logs under 0.
fn wants(wanted: &Wanted, origin: &Origin) -> bool {
    wanted.pid.is_none_or(|pid| pid == origin.pid)
        && wanted
            .slot
            .is_none_or(|slot| slot == origin.slot && origin.stream != Stream::Unbraid)
}

#[cfg(test)]
mod tests;
