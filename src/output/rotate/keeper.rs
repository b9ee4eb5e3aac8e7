//! The thread that packs and removes old files, at a low priority. Nobody waits for it.

use super::family::Family;
use super::listing::list;
use super::plan::{Step, plan};
use super::steps::{Outcome, carry_out};
use crate::output::budget::FdBudget;
use crate::output::delays::Delays;
use crate::output::news::Teller;
use crate::output::settings::Rotation;
use crate::output::spec::shown;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Descriptors that are open at the same time: an old file, its packed copy, their folder.
const DESCRIPTORS: usize = 3;

/// Before what was in use or failed is tried again.
const DELAYS: Delays = Delays {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
};

/// After so many files were packed, which takes time, the folder is looked at again: others may have to be removed by now.
const PACKED: usize = 64;

/// The files of one destination.
#[derive(Debug, Clone)]
pub(in crate::output) enum Place {
    /// One log and its old files. Where the path is a symbolic link, they lie beside the log itself.
    Path(PathBuf),
    /// The logs of a template.
    Template(Family),
}

/// The data plane's handle.
#[derive(Debug)]
pub(in crate::output) struct Keeper {
    worker: Worker,
    jobs: Option<Sender<usize>>,
}

/// What the thread knows.
#[derive(Debug, Clone)]
struct Worker {
    places: Vec<Place>,
    rules: Rotation,
    budget: Arc<FdBudget>,
    teller: Teller,
}

impl Keeper {
    /// No thread is made before there is something to do: the caller's thread is then the one that takes no signals.
    pub(in crate::output) fn new(
        places: Vec<Place>,
        rules: Rotation,
        budget: Arc<FdBudget>,
        teller: Teller,
    ) -> Self {
        let worker = Worker {
            places,
            rules,
            budget,
            teller,
        };
        Self { worker, jobs: None }
    }

    /// The files of every destination are to be looked at: as a program that was killed left them.
    pub(in crate::output) fn tidy_all(&mut self) {
        for place in 0..self.worker.places.len() {
            self.tidy(place);
        }
    }

    /// The files of this destination are to be looked at: there are new old ones.
    pub(in crate::output) fn tidy(&mut self, place: usize) {
        // The thread is gone only where it could not be made, or after an internal error.
        if self
            .jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send(place).is_ok())
        {
            return;
        }
        let (jobs, queue) = channel();
        let worker = self.worker.clone();
        let teller = worker.teller.clone();
        let made = std::thread::Builder::new()
            .name("keeper".into())
            .spawn(move || worker.run(&queue));
        match made {
            Ok(_) => self.jobs = jobs.send(place).ok().map(|()| jobs),
            Err(error) => teller.tell(
                true,
                format!(
                    "cannot start the thread that keeps old files: {}",
                    crate::cause(&error)
                ),
            ),
        }
    }
}

/// When a place is looked at again, and what is wrong with it.
#[derive(Debug, Default)]
struct Upkeep {
    at: Option<Instant>,
    delay: Option<Duration>,
    faults: BTreeSet<String>,
}

impl Worker {
    fn run(self, jobs: &Receiver<usize>) {
        crate::sys::file::yield_to_others();
        let mut upkeep: BTreeMap<usize, Upkeep> = BTreeMap::new();
        loop {
            let wait = upkeep.values().filter_map(|one| one.at).min();
            let job = match wait {
                Some(at) => jobs.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let first = match job {
                Ok(place) => Some(place),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let now = Instant::now();
            let asked: BTreeSet<usize> = first.into_iter().chain(jobs.try_iter()).collect();
            for &place in &asked {
                let one = upkeep.entry(place).or_default();
                (one.at, one.delay) = (Some(now), None);
            }
            for (&place, one) in &mut upkeep {
                if one.at.is_some_and(|at| at <= now) {
                    self.look(place, one);
                }
            }
        }
    }

    /// Looks at one place, does what is to be done, and sets the time of the next look.
    fn look(&self, place: usize, upkeep: &mut Upkeep) {
        if !self.budget.try_take(DESCRIPTORS) {
            upkeep.again_later();
            return;
        }
        let result = self.tidy(place);
        self.budget.give(DESCRIPTORS);
        for fault in result.faults.difference(&upkeep.faults) {
            self.teller
                .tell(true, format!("{fault}; it is tried again"));
        }
        upkeep.faults = result.faults;
        if result.more {
            upkeep.at = Some(Instant::now());
        } else if result.busy || !upkeep.faults.is_empty() {
            upkeep.again_later();
        } else {
            upkeep.delay = None;
            upkeep.at = result.next.map(|wait| Instant::now() + wait);
        }
    }

    fn tidy(&self, place: usize) -> Tidied {
        let family = match &self.places[place] {
            Place::Template(family) => family.clone(),
            // A log that is just being made anew has its old place.
            Place::Path(path) => {
                Family::of_path(&std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()))
            }
        };
        let mut tidied = Tidied::default();
        let entries = match list(&family) {
            Ok(entries) => entries,
            Err(error) => {
                let name = match &self.places[place] {
                    Place::Path(path) => shown(path.as_os_str().as_bytes()),
                    Place::Template(_) => "the template".to_owned(),
                };
                tidied.faults.insert(format!(
                    "cannot look for old files of {name}: {}",
                    crate::cause(&error)
                ));
                return tidied;
            }
        };
        let now = crate::wall_us();
        let plan = plan(&entries, &self.rules, now);
        tidied.next = plan
            .next
            .map(|at| Duration::from_micros(at.saturating_sub(now)));
        for step in &plan.steps {
            if tidied.packed == PACKED {
                tidied.more = true;
                break;
            }
            tidied.step(step);
        }
        tidied
    }
}

/// What came of one look.
#[derive(Debug, Default)]
struct Tidied {
    faults: BTreeSet<String>,
    busy: bool,
    /// How many files were packed.
    packed: usize,
    /// Not all steps were done.
    more: bool,
    next: Option<Duration>,
}

impl Tidied {
    fn step(&mut self, step: &Step) {
        match carry_out(step) {
            Ok(Outcome::Done) => self.packed += usize::from(matches!(step, Step::Pack { .. })),
            Ok(Outcome::Busy) => self.busy = true,
            Err(fault) => {
                self.faults.insert(fault);
            }
        }
    }
}

impl Upkeep {
    fn again_later(&mut self) {
        let delay = DELAYS.after(self.delay);
        self.delay = Some(delay);
        self.at = Some(Instant::now() + delay);
    }
}
