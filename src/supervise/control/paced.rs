//! The same signal several times. A standard signal that is sent while one of its kind waits is lost (signal(7)), and a
//! server's handler may only set a flag.

use super::Control;
use super::instances::Instance;
use crate::supervise::disposition;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Between two signals: long enough for a main loop to take the first one. Those of gunicorn, puma and unicorn take a
/// millisecond.
const SPACE: Duration = Duration::from_millis(100);

/// Signals that may wait: more workers than that are asked for by a mistake.
const MOST: usize = 1000;

/// Signals to the main processes that are still to be sent.
#[derive(Debug, Default)]
pub(super) struct Paced {
    waiting: VecDeque<i32>,
    due: Option<Instant>,
}

impl Paced {
    /// Adds `count` of a signal.
    pub(super) fn push(&mut self, signal: i32, count: u32) -> Result<(), String> {
        if self.waiting.len() + count as usize > MOST {
            return Err(format!("more than {MOST} at once"));
        }
        self.waiting.extend((0..count).map(|_| signal));
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
        let Some(&signal) = self.paced.waiting.front() else {
            return;
        };
        self.paced.due = Some(now + SPACE);
        let mut mains = self.instances.iter().filter_map(Instance::main);
        let busy = mains.any(|main| disposition::of(main).is_some_and(|of| of.has_pending(signal)));
        if !busy {
            self.paced.waiting.pop_front();
            self.forward_to_all(signal, None);
        }
    }
}
