//! How a server is, as a client is told.

use serde::{Deserialize, Serialize};

/// What the server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was started and has not shown yet that it runs.
    Starting,
    /// It runs.
    Up,
    /// It was told to end.
    Stopping,
    /// It has ended, and is started again.
    Restarting,
    /// It has ended for good; what its processes wrote is read to the end.
    Ended,
}

impl State {
    /// The word for it, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Stopping => "stopping",
            Self::Restarting => "restarting",
            Self::Ended => "ended",
        }
    }
}

/// What a process is to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The main process, which gets the signals.
    Main,
    /// Any other.
    Worker,
}

/// Whether a process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// It runs, or waits for something.
    Running,
    /// It is stopped, by a signal or a tracer (seen by the client).
    Stopped,
    /// It has ended; its pipes are not at their end.
    Ended,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The small number that is used again; a process that has written nothing has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<u32>,
    /// Its PID, as unbraid sees it.
    pub pid: i32,
    /// What it is to the server.
    pub role: Role,
    /// Which copy of the server it belongs to, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<u32>,
    /// Seconds since unbraid has known it.
    pub age: f64,
    /// Whether it lives.
    pub state: Life,
    /// Whole records written; absent where the data plane does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// Bytes read from its pipes; absent as `records`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When the first byte of its last record was read (RFC 3339); absent: there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// Other processes write to its pipes too.
    pub shared: bool,
    /// Bytes of memory that are resident. Filled in by the client, from /proc, where it sees the same processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}

/// One of several copies of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its number, from 0.
    pub instance: u32,
    /// What it is doing.
    pub state: State,
    /// As in [`Status`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_start: Option<f64>,
    /// As in [`Status`].
    pub restarts: u64,
    /// As in [`Status`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime: Option<f64>,
}

/// A server with its processes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `--name`.
    pub name: String,
    /// unbraid's own PID.
    pub pid: i32,
    /// unbraid's version.
    pub version: String,
    /// The profile: what kind of server it is taken for.
    pub server: String,
    /// What it is doing; of several copies, what the one does that is least well.
    pub state: State,
    /// Seconds until the next start, where it is being restarted after a delay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_start: Option<f64>,
    /// How often it was started again; of several copies, in all.
    pub restarts: u64,
    /// Seconds since it was last started; absent while it does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime: Option<f64>,
    /// Records of the whole run; absent where the data plane does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// Bytes read in the whole run; absent as `records`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Records that were dropped: no reader was left, or the destination was full and that was asked for; absent as `records`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<u64>,
    /// Destinations that take nothing now, by name.
    #[serde(default)]
    pub blocked: Vec<String>,
    /// The data plane did not answer in time: it hangs on a file.
    #[serde(default)]
    pub hangs: bool,
    /// The copies, where `--instances` is given.
    #[serde(default)]
    pub instances: Vec<InstanceStatus>,
    /// The processes that are captured, by slot.
    pub processes: Vec<Row>,
    /// How many more there are than fit into an answer.
    #[serde(default)]
    pub left_out: u64,
}
