//! How much a record matters, for formats that must say it. A process says only which stream it wrote to, and what a record is.

use crate::output::{Origin, Stream};
use crate::record::{Kind, Record};

/// From the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Standard output.
    Info,
    /// Standard error: servers write all of their log there, so it is no error by itself.
    Notice,
    /// This program's own messages.
    Warning,
    /// A traceback, whatever its stream.
    Error,
}

impl Severity {
    pub(crate) fn of(origin: &Origin, record: &Record<'_>) -> Self {
        match (&record.kind, origin.stream) {
            (Kind::Traceback(_), _) => Self::Error,
            (Kind::Line, Stream::Unbraid) => Self::Warning,
            (Kind::Line, Stream::Stderr) => Self::Notice,
            (Kind::Line, Stream::Stdout) => Self::Info,
        }
    }

    /// The number of RFC 5424, section 6.2.1.
    pub(crate) fn syslog(self) -> u8 {
        match self {
            Self::Error => 3,
            Self::Warning => 4,
            Self::Notice => 5,
            Self::Info => 6,
        }
    }

    /// OpenTelemetry's number and short name, by its table for syslog (Logs Data Model, appendix B).
    pub(super) fn otel(self) -> (u8, &'static str) {
        match self {
            Self::Error => (17, "ERROR"),
            Self::Warning => (13, "WARN"),
            Self::Notice => (10, "INFO2"),
            Self::Info => (9, "INFO"),
        }
    }
}
