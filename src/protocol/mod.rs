//! What `unbraidctl` and unbraid say to each other over the control socket: one JSON object a line, each way. Pure.
//!
//! unbraidctl(1), PROTOCOL, tells it for others. Both sides read tolerantly: fields that they do not know are ignored. What is
//! no request of this version is answered by one error, and the connection is closed.

mod answer;
mod status;

pub use answer::Answer;
pub use status::{InstanceStatus, Life, Role, Row, State, Status};

use crate::supervise::task::Task;
use serde::{Deserialize, Serialize};

/// The version that each request names.
pub const VERSION: u64 = 1;

/// The longest request, in bytes, its newline included.
pub const MAX_REQUEST: usize = 4096;

/// Which records `logs` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Logs {
    /// Records go on coming until the connection ends.
    pub follow: bool,
    /// Those of this process only.
    pub pid: Option<i32>,
    /// Those of this slot only; unbraid's own messages are of none.
    pub slot: Option<u32>,
    /// How many of the past at the most; `None`: all that are kept, or with `follow` none.
    pub lines: Option<u64>,
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// How the server and its processes are.
    Status,
    /// Something to be done.
    Task {
        /// What.
        task: Task,
        /// The answer waits for the outcome, where that takes its time.
        wait: bool,
    },
    /// The last records, or those to come.
    Logs(Logs),
}

/// A request as it stands in its line.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Line {
    v: Option<u64>,
    #[serde(rename = "do")]
    what: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    wait: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<i32>,
    #[serde(default, skip_serializing_if = "is_false")]
    follow: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<u64>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the shape that serde wants"
)]
fn is_false(value: &bool) -> bool {
    !value
}

impl Line {
    fn decode(line: &[u8]) -> Result<Self, String> {
        // serde would take an array for the fields in their order.
        let object = line.trim_ascii_start().starts_with(b"{");
        match serde_json::from_slice(line) {
            Ok(read) if object => Ok(read),
            Err(error) if object && error.is_data() => {
                let cause: String = error.to_string().chars().take(100).collect();
                Err(format!("not a request: {cause}"))
            }
            _ => Err("not a request: one JSON object a line is expected".to_owned()),
        }
    }
}

impl Request {
    /// Reads one line, with or without its newline. The error is one line for the client.
    pub fn decode(line: &[u8]) -> Result<Self, String> {
        let line = Line::decode(line)?;
        match line.v {
            Some(VERSION) => {}
            Some(other) => {
                return Err(format!(
                    "version {other} is not spoken here; {VERSION} is (field v)"
                ));
            }
            None => return Err(format!("no version: {VERSION} is expected in field v")),
        }
        let what = line.what.as_deref().unwrap_or_default();
        match what {
            "status" => Ok(Self::Status),
            "logs" => Ok(Self::Logs(Logs {
                follow: line.follow,
                pid: line.pid,
                slot: line.slot,
                lines: line.lines,
            })),
            "workers" => match line.change {
                Some(change) if change != 0 => Ok(Self::task(Task::Workers(change), line.wait)),
                _ => Err("workers: field change must be a number other than 0".to_owned()),
            },
            name => Task::named(name)
                .map(|task| Self::task(task, line.wait))
                .ok_or_else(|| "field do names nothing that can be done".to_owned()),
        }
    }

    fn task(task: Task, wait: bool) -> Self {
        Self::Task { task, wait }
    }

    /// The line, with its newline.
    pub fn encode(&self) -> Vec<u8> {
        let mut line = Line {
            v: Some(VERSION),
            ..Line::default()
        };
        line.what = Some(match self {
            Self::Status => "status".to_owned(),
            Self::Logs(_) => "logs".to_owned(),
            Self::Task {
                task: Task::Workers(_),
                ..
            } => "workers".to_owned(),
            Self::Task { task, .. } => task.to_string(),
        });
        match *self {
            Self::Status => {}
            Self::Task { task, wait } => {
                line.wait = wait;
                line.change = match task {
                    Task::Workers(change) => Some(change),
                    _ => None,
                };
            }
            Self::Logs(logs) => {
                line.follow = logs.follow;
                line.pid = logs.pid;
                line.slot = logs.slot;
                line.lines = logs.lines;
            }
        }
        as_line(&line)
    }
}

/// One JSON object and its newline.
fn as_line(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(value).expect("text and numbers: nothing that JSON lacks");
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests;
