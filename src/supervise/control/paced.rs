//! The same signal several times. A standard signal that is sent while one of its kind waits is lost (signal(7)), and a
//! server's handler may only set a flag.

use super::Control;
use crate::supervise::disposition;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Between two signals: long enough for a main loop to take the first one. Those of gunicorn, puma and unicorn take a
/// millisecond.
const SPACE: Duration = Duration::from_millis(100);

/// Signals that may wait: more workers than that are asked for by a mistake.
const MOST: u32 = 1000;

/// Signals to the main processes that are still to be sent.
#[derive(Debug, Default)]
pub(super) struct Paced {
    waiting: VecDeque<Request>,
    due: Option<Instant>,
}

/// What was asked for at once.
#[derive(Debug)]
struct Request {
    signal: i32,
    /// How often it is still to be sent.
    left: u32,
    /// To these. A main process that was started since begins with its own number of workers, and without a handler.
    mains: Vec<i32>,
}

impl Paced {
    /// Adds `count` of a signal to each of `mains`.
    pub(super) fn push(&mut self, signal: i32, count: u32, mains: Vec<i32>) -> Result<(), String> {
        let left = self.waiting.iter().map(|request| request.left).sum::<u32>();
        if left.saturating_add(count) > MOST {
            return Err(format!("more than {MOST} at once"));
        }
        self.waiting.push_back(Request {
            signal,
            left: count,
            mains,
        });
        self.due.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// When [`Control::send_paced`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }
}

impl Control {
    /// Sends the next one, if it is time.
    pub(super) fn send_paced(&mut self) {
        let now = Instant::now();
        if self.paced.due.is_none_or(|due| now < due) {
            return;
        }
        self.paced.due = None;
        let Some(request) = self.paced.waiting.front_mut() else {
            return;
        };
        self.paced.due = Some(now + SPACE);
        let signal = request.signal;
        let serves = |pid: &i32| self.instances.iter().any(|i| i.main() == Some(*pid));
        // One that executes its program anew has no handler either, for a while.
        let expects = |pid: &i32| serves(pid) && disposition::expects(*pid, signal);
        request.mains.retain(expects);
        let taken = |pid: &i32| disposition::of(*pid).is_none_or(|of| !of.has_pending(signal));
        if !request.mains.iter().all(taken) {
            return;
        }
        request.left -= 1;
        let mains = request.mains.clone();
        if request.left == 0 || mains.is_empty() {
            self.paced.waiting.pop_front();
        }
        for at in 0..self.instances.len() {
            if self.instances[at]
                .main()
                .is_some_and(|main| mains.contains(&main))
            {
                self.forward(at, signal, None);
            }
        }
    }
}
