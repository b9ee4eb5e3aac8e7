//! Requests without a pause, while something is done to the server.

use super::http::Answer;
use super::{proc, wait};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Threads that send one request after another.
#[derive(Debug)]
pub struct Load {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Vec<io::Result<Answer>>>>,
}

impl Load {
    /// Begins; `request` gets a number that no other one gets. Returns when the first answers are there.
    #[track_caller]
    pub fn begin(
        at_once: usize,
        request: impl Fn(usize) -> io::Result<Answer> + Send + Sync + 'static,
    ) -> Self {
        let (over, answered) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (request, next) = (Arc::new(request), Arc::new(AtomicUsize::new(0)));
        let thread = || {
            let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
            let (request, next) = (Arc::clone(&request), Arc::clone(&next));
            std::thread::spawn(move || {
                let mut answers = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    answers.push(request(next.fetch_add(1, Ordering::Relaxed)));
                    answered.fetch_add(1, Ordering::Relaxed);
                    // Hundreds of requests a second suffice; tens of thousands would only keep the machine busy.
                    wait::pause(Duration::from_millis(2));
                }
                answers
            })
        };
        let threads = (0..at_once).map(|_| thread()).collect();
        let load = Self {
            over,
            answered,
            threads,
        };
        load.more(2 * at_once);
        load
    }

    /// Waits until so many more requests have been answered.
    #[track_caller]
    pub fn more(&self, count: usize) {
        let before = self.answered.load(Ordering::Relaxed);
        wait::until_true("answers", || {
            self.answered.load(Ordering::Relaxed) >= before + count
        });
    }

    /// Ends it. Every request must have been answered with 200.
    #[track_caller]
    pub fn end(self) -> Vec<Answer> {
        self.over.store(true, Ordering::Relaxed);
        let threads = self.threads.into_iter();
        let all = threads.flat_map(|thread| thread.join().expect("no thread panicked"));
        let (good, bad): (Vec<_>, Vec<_>) =
            all.partition(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200));
        println!("{} requests, {} failed", good.len() + bad.len(), bad.len());
        assert!(bad.is_empty(), "failed: {:?}", &bad[..bad.len().min(5)]);
        good.into_iter().flatten().collect()
    }
}

/// Looks at the workers again and again, and knows how few there ever were.
#[derive(Debug)]
pub struct Fewest {
    over: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Fewest {
    /// Of the living children of `main` that `counts`.
    pub fn of(main: i32, counts: fn(i32) -> bool) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut fewest = usize::MAX;
            while !flag.load(Ordering::Relaxed) {
                let children = proc::children(main).into_iter();
                let living = children.filter(|stat| stat.state != 'Z' && counts(stat.pid));
                fewest = fewest.min(living.count());
                wait::pause(Duration::from_millis(2));
            }
            fewest
        });
        Self { over, thread }
    }

    pub fn end(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic")
    }
}
