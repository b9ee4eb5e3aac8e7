//! What is told of the processes on request.

use super::Plane;
use crate::plane::{Tallies, Tally};

impl Plane {
    pub(super) fn tallies(&self) -> Tallies {
        let unknown = self.unknown();
        let shared = |current: &[(u8, usize)]| {
            let mut pipes = current.iter().filter_map(|(_, key)| self.pipes.get(*key));
            pipes.any(|pipe| pipe.shared || unknown)
        };
        let processes = self.processes.iter().map(|(id, process)| Tally {
            id: *id,
            pid: process.pid,
            slot: process.slot,
            since: process.since,
            gone: process.gone,
            shared: shared(&process.current),
            written: process.written,
        });
        let destinations = &self.parts.destinations;
        Tallies {
            records: self.counts.records,
            bytes: self.counts.bytes,
            dropped: destinations.dropped().records,
            blocked: destinations.blocked(),
            processes: processes.collect(),
        }
    }
}
