//! This program's own messages, and what is done after a panic.

use super::Plane;
use super::pipe::origin;
use crate::config::Verbosity;
use crate::output::{Notice, Origin, Stream};
use crate::plane::Level;
use crate::record::{Kind, Record};
use crate::wall_us;
use std::time::Instant;

impl Plane {
    pub(super) fn notice(&mut self, notice: &Notice) {
        let level = if notice.error {
            Level::Error
        } else {
            Level::Warning
        };
        self.say(level, &notice.text);
    }

    pub(super) fn tell_notices(&mut self) {
        let notices: Vec<Notice> = self.parts.destinations.notices().collect();
        for notice in &notices {
            self.notice(notice);
        }
        if !notices.is_empty() {
            self.parts.destinations.flush(Instant::now());
        }
    }

    pub(super) fn tell_faults(&mut self) {
        let faults = std::mem::take(&mut self.counts.faults);
        if faults > 0 {
            self.say(
                Level::Error,
                &format!("internal error: {faults} records were written without their form"),
            );
        }
    }

    pub(super) fn say(&mut self, level: Level, text: &str) {
        let told = match level {
            Level::Error => true,
            Level::Warning => self.parts.verbosity >= Verbosity::Normal,
            Level::Info => self.parts.verbosity >= Verbosity::Verbose,
        };
        if !told {
            return;
        }
        let line = format!("unbraid: {text}\n");
        let from = Origin {
            pid: std::process::id() as i32,
            slot: 0,
            stream: Stream::Unbraid,
            shared: false,
            source: 0,
        };
        let record = Record {
            bytes: line.as_bytes(),
            wall_us: wall_us(),
            kind: Kind::Line,
            part: None,
        };
        // A fault in here would tell of itself, without end.
        let _ = self.parts.destinations.write(&from, &record);
        self.feed.take(&from, &record);
    }

    /// After a panic: the stream in hand is written as it is, and begins anew.
    pub(super) fn recover(&mut self) {
        let unknown = self.unknown();
        let Some(hand) = self.in_hand.take() else {
            self.say(Level::Error, "internal error in the data plane; it goes on");
            return;
        };
        let mut rest = Vec::new();
        if let Some(pipe) = self.pipes.get_mut(hand.key) {
            let taken = if hand.given == 0 {
                0
            } else {
                pipe.assembler.taken()
            };
            rest = pipe.assembler.take_raw();
            rest.extend_from_slice(self.buffer.get(taken..hand.given).unwrap_or_default());
            if let Some(process) = self.processes.get(&pipe.process)
                && !rest.is_empty()
            {
                let record = Record {
                    bytes: &rest,
                    wall_us: wall_us(),
                    kind: Kind::Line,
                    part: None,
                };
                let from = origin(pipe, process, unknown);
                self.counts.faults += self.parts.destinations.write(&from, &record);
            }
        }
        self.settle(hand.key);
        self.list(hand.key);
        let text = format!(
            "internal error in the data plane; it goes on, {} bytes were written as they came",
            rest.len()
        );
        self.say(Level::Error, &text);
    }
}
