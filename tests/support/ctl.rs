//! unbraidctl, and the socket it asks at.

use super::unbraid::{Running, Unbraid, binary};
use super::wait;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// The binary: cargo's, or the one beside what `TEST_UNBRAID` names.
pub fn unbraidctl() -> PathBuf {
    match std::env::var_os("TEST_UNBRAID") {
        Some(_) => binary().with_file_name("unbraidctl"),
        None => env!("CARGO_BIN_EXE_unbraidctl").into(),
    }
}

/// A call of unbraidctl, with no setting of the caller's environment.
pub fn call<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(unbraidctl());
    command
        .args(arguments)
        .env_remove("UNBRAID_CONTROL")
        .env_remove("XDG_RUNTIME_DIR")
        .stdin(Stdio::null());
    command
}

/// What a call gave.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// Makes the call and waits for its end.
#[track_caller]
pub fn answer(command: &mut Command) -> Answer {
    command.output().expect("unbraidctl is there").into()
}

/// An unbraid whose socket lies in its folder.
pub fn controlled(unbraid: Unbraid) -> Unbraid {
    let socket = socket(unbraid.folder());
    unbraid.option("--control").option(socket)
}

pub fn socket(folder: &Path) -> PathBuf {
    folder.join("control.sock")
}

impl Running {
    pub fn socket(&self) -> PathBuf {
        socket(self.folder())
    }

    /// `unbraidctl --control … WORDS`.
    #[track_caller]
    pub fn ctl(&self, words: &str) -> Answer {
        answer(&mut self.ctl_call(words))
    }

    pub fn ctl_call(&self, words: &str) -> Command {
        let mut command = call(["--control"]);
        command.arg(self.socket()).args(words.split(' '));
        command
    }

    #[track_caller]
    pub fn status(&self) -> Value {
        let answer = self.ctl("status --json");
        serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    /// A connection of the test's own.
    #[track_caller]
    pub fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).expect("unbraid listens");
        stream
            .set_read_timeout(Some(wait::LIMIT))
            .expect("a time limit");
        stream
    }
}

/// What a connection still gives until its end.
pub fn rest(mut stream: UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A connection that is closed with something unread is reset; what came before has been read.
    stream.read_to_end(&mut bytes).ok();
    bytes
}

/// A call that goes on, and what it prints. Dropped, it is ended.
#[derive(Debug)]
pub struct Following {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Following {
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("unbraidctl is there");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, lines }
    }

    /// The next line, which must come.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("text");
        assert!(line.ends_with('\n'), "no further line: {line:?}");
        line.trim_end_matches('\n').to_owned()
    }

    /// What is left, and the exit status.
    #[track_caller]
    pub fn end(mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("text");
        (rest, self.child.wait().expect("our own child").code())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
