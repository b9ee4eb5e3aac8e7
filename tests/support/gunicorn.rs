//! A real gunicorn, with tests/servers/gunicorn.conf.py.

use super::http::{self, Answer};
use super::unbraid::{Running, Unbraid};
use super::{proc, python, wait};
use std::ffi::OsString;

/// How gunicorn is started.
#[derive(Debug, Clone)]
pub struct Gunicorn {
    pub workers: usize,
    pub class: &'static str,
    pub threads: usize,
    pub more: Vec<OsString>,
}

impl Gunicorn {
    pub fn sync(workers: usize) -> Self {
        Self {
            workers,
            class: "sync",
            threads: 1,
            more: Vec::new(),
        }
    }

    pub fn gthread(workers: usize) -> Self {
        Self {
            class: "gthread",
            threads: 4,
            ..Self::sync(workers)
        }
    }

    pub fn with<S: Into<OsString>>(mut self, more: impl IntoIterator<Item = S>) -> Self {
        self.more.extend(more.into_iter().map(Into::into));
        self
    }

    /// The command line.
    fn line(&self) -> Vec<OsString> {
        let servers = python::folder("servers");
        let mut line: Vec<OsString> = vec![python::environment().join("bin/gunicorn").into()];
        line.extend([
            "--config".into(),
            servers.join("gunicorn.conf.py").into(),
            "--chdir".into(),
            servers.into(),
        ]);
        line.extend(["--worker-class", self.class, "--workers"].map(OsString::from));
        line.extend(
            [
                self.workers.to_string(),
                "--threads".into(),
                self.threads.to_string(),
            ]
            .map(OsString::from),
        );
        line.extend_from_slice(&self.more);
        line.push("wsgi_app:app".into());
        line
    }

    /// Starts it under unbraid and waits until every worker is up.
    #[track_caller]
    pub fn start(&self, unbraid: Unbraid) -> Server {
        self.ready(self.prepare(unbraid).start())
    }

    /// Starts it alone.
    #[track_caller]
    pub fn start_without(&self, unbraid: Unbraid) -> Server {
        self.ready(self.prepare(unbraid).start_without())
    }

    fn prepare(&self, unbraid: Unbraid) -> Unbraid {
        let servers = python::folder("servers");
        let unbraid = unbraid
            .variable("PYTHONPATH", servers)
            .variable("PYTHONDONTWRITEBYTECODE", "1");
        let release = unbraid.folder().join("release");
        unbraid.variable("RELEASE", release).command(self.line())
    }

    #[track_caller]
    fn ready(&self, running: Running) -> Server {
        let ready = running.events.wait_for("ready");
        running.events.wait_for_count("worker", self.workers);
        let (master, port) = ready.split_once(' ').expect("PID and port");
        Server {
            master: master.parse().expect("a PID"),
            port: port.parse().expect("a port"),
            running,
        }
    }
}

/// A gunicorn that serves.
#[derive(Debug)]
pub struct Server {
    pub running: Running,
    pub master: i32,
    pub port: u16,
}

impl Server {
    /// The PIDs of the workers that run, in order.
    pub fn workers(&self) -> Vec<i32> {
        workers_of(self.master)
    }

    /// Waits until there are so many workers, and the server's own count says so too: each has started or is gone.
    #[track_caller]
    pub fn wait_for_workers(&self, count: usize) -> Vec<i32> {
        wait::until(&format!("{count} workers"), || {
            Some(self.workers()).filter(|pids| pids.len() == count)
        })
    }

    /// Lets the requests go on that wait for it.
    pub fn release(&self) {
        std::fs::write(self.running.folder().join("release"), "").expect("our own folder");
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        http::get(self.port, path).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }
}

/// The workers of a gunicorn master: its children, but for a new master that it started.
pub fn workers_of(master: i32) -> Vec<i32> {
    let mut pids: Vec<i32> = proc::children(master)
        .iter()
        .filter(|stat| stat.state != 'Z')
        .map(|stat| stat.pid)
        .collect();
    pids.sort_unstable();
    pids
}
