//! A real server under unbraid: what it is started with, and what is asked of it.

use super::http::Address;
use super::load::Load;
use super::unbraid::{Running, Unbraid};
use super::{log, proc, wait};
use nix::sys::signal::Signal;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The signals that ask unbraid for something by name. No server here has a use for them.
const TASKS: [(Signal, &str); 5] = [
    (Signal::SIGPROF, "restart-workers"),
    (Signal::SIGVTALRM, "reload"),
    (Signal::SIGIO, "reopen"),
    (Signal::SIGURG, "upgrade"),
    (Signal::SIGPWR, "restart"),
];

/// unbraid with one JSON log, all it has to say in it, and the tasks on signals.
pub fn unbraid() -> Unbraid {
    let mapped = TASKS
        .iter()
        .flat_map(|(signal, task)| ["--signal".into(), format!("{signal}={task}")]);
    let unbraid = Unbraid::logging_json().option("-v").options(mapped);
    let release = unbraid.folder().join("release");
    // Workers that gave up root make files here too.
    fs::set_permissions(unbraid.folder(), fs::Permissions::from_mode(0o777)).expect("our own");
    unbraid.variable("RELEASE", release)
}

/// A port that is free now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("it is bound").port()
}

/// Writes a file into the folder of the test.
pub fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("our own folder");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own file");
    path
}

/// A server that serves.
#[derive(Debug)]
pub struct Site {
    pub running: Running,
    pub main: i32,
    pub address: Address,
    counts: fn(i32) -> bool,
    again: bool,
}

impl Site {
    /// Starts it, and waits for its first answer.
    #[track_caller]
    pub fn start(unbraid: Unbraid, address: Address) -> Self {
        let site = Self::start_only(unbraid, address);
        wait::until_true("the first answer", || site.address.get("/pid/0").is_ok());
        site
    }

    /// Starts it, and waits for its main process.
    #[track_caller]
    pub fn start_only(unbraid: Unbraid, address: Address) -> Self {
        let running = unbraid.start();
        let main = wait::until("the main process", || {
            proc::children(running.pid()).first().map(|stat| stat.pid)
        });
        Self {
            running,
            main,
            address,
            counts: |_| true,
            again: false,
        }
    }

    /// The children of the main process that are workers.
    pub fn counting(mut self, counts: fn(i32) -> bool) -> Self {
        self.counts = counts;
        self
    }

    /// A request that was reset before it was answered is sent a second time.
    pub fn resetting(mut self) -> Self {
        self.again = true;
        self
    }

    /// The workers that run, in order.
    pub fn workers(&self) -> Vec<i32> {
        let children = proc::children(self.main).into_iter();
        let living = children.filter(|stat| stat.state != 'Z' && (self.counts)(stat.pid));
        let mut pids: Vec<i32> = living.map(|stat| stat.pid).collect();
        pids.sort_unstable();
        pids
    }

    /// Waits until there are so many workers.
    #[track_caller]
    pub fn wait_for_workers(&self, count: usize) -> Vec<i32> {
        wait::until(&format!("{count} workers"), || {
            Some(self.workers()).filter(|pids| pids.len() == count)
        })
    }

    /// Asks for a task by its signal.
    #[track_caller]
    pub fn ask(&self, task: &str) {
        let (signal, _) = TASKS
            .iter()
            .find(|(_, name)| *name == task)
            .expect("mapped");
        self.running.signal(*signal);
    }

    /// Waits until unbraid says this.
    #[track_caller]
    pub fn wait_until_told(&self, text: &str) -> String {
        let told = wait::until(text, || {
            let log = fs::read(self.running.log()).ok()?;
            let whole = log.iter().rposition(|&byte| byte == b'\n')? + 1;
            let said = log::parse(&log[..whole]).into_iter();
            said.filter(|entry| !entry.is_captured())
                .find(|entry| entry.message.contains(text))
        });
        told.message
    }

    /// Waits until the server writes this.
    #[track_caller]
    pub fn wait_until_told_by_server(&self, text: &str) {
        log::wait_for(&self.running.log(), text);
    }

    /// The answers of one page after another.
    #[track_caller]
    pub fn load(&self, page: &'static str) -> Load {
        let (address, again) = (self.address.clone(), self.again);
        Load::begin(3, move |number| {
            let path = format!("{page}{number}");
            match address.get(&path) {
                Err(error) if again && error.kind() == io::ErrorKind::ConnectionReset => {
                    println!("reset, and sent again");
                    address.get(&path)
                }
                answer => answer,
            }
        })
    }

    /// A request that goes on until [`Site::release`]; it is being worked on when this returns.
    #[track_caller]
    pub fn in_flight(&self) -> std::thread::JoinHandle<io::Result<super::http::Answer>> {
        let address = self.address.clone();
        let request = std::thread::spawn(move || address.get("/wait/0"));
        self.running.events.wait_for("in-flight");
        request
    }

    /// Lets the requests go on that wait for it.
    pub fn release(&self) {
        fs::write(self.running.folder().join("release"), "").expect("our own folder");
    }

    /// Replaces all workers, one after another, while requests run: as many new ones, never more than one fewer, and no request
    /// fails.
    #[track_caller]
    pub fn restart_workers(&self, count: usize, page: &'static str) {
        let before = self.wait_for_workers(count);
        let load = self.load(page);
        let fewest = super::load::Fewest::of(self.main, self.counts);
        self.ask("restart-workers");
        let told = self.wait_until_told("restart-workers: ");
        assert!(told.contains(&format!("0 of {count} workers")), "{told}");
        let told = self.wait_until_told(&format!("{count} of {count} workers are replaced"));
        assert!(told.starts_with("unbraid: restart-workers: done"), "{told}");
        load.more(20);
        load.end();
        let after = self.wait_for_workers(count);
        assert!(
            after.iter().all(|pid| !before.contains(pid)),
            "{before:?} {after:?}"
        );
        assert!(fewest.end() + 1 >= count);
    }

    /// Asks for a reload while requests run: new workers alone, and no request fails.
    #[track_caller]
    pub fn reload(&self, count: usize, page: &'static str) {
        let before = self.wait_for_workers(count);
        let load = self.load(page);
        self.ask("reload");
        wait::until("new workers alone", || {
            let now = self.workers();
            (now.len() == count && now.iter().all(|pid| !before.contains(pid))).then_some(())
        });
        load.more(20);
        load.end();
        assert!(proc::runs(self.main));
    }

    /// Stops it by TERM while a request is in hand, which is answered.
    #[track_caller]
    pub fn stop_gracefully(self, status: i32) {
        let request = self.in_flight();
        self.running.signal(Signal::SIGTERM);
        wait::until_true("the end of the workers without a request", || {
            self.workers().len() < 2
        });
        self.release();
        let answer = request.join().expect("no panic").expect("it is answered");
        assert_eq!(answer.status, 200);
        self.running.end().assert_code(status);
    }
}
