//! What a destination's two ends have in common: the data plane adds, the writer's thread takes. Neither holds the lock during a
//! call that could wait.

use super::disk::Place;
use crate::output::Notice;
use mio::unix::pipe::Sender;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Notices that wait at the most; the data plane fetches them when it is woken.
const MOST_NOTICES: usize = 64;

/// Wakes the data plane.
#[derive(Debug, Clone)]
pub(super) struct Bell(Arc<Sender>);

impl Bell {
    pub(super) fn new(sender: Sender) -> Self {
        Self(Arc::new(sender))
    }

    pub(super) fn ring(&self) {
        // A full pipe has rung already.
        let _ = (&*self.0).write(&[1]);
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// Bytes that the receiver may not have: in memory, or on disk.
    waiting: AtomicU64,
    /// Bytes that the writer keeps, sent or not.
    kept: AtomicU64,
    /// Whether records go out: true until a connection fails or ends.
    up: AtomicBool,
    pub(super) bell: Bell,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Messages for the writer, and where each ends; empty where they go by disk.
    pub(super) bytes: Vec<u8>,
    pub(super) ends: Vec<usize>,
    /// Up to where the disk's queue may be read.
    pub(super) until: Option<Place>,
    /// Something was added since the writer last looked.
    pub(super) news: bool,
    /// The end has come: tries are made without delay.
    pub(super) hurry: bool,
    notices: Vec<Notice>,
}

impl Shared {
    pub(super) fn new(bell: Bell, waiting: u64) -> Self {
        Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            waiting: AtomicU64::new(waiting),
            kept: AtomicU64::new(0),
            up: AtomicBool::new(true),
            bell,
        }
    }

    /// A thread that died left whole messages at any time.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for news, or for `most` time.
    pub(super) fn wait(&self, most: Option<Duration>) {
        let wanted = |state: &mut State| !state.news;
        let state = self.state();
        match most {
            None => drop(self.wake.wait_while(state, wanted)),
            Some(most) => drop(self.wake.wait_timeout_while(state, most, wanted)),
        }
    }

    /// Waits for the delay before another try; once the end has come, for the shortest only.
    pub(super) fn pause(&self, delay: Duration, shortest: Duration) {
        let calm = |state: &mut State| !state.hurry;
        let waited = self.wake.wait_timeout_while(self.state(), delay, calm);
        let hurry = waited.is_ok_and(|(state, _)| state.hurry);
        if hurry {
            std::thread::sleep(delay.min(shortest));
        }
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Acquire)
    }

    pub(super) fn added(&self, bytes: u64) {
        self.waiting.fetch_add(bytes, Ordering::AcqRel);
    }

    /// The receiver has so many bytes more; what was waiting before.
    pub(super) fn taken(&self, bytes: u64) -> u64 {
        let less = |waiting: u64| Some(waiting.saturating_sub(bytes));
        let before = self
            .waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        before.unwrap_or_default()
    }

    pub(super) fn kept(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    pub(super) fn set_kept(&self, bytes: usize) {
        self.kept.store(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    pub(super) fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::Release);
    }

    pub(super) fn tell(&self, error: bool, text: String) {
        let mut state = self.state();
        if state.notices.len() < MOST_NOTICES {
            state.notices.push(Notice { error, text });
        }
        drop(state);
        self.bell.ring();
    }

    pub(super) fn notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.state().notices)
    }
}
