//! The main process has ended, and `--server-pid-file` may name the one that took its place.

use super::Control;
use crate::supervise::pid_file::Reading;
use crate::supervise::tree;
use crate::sys::wait::Exit;
use std::time::{Duration, Instant};

/// How long the file may take to name another: a daemon writes it after its parent has ended, and gunicorn's new main
/// process looks once a second whether the old one is gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// A successor is looked for.
#[derive(Debug)]
pub(super) struct Seeking {
    dead: i32,
    exit: Exit,
    until: Instant,
    _reading: Reading,
}

impl Seeking {
    pub(super) fn deadline(&self) -> Instant {
        self.until
    }
}

impl Control {
    /// Main process `pid` of instance `at` has ended. Whether another may be named, so that this is not the end yet.
    pub(super) fn seek(&mut self, at: usize, pid: i32, exit: Exit) -> bool {
        let until = Instant::now() + PATIENCE;
        let Some(file) = &self.parts.pid_file else {
            return false;
        };
        if tree::descendants(&self.parts.others).is_empty() {
            return false;
        }
        let Ok(reading) = file.read_until(until) else {
            return false;
        };
        self.instances[at].seeking = Some(Seeking {
            dead: pid,
            exit,
            until,
            _reading: reading,
        });
        true
    }

    /// The file names this process. It takes the place of the dead one when it lives, and is a child of this program by now:
    /// then it descends from the server, and its end will be told.
    pub(super) fn named(&mut self, pid: i32) {
        let own = std::process::id() as i32;
        let came_to_us = tree::process(pid).is_some_and(|p| !p.zombie && p.parent == own);
        if !came_to_us || self.parts.others.contains(&pid) {
            return;
        }
        for at in 0..self.instances.len() {
            let seeking = &mut self.instances[at].seeking;
            if let Some(found) = seeking.take_if(|seeking| seeking.dead != pid) {
                self.instances[at].follow(pid);
                self.followed(at, found.dead, pid);
            }
        }
    }

    /// Where nobody is left who could be named, or time is up, the end of the main process was the server's.
    pub(super) fn give_up_seeking(&mut self) {
        let now = Instant::now();
        for at in 0..self.instances.len() {
            let Some(seeking) = &self.instances[at].seeking else {
                continue;
            };
            let none_left = || self.duties.look && tree::descendants(&self.parts.others).is_empty();
            if now < seeking.until && !none_left() {
                continue;
            }
            if let Some(Seeking { dead, exit, .. }) = self.instances[at].seeking.take() {
                self.ended(at, dead, exit);
            }
        }
    }
}
