//! What holds for every destination alike: rotation, exclusive access, a destination that is full. Pure.

use super::rotate::period::Period;
use std::time::Duration;

/// The settings that stand beside the destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// When a file is moved aside, and what becomes of it.
    pub rotation: Rotation,
    /// `--lock`: hold flock(2) around each batch.
    pub lock: bool,
    /// `--when-full`.
    pub when_full: WhenFull,
    /// `--sync`.
    pub sync: WhenSync,
    /// All destinations together shall not have more than this pending, in bytes; above it the caller stops reading.
    pub max_pending: usize,
}

impl Default for Settings {
    /// No rotation, no lock, no sync, and a quarter of the default `--max-memory`.
    fn default() -> Self {
        Self {
            rotation: Rotation::default(),
            lock: false,
            when_full: WhenFull::Block,
            sync: WhenSync::Never,
            max_pending: 16 << 20,
        }
    }
}

/// `--rotate-size`, `--rotate-every`, `--keep`, `--keep-for`, `--compress`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rotation {
    /// Before a file would become larger than this, in bytes. A record that is larger by itself has a file of its own.
    pub size: Option<u64>,
    /// At the full hours, the midnights… of the wall clock.
    pub every: Option<Period>,
    /// How many old files of one log are kept.
    pub keep: Option<usize>,
    /// How long an old file is kept.
    pub keep_for: Option<Duration>,
    /// How an old file is packed.
    pub compress: Option<Compression>,
}

impl Rotation {
    /// Whether anything is to be done to old files.
    pub fn tidies(&self) -> bool {
        self.keep.is_some() || self.keep_for.is_some() || self.compress.is_some()
    }
}

/// `--compress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878, with a checksum.
    Zstd,
}

impl Compression {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Gzip, Self::Zstd];

    /// The name that `--compress` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// What a packed file's name ends with.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

/// `--when-full`: what becomes of records for a destination that takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// They wait, and when the destination's queue is full, so do the writers.
    #[default]
    Block,
    /// When the queue is full they are dropped, counted and told.
    Drop,
}

impl WhenFull {
    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "block" => Some(Self::Block),
            "drop" => Some(Self::Drop),
            _ => None,
        }
    }

    /// The name that `--when-full` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Drop => "drop",
        }
    }
}

/// `--sync`: when a file's data is brought to the disk (fdatasync(2)), always by a thread that nobody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenSync {
    /// When the kernel likes.
    #[default]
    Never,
    /// When a file is rotated or closed.
    Rotate,
    /// Also so long after it was written to.
    Every(Duration),
}
