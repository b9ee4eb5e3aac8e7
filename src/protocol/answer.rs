//! What unbraid answers.

use super::{Status, VERSION, as_line};
use serde::{Deserialize, Serialize};

/// One line of an answer. A record is none of these: it stands in a line of its own, as `-o json` writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// How the server and its processes are.
    Status(Box<Status>),
    /// A task was taken on. Where the client waits for the outcome, more lines follow.
    Accepted(String),
    /// How far a task is, for people.
    Progress(String),
    /// This is over, and all went well.
    Done(String),
    /// It was refused, or has failed; nothing follows.
    Error(String),
    /// So many records were left out here, because the client does not read fast enough.
    Dropped(u64),
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    v: u64,
    #[serde(flatten)]
    answer: T,
}

impl Answer {
    /// The line, with its newline.
    pub fn encode(&self) -> Vec<u8> {
        as_line(&Envelope {
            v: VERSION,
            answer: self,
        })
    }

    /// Reads one line; `None`: it is something else, such as a record.
    pub fn decode(line: &[u8]) -> Option<Self> {
        let envelope: Envelope<Self> = serde_json::from_slice(line).ok()?;
        (envelope.v == VERSION).then_some(envelope.answer)
    }
}
