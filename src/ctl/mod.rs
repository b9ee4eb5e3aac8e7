//! `unbraidctl`: asks a running unbraid, and prints what it answers.
//!
//! Exit status: 0 done; 1 refused, failed, nobody there, or for `status` a server that is not up; 2 malformed.

mod args;
mod connection;
mod find;
mod logs;
mod status;
mod table;

pub use args::command;

use crate::protocol::{Answer, Request};
use crate::supervise::task::Task;
use args::{Call, Errand};
use connection::Connection;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

/// Why it did not come to an answer, in one line.
#[derive(Debug)]
struct Failure(String);

/// Does what the arguments say (the program's own name first); the exit status.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> i32 {
    let call = match args::parse(args) {
        Ok(call) => call,
        Err(error) => return print_usage(&error.text, error.to_stdout, error.status),
    };
    let done = match call {
        Call::Print(text) => show(&text).map(|()| 0),
        Call::Ask { control, errand } => {
            find::socket(control, env).and_then(|path| errand_at(path, &errand))
        }
    };
    done.unwrap_or_else(|Failure(text)| {
        // Where standard error is closed, the status alone tells.
        let _ = writeln!(io::stderr(), "unbraidctl: {text}");
        1
    })
}

fn print_usage(text: &str, to_stdout: bool, status: i32) -> i32 {
    let written = if to_stdout {
        io::stdout().write_all(text.as_bytes())
    } else {
        io::stderr().write_all(text.as_bytes())
    };
    if written.is_ok() {
        status
    } else {
        status.max(1)
    }
}

fn errand_at(path: PathBuf, errand: &Errand) -> Result<i32, Failure> {
    let mut connection = Connection::open(path)?;
    match errand {
        Errand::Status { json } => status::once(&mut connection, *json),
        Errand::Watch => status::watch(&mut connection),
        Errand::Task { task, wait } => task_at(&mut connection, *task, *wait),
        Errand::Logs { which, json } => logs::print(&mut connection, *which, *json),
    }
}

fn task_at(connection: &mut Connection, task: Task, wait: bool) -> Result<i32, Failure> {
    connection.ask(Request::Task { task, wait })?;
    loop {
        match connection.answer()? {
            Answer::Accepted(_) if wait => connection.wait_for_ever()?,
            Answer::Accepted(_) => {
                show(format!("{task}: accepted\n").as_bytes())?;
                return Ok(0);
            }
            Answer::Progress(text) => show(format!("{task}: {text}\n").as_bytes())?,
            Answer::Done(_) => {
                show(format!("{task}: done\n").as_bytes())?;
                return Ok(0);
            }
            Answer::Error(why) => return Err(Failure(format!("{task}: {why}"))),
            Answer::Status(_) | Answer::Dropped(_) => {}
        }
    }
}

/// Writes to standard output at once.
fn show(text: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text)
        .and_then(|()| out.flush())
        .map_err(|error| cannot_write(&error))
}

fn cannot_write(error: &io::Error) -> Failure {
    Failure(format!("cannot write to stdout: {}", crate::cause(error)))
}
