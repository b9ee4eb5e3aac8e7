//! Records → formats → destinations.

mod batch;
pub mod budget;
mod check;
mod delays;
pub mod destinations;
pub mod format;
pub mod network;
mod news;
mod open;
mod refusal;
pub mod rotate;
mod seen;
pub mod settings;
mod sink;
pub mod spec;
mod syncing;
pub mod template;
pub mod time;

pub use budget::FdBudget;
pub use destinations::{Destinations, Dropped, Notice, OpenError, TokenRange};
pub use settings::Settings;

/// Which of a process's streams a record came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// unbraid's own messages.
    Unbraid,
}

impl Stream {
    /// The name that `{stream}`, JSON and the filters use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Unbraid => "unbraid",
        }
    }
}

/// Who wrote a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The process ID, in unbraid's PID namespace.
    pub pid: i32,
    /// The small stable number of the process; 0 is the server's main process and unbraid itself.
    pub slot: u32,
    /// The stream.
    pub stream: Stream,
    /// Whether several processes write to the pipe, so that `pid` is only the one it was made for.
    pub shared: bool,
    /// Which open pipe this came from: unique while unbraid runs. Parts of one record have one source.
    pub source: u64,
}
