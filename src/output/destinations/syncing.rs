//! `--sync`: which files are brought to the disk, and when.

use super::Destinations;
use crate::output::budget::Permit;
use crate::output::open::Kind;
use crate::output::settings::WhenSync;
use crate::output::sink::Sink;
use crate::output::syncing::Job;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A sink's part in `--sync`.
#[derive(Debug, Default)]
pub(in crate::output) struct Syncing {
    /// Written to since it was last given to the thread that syncs.
    pub(in crate::output) dirty: bool,
    /// That thread has it.
    under_way: Arc<AtomicBool>,
}

impl Destinations {
    /// Has the file of a sink, which is rotated or closed now, brought to the disk.
    pub(super) fn sync_file(&mut self, id: usize) {
        if self.settings.sync == WhenSync::Never {
            return;
        }
        // A file of its own: that of the next one is not waited for because of this one.
        self.sinks[id].syncing.under_way = Arc::default();
        self.hand_over(id);
    }

    /// Has what was written brought to the disk when its time has come.
    pub(super) fn sync_at_need(&mut self, now: Instant) {
        let WhenSync::Every(time) = self.settings.sync else {
            return;
        };
        if self.sync_at.is_some_and(|at| now < at) {
            return;
        }
        let dirty: Vec<usize> = self
            .sinks
            .iter()
            .filter(|(_, sink)| sink.needs_sync())
            .map(|(id, _)| id)
            .collect();
        // The first write begins the time, and each sync the next one.
        let due = self.sync_at.take().is_some();
        if !dirty.is_empty() {
            self.sync_at = Some(now + time);
        }
        for id in dirty.into_iter().filter(|_| due) {
            // A disk that is slower than this is not given more.
            if !self.sinks[id].syncing.under_way.load(Ordering::Acquire) {
                self.hand_over(id);
            }
        }
    }

    fn hand_over(&mut self, id: usize) {
        let sink = &mut self.sinks[id];
        let Some(open) = sink.open.as_ref().filter(|_| sink.needs_sync()) else {
            return;
        };
        // Where there is no descriptor for it, the next time has to do.
        let Some(permit) = Permit::take(&self.budget) else {
            return;
        };
        let (Ok(file), Some(syncer)) = (open.duplicate(), &mut self.syncer) else {
            return;
        };
        sink.syncing.dirty = false;
        sink.syncing.under_way.store(true, Ordering::Release);
        syncer.sync(Job {
            file,
            permit: Some(permit),
            label: sink.label.clone(),
            under_way: Arc::clone(&sink.syncing.under_way),
        });
    }

    /// The last thing before the end. May wait for the disk.
    pub fn sync_all(&mut self) {
        if self.settings.sync == WhenSync::Never {
            return;
        }
        let open = self.sinks.iter().filter(|(_, sink)| sink.needs_sync());
        for file in open.filter_map(|(_, sink)| sink.open.as_ref()?.duplicate().ok()) {
            // Who asks for more at the end has nobody left to be told.
            let _ = nix::unistd::fdatasync(&file);
        }
    }
}

impl Sink {
    fn needs_sync(&self) -> bool {
        let regular = self
            .open
            .as_ref()
            .is_some_and(|open| open.kind == Kind::Regular);
        self.syncing.dirty && regular
    }
}
