//! What clients of the control socket ask, and what they are told.

use super::Control;
use crate::plane::{Listen, Order, Tallies, Wanted};
use crate::protocol::{Answer, Logs, Request};
use crate::supervise::remote::{MAX_FOLLOWERS, Remote, Ticket};
use crate::supervise::task::Task;
use std::time::{Duration, Instant};

/// How long the data plane may take for an answer. It takes longer only where it hangs on a file.
const DATA_PLANE: Duration = Duration::from_millis(500);

const HANGS: &str =
    "the data plane does not answer: it hangs on a destination, such as a file of a dead mount";

/// Clients that wait for the data plane.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// For the tallies that were asked for; by then they are answered without.
    status: Vec<Ticket>,
    due: Option<Instant>,
    /// Who came later: they wait for the next tallies, or they would be told of what was before they asked.
    next: Vec<Ticket>,
    /// For records of the past.
    logs: Vec<(Ticket, Instant)>,
    /// For the outcome of a task.
    pub(super) outcomes: Vec<(Task, Ticket)>,
    /// The data plane did not answer in time. Until it does, it is asked nothing more.
    silent: bool,
}

impl Waiting {
    /// When [`Control::answer_overdue`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let logs = self.logs.iter().map(|(_, at)| *at);
        logs.chain(self.due).min()
    }
}

impl Control {
    /// Looks at all clients, and does what they ask.
    pub(super) fn serve_clients(&mut self) {
        let now = Instant::now();
        let Some(remote) = &mut self.parts.remote else {
            return;
        };
        for (ticket, request) in remote.turn(now) {
            match request {
                Request::Status => self.asked_status(ticket, now),
                Request::Task { task, wait } => self.asked_task(ticket, task, wait, now),
                Request::Logs(logs) => self.asked_logs(ticket, logs, now),
            }
        }
        self.look_at_restart();
        self.answer_overdue(now);
        self.again |= self.parts.remote.as_ref().is_some_and(Remote::is_busy);
    }

    pub(super) fn clients_deadline(&self) -> Option<Instant> {
        let remote = self.parts.remote.as_ref()?;
        [remote.deadline(), self.waiting.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn asked_status(&mut self, ticket: Ticket, now: Instant) {
        if self.waiting.silent {
            self.tell_status(&[ticket], None, now);
        } else if self.waiting.due.is_some() {
            self.waiting.next.push(ticket);
        } else {
            self.waiting.status.push(ticket);
            self.waiting.due = Some(now + DATA_PLANE);
            self.parts.links.orders.send(Order::Tally);
        }
    }

    /// The data plane's answer.
    pub(super) fn tallied(&mut self, tallies: &Tallies) {
        let now = Instant::now();
        self.waiting.silent = false;
        self.waiting.due = None;
        let waiting = std::mem::take(&mut self.waiting.status);
        self.tell_status(&waiting, Some(tallies), now);
        let next = std::mem::take(&mut self.waiting.next);
        if !next.is_empty() {
            self.waiting.status = next;
            self.waiting.due = Some(now + DATA_PLANE);
            self.parts.links.orders.send(Order::Tally);
        }
    }

    /// Who waits in vain is told what is known without the data plane.
    fn answer_overdue(&mut self, now: Instant) {
        if self.waiting.due.is_some_and(|at| now >= at) {
            self.waiting.due = None;
            self.waiting.silent = true;
            let mut waiting = std::mem::take(&mut self.waiting.status);
            waiting.append(&mut self.waiting.next);
            self.tell_status(&waiting, None, now);
        }
        let Some(remote) = &mut self.parts.remote else {
            return;
        };
        let Waiting { logs, silent, .. } = &mut self.waiting;
        logs.retain(|(ticket, at)| {
            let overdue = now >= *at;
            if overdue {
                *silent = true;
                remote.refuse(*ticket, HANGS, now);
            }
            !overdue
        });
    }

    fn tell_status(&mut self, waiting: &[Ticket], tallies: Option<&Tallies>, now: Instant) {
        let still = |control: &mut Self, ticket: &Ticket| {
            let remote = control.parts.remote.as_mut();
            remote.is_some_and(|remote| remote.waits(*ticket))
        };
        if !waiting.iter().any(|ticket| still(self, ticket)) {
            return;
        }
        let line = Answer::Status(Box::new(self.status(tallies, now))).encode();
        if let Some(remote) = &mut self.parts.remote {
            for ticket in waiting {
                remote.finish_with(*ticket, &line, now);
            }
        }
    }

    fn asked_logs(&mut self, ticket: Ticket, logs: Logs, now: Instant) {
        let Some(remote) = &mut self.parts.remote else {
            return;
        };
        if self.waiting.silent {
            return remote.refuse(ticket, HANGS, now);
        }
        let room = if logs.follow {
            let room = remote.follow(ticket);
            if room.is_none() {
                let why = format!("{MAX_FOLLOWERS} clients follow the log already");
                return remote.refuse(ticket, &why, now);
            }
            room
        } else {
            self.waiting.logs.push((ticket, now + DATA_PLANE));
            None
        };
        let past = logs.lines.or(logs.follow.then_some(0));
        self.parts.links.orders.send(Order::Listen(Listen {
            client: ticket.client,
            wanted: Wanted {
                pid: logs.pid,
                slot: logs.slot,
            },
            past: past.map(|count| usize::try_from(count).unwrap_or(usize::MAX)),
            room,
        }));
    }

    /// Records for a client.
    pub(super) fn lines(&mut self, client: u64, lines: &[u8], last: bool) {
        self.waiting.silent = false;
        if last {
            self.waiting
                .logs
                .retain(|(ticket, _)| ticket.client != client);
        }
        if let Some(remote) = &mut self.parts.remote {
            remote.lines(client, lines, last, Instant::now());
        }
    }
}
