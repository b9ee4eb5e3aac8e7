//! The program under test.

use super::events::Events;
use super::{proc, wait};
use nix::sys::signal::Signal;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The binary: the one that cargo built for the tests, or the one that `TEST_UNBRAID` names (a release build).
pub fn binary() -> PathBuf {
    std::env::var_os("TEST_UNBRAID")
        .map_or_else(|| env!("CARGO_BIN_EXE_unbraid").into(), PathBuf::from)
}

/// The binary in a folder that other users can reach, as that where it was built may not be.
///
/// Copied by a program of its own: a descriptor of ours that writes the file would be inherited by what another test forks just
/// then, and nothing can execute a file that somebody may write.
#[track_caller]
pub fn copy(folder: &Path) -> PathBuf {
    let copy = folder.join("unbraid");
    let copied = Command::new("cp").arg(binary()).arg(&copy).status();
    assert!(copied.expect("cp is needed").success());
    copy
}

/// A call of unbraid in a folder of its own, with a file of events.
#[derive(Debug)]
pub struct Unbraid {
    folder: TempDir,
    events: Events,
    wrapper: Vec<OsString>,
    options: Vec<OsString>,
    command: Vec<OsString>,
    variables: Vec<(OsString, Option<OsString>)>,
    stdin: Stdio,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
}

impl Unbraid {
    /// Nothing is asked for yet; the streams go to files.
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a folder for temporary files");
        // Servers that give up root still find their files.
        fs::set_permissions(
            folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .expect("our own folder");
        Self {
            events: Events::new(folder.path()),
            folder,
            wrapper: Vec::new(),
            options: Vec::new(),
            command: Vec::new(),
            variables: Vec::new(),
            stdin: Stdio::null(),
            stdout: None,
            stderr: None,
        }
    }

    /// As most tests want it: one JSON log, at [`Self::log`].
    pub fn logging_json() -> Self {
        let unbraid = Self::new();
        let log = unbraid.log();
        unbraid.options(["--format", "json", "-o"]).option(log)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn events(&self) -> &Events {
        &self.events
    }

    /// The log of [`Self::logging_json`].
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub fn option(mut self, option: impl Into<OsString>) -> Self {
        self.options.push(option.into());
        self
    }

    pub fn options<S: Into<OsString>>(mut self, options: impl IntoIterator<Item = S>) -> Self {
        self.options.extend(options.into_iter().map(Into::into));
        self
    }

    /// What starts unbraid instead of the test itself: `prlimit --nofile=40`.
    pub fn under<S: Into<OsString>>(mut self, wrapper: impl IntoIterator<Item = S>) -> Self {
        self.wrapper = wrapper.into_iter().map(Into::into).collect();
        self
    }

    pub fn command<S: Into<OsString>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.command = command.into_iter().map(Into::into).collect();
        self
    }

    /// A Python program as COMMAND.
    pub fn python(self, text: &str) -> Self {
        self.command(super::python::program(text))
    }

    /// A script of the shell as COMMAND.
    pub fn shell(self, script: &str) -> Self {
        self.command(["/bin/sh", "-c", script])
    }

    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), Some(value.into())));
        self
    }

    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = stdin.into();
        self
    }

    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// The whole command line.
    pub fn line(&self) -> Vec<OsString> {
        let mut line = self.wrapper.clone();
        line.push(binary().into());
        line.extend_from_slice(&self.options);
        line.push("--".into());
        line.extend_from_slice(&self.command);
        line
    }

    /// Starts unbraid.
    #[track_caller]
    pub fn start(self) -> Running {
        let line = self.line();
        self.start_line(&line)
    }

    /// Starts COMMAND alone: what the same load looks like without unbraid.
    #[track_caller]
    pub fn start_without(self) -> Running {
        let line = self.command.clone();
        self.start_line(&line)
    }

    #[track_caller]
    fn start_line(self, line: &[OsString]) -> Running {
        let file = |name| {
            Stdio::from(File::create(self.folder.path().join(name)).expect("our own folder"))
        };
        let mut command = Command::new(&line[0]);
        command
            .args(&line[1..])
            .env("EVENTS", self.events.path())
            .env_remove("LD_PRELOAD");
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"UNBRAID_"))
        {
            command.env_remove(name);
        }
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
            .stdin(self.stdin)
            .stdout(self.stdout.unwrap_or_else(|| file("stdout")));
        command.stderr(self.stderr.unwrap_or_else(|| file("stderr")));
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {line:?}: {error}"));
        Running {
            child,
            ended: None,
            folder: self.folder,
            events: self.events,
        }
    }

    /// Starts unbraid and waits for its end.
    #[track_caller]
    pub fn run(self) -> Ended {
        self.start().end()
    }
}

/// unbraid while it runs. Dropped, it is ended with all that it started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    ended: Option<ExitStatus>,
    folder: TempDir,
    pub events: Events,
}

impl Running {
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a PID")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The process that reads what the test writes to unbraid's stdin.
    pub fn stdin(&mut self) -> &mut std::process::ChildStdin {
        self.child.stdin.as_mut().expect("a pipe was asked for")
    }

    /// Writes a line to the server's stdin.
    #[track_caller]
    pub fn tell(&mut self, line: &str) {
        use std::io::Write;
        writeln!(self.stdin(), "{line}").expect("the server reads its stdin");
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        proc::signal(self.pid(), signal);
    }

    /// What unbraid wrote to its own stderr so far, when that is a file.
    pub fn stderr(&self) -> String {
        read(&self.folder.path().join("stderr"))
    }

    pub fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("our own child");
        }
        self.ended.is_some()
    }

    /// Waits for the end.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        // A server that reads its stdin to the end would never end.
        drop(self.child.stdin.take());
        let seen = wait::within(wait::LIMIT * 2, || self.has_ended().then_some(()));
        assert!(
            seen.is_some(),
            "unbraid did not end; stderr:\n{}",
            self.stderr()
        );
        Ended {
            status: self.ended.expect("it has ended"),
            running: self,
        }
    }

    /// Waits for the end and says how long it took.
    #[track_caller]
    pub fn end_timed(self, since: Instant) -> (Ended, Duration) {
        let ended = self.end();
        (ended, since.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "unbraid's stderr:\n{}events: {:?}",
                self.stderr(),
                self.events.all()
            );
        }
        if !self.has_ended() {
            proc::end_tree(self.pid());
            self.child.wait().ok();
        }
    }
}

/// unbraid after its end; its files are still there.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    running: Running,
}

impl Ended {
    /// The exit status; a death by a signal has none.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    #[track_caller]
    pub fn assert_code(&self, expected: i32) -> &Self {
        let killed_by = self.status.signal();
        assert_eq!(
            self.code(),
            Some(expected),
            "signal {killed_by:?}; stderr:\n{}",
            self.stderr()
        );
        self
    }

    pub fn pid(&self) -> i32 {
        self.running.pid()
    }

    pub fn folder(&self) -> &Path {
        self.running.folder()
    }

    pub fn log(&self) -> PathBuf {
        self.running.log()
    }

    pub fn events(&self) -> &Events {
        &self.running.events
    }

    pub fn stdout(&self) -> String {
        read(&self.folder().join("stdout"))
    }

    pub fn stderr(&self) -> String {
        self.running.stderr()
    }

    /// A file in its folder.
    pub fn file(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.folder().join(name.as_ref())
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
