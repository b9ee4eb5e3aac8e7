//! The file in which the server writes the PID of its main process: read by a thread, since a file may hang.

use crate::plane::{Outbox, Report};
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often it is read while a successor is looked for.
const EVERY: Duration = Duration::from_millis(20);

/// `--server-pid-file`.
#[derive(Debug)]
pub struct PidFile {
    /// Where it is.
    pub path: PathBuf,
    /// To the control plane.
    pub reports: Outbox<Report>,
}

/// Reads the file again and again; dropped, it stops.
#[derive(Debug)]
pub struct Reading(Arc<AtomicBool>);

impl PidFile {
    /// Reports whom the file names ([`Report::Named`]), until then.
    pub fn read_until(&self, until: Instant) -> io::Result<Reading> {
        let wanted = Arc::new(AtomicBool::new(true));
        let (reading, path, mut reports) = (
            Reading(Arc::clone(&wanted)),
            self.path.clone(),
            self.reports.clone(),
        );
        let work = move || {
            while wanted.load(Ordering::Relaxed) && Instant::now() < until {
                if let Some(pid) = read(&path) {
                    reports.send(Report::Named(pid));
                }
                std::thread::sleep(EVERY);
            }
        };
        std::thread::Builder::new()
            .name("pid-file".into())
            .spawn(work)?;
        Ok(reading)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The PID in the file, if it holds one.
fn read(path: &Path) -> Option<i32> {
    // Without waiting: a FIFO would keep the thread.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .ok()?;
    let mut text = String::new();
    // PostgreSQL writes more lines than the first.
    file.take(64).read_to_string(&mut text).ok()?;
    parse(&text)
}

fn parse(text: &str) -> Option<i32> {
    let first = text.lines().next()?.trim();
    first.parse().ok().filter(|pid| *pid > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_a_pid() {
        for (text, pid) in [
            ("4711\n", Some(4711)),
            (" 4711", Some(4711)),
            ("4711\n/var/lib/postgresql\n17", Some(4711)),
            ("", None),
            ("\n4711", None),
            ("-4711", None),
            ("0", None),
            ("1", None),
            ("99999999999", None),
        ] {
            assert_eq!(parse(text), pid, "{text:?}");
        }
    }
}
