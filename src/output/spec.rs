//! What `-o [FORMAT:]DEST[,FILTER…]` means. Pure.

use super::Stream;
use std::path::PathBuf;

/// One `-o`, parsed and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputSpec {
    /// How records are written there.
    pub format: Format,
    /// `--time`.
    pub time: TimeStyle,
    /// Where.
    pub target: Target,
    /// Which records go there.
    pub filter: Filter,
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// The process's own bytes.
    #[default]
    Raw,
    /// Time, PID and stream before each line.
    Prefix,
    /// One JSON object a line.
    Json,
}

/// `--time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeStyle {
    /// RFC 3339 with `Z`.
    #[default]
    Utc,
    /// RFC 3339 with the local offset.
    Local,
    /// No time.
    None,
}

/// DEST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// unbraid's own standard output.
    Stdout,
    /// unbraid's own standard error.
    Stderr,
    /// One file (regular, FIFO, device), opened at start.
    File(PathBuf),
    /// A file for each distinct expansion, opened at its first record.
    Template(Template),
}

/// A path with fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// In order. At least one is a field.
    pub pieces: Vec<Piece>,
}

/// A piece of a path with fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it stands (bytes of a path).
    Text(Vec<u8>),
    /// `{pid}`
    Pid,
    /// `{slot}`
    Slot,
    /// `{stream}`
    Stream,
    /// `{name}`
    Name,
}

/// Which records a destination takes; every condition given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// `stream=`. Several `stream=` are alternatives; empty: all streams.
    pub streams: Vec<Stream>,
    /// `kind=traceback` (`Some(true)`) or `kind=line` (`Some(false)`).
    pub traceback: Option<bool>,
    /// `slot=`. Several are alternatives; empty: all slots.
    pub slots: Vec<u32>,
}
