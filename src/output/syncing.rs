//! `--sync`: a thread that brings files to the disk, so that the data plane does not wait for one.

use super::budget::Permit;
use super::news::Teller;
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

/// A file to be brought to the disk.
#[derive(Debug)]
pub(super) struct Job {
    /// A descriptor of its own.
    pub(super) file: OwnedFd,
    /// For the descriptor.
    pub(super) permit: Option<Permit>,
    /// Its name in messages.
    pub(super) label: String,
    /// Cleared when it is done.
    pub(super) under_way: Arc<AtomicBool>,
}

/// The data plane's handle.
#[derive(Debug)]
pub(super) struct Syncer {
    teller: Teller,
    jobs: Option<Sender<Job>>,
}

impl Syncer {
    /// No thread is made before there is something to do.
    pub(super) fn new(teller: Teller) -> Self {
        Self { teller, jobs: None }
    }

    /// Has a file brought to the disk.
    pub(super) fn sync(&mut self, job: Job) {
        let job = match &self.jobs {
            None => job,
            Some(jobs) => match jobs.send(job) {
                Ok(()) => return,
                // The thread is gone: see below.
                Err(unsent) => unsent.0,
            },
        };
        job.under_way.store(false, Ordering::Release);
        let (jobs, queue) = channel();
        let teller = self.teller.clone();
        let made = std::thread::Builder::new()
            .name("sync".into())
            .spawn(move || run(&queue, &teller));
        match made {
            Ok(_) => {
                job.under_way.store(true, Ordering::Release);
                self.jobs = jobs.send(job).ok().map(|()| jobs);
            }
            Err(error) => self.teller.tell(
                true,
                format!(
                    "cannot start the thread for --sync: {}",
                    crate::cause(&error)
                ),
            ),
        }
    }
}

fn run(jobs: &Receiver<Job>, teller: &Teller) {
    // What fails is told once, until it has succeeded again.
    let mut failing = BTreeSet::new();
    for job in jobs {
        match nix::unistd::fdatasync(&job.file) {
            Ok(()) => {
                failing.remove(&job.label);
            }
            Err(errno) => {
                if failing.insert(job.label.clone()) {
                    let text = format!("cannot sync {}: {}", job.label, errno.desc());
                    teller.tell(true, text);
                }
            }
        }
        drop(job.file);
        drop(job.permit);
        job.under_way.store(false, Ordering::Release);
    }
}
