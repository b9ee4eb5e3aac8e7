//! How the server and its processes are, for those who ask.

use super::Control;
use crate::output::time::TimeCache;
use crate::plane::{Tallies, Tally};
use crate::protocol::{InstanceStatus, Life, Role, Row, State, Status};
use crate::supervise::machine;
use crate::supervise::registry::Member;
use std::collections::HashMap;
use std::time::Instant;

/// Processes in one answer, so that it stays far below what may wait for a client.
const MAX_ROWS: usize = 2000;

impl Control {
    pub(super) fn status(&self, tallies: Option<&Tallies>, now: Instant) -> Status {
        let mut processes = self.rows(tallies, now);
        processes.sort_by_key(|row| {
            (
                row.instance,
                row.role,
                row.slot.is_none(),
                row.slot,
                row.pid,
            )
        });
        let left_out = processes.len().saturating_sub(MAX_ROWS);
        processes.truncate(MAX_ROWS);
        let mut instances: Vec<InstanceStatus> = self.copies(now).collect();
        let whole = worst(&instances);
        if !self.parts.launch.numbered {
            instances.clear();
        }
        Status {
            name: self.parts.name.clone(),
            pid: std::process::id() as i32,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            server: self.parts.settings.signals.server.profile().name.to_owned(),
            state: whole.state,
            next_start: whole.next_start,
            restarts: whole.restarts,
            uptime: whole.uptime,
            records: tallies.map(|t| t.records),
            bytes: tallies.map(|t| t.bytes),
            dropped: tallies.map(|t| t.dropped),
            blocked: tallies.map(|t| t.blocked.clone()).unwrap_or_default(),
            hangs: tallies.is_none(),
            instances,
            processes,
            left_out: left_out as u64,
        }
    }

    fn copies(&self, now: Instant) -> impl Iterator<Item = InstanceStatus> {
        self.instances
            .iter()
            .enumerate()
            .map(move |(at, instance)| {
                let state = instance.machine.state();
                let (shown, next) = match state {
                    machine::State::Running => (State::Up, None),
                    machine::State::Stopping => (State::Stopping, None),
                    machine::State::Clearing => (State::Restarting, None),
                    machine::State::Delayed(_) if instance.starts == 0 => (State::Starting, None),
                    machine::State::Delayed(at) => (State::Restarting, Some(seconds(now, at))),
                    machine::State::Over => (State::Ended, None),
                };
                let serves = instance.machine.serves();
                InstanceStatus {
                    instance: at as u32,
                    state: shown,
                    next_start: next,
                    restarts: instance.starts.saturating_sub(1),
                    uptime: instance
                        .since
                        .filter(|_| serves)
                        .map(|since| seconds(since, now)),
                }
            })
    }

    /// All processes that either plane knows.
    fn rows(&self, tallies: Option<&Tallies>, now: Instant) -> Vec<Row> {
        let told = tallies.map_or(&[][..], |t| &t.processes);
        let mut left: HashMap<u64, &Tally> = told.iter().map(|t| (t.id, t)).collect();
        let mut time = TimeCache::utc();
        let mut rows: Vec<Row> = Vec::new();
        for member in self.registry.iter() {
            let tally = left.remove(&member.id);
            rows.push(self.row(member.pid, Some(member), tally, &mut time, now));
        }
        // Those that have ended, and whose pipes somebody still holds.
        for tally in left.into_values() {
            rows.push(self.row(tally.pid, None, Some(tally), &mut time, now));
        }
        rows
    }

    fn row(
        &self,
        pid: i32,
        member: Option<&Member>,
        tally: Option<&Tally>,
        time: &mut TimeCache,
        now: Instant,
    ) -> Row {
        let main = member.is_some() && self.instances.iter().any(|i| i.main() == Some(pid));
        let instance = member.and_then(|m| m.instance);
        let instance = instance.filter(|_| self.parts.launch.numbered);
        let since = member.map(|m| m.since).or(tally.map(|t| t.since));
        let last = tally.map(|t| t.written.last_us).filter(|us| *us > 0);
        Row {
            slot: tally.and_then(|t| t.slot),
            pid,
            role: if main { Role::Main } else { Role::Worker },
            instance: instance.map(|at| at as u32),
            age: since.map_or(0.0, |since| seconds(since, now)),
            state: if member.is_some() {
                Life::Running
            } else {
                Life::Ended
            },
            records: tally.map(|t| t.written.records),
            bytes: tally.map(|t| t.written.bytes),
            last: last.map(|us| time.text(us)),
            shared: tally.is_some_and(|t| t.shared),
            memory: None,
        }
    }
}

/// What all copies together are: what the one is that is least well.
fn worst(copies: &[InstanceStatus]) -> InstanceStatus {
    let worst = copies.iter().max_by_key(|copy| match copy.state {
        State::Up => 0,
        State::Starting => 1,
        State::Restarting => 2,
        State::Stopping => 3,
        State::Ended => 4,
    });
    let worst = worst.expect("a server has one instance at least");
    InstanceStatus {
        restarts: copies.iter().map(|copy| copy.restarts).sum(),
        ..worst.clone()
    }
}

/// To the millisecond: more is noise.
fn seconds(since: Instant, now: Instant) -> f64 {
    now.saturating_duration_since(since).as_millis() as f64 / 1000.0
}
