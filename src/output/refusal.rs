//! Why a destination, a format or a template is refused. Pure.

use super::spec::FORMATS;

/// Why a `-o`, `--format` or `--time` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A format that does not exist.
    #[error("unknown format {0:?}: there are {FORMATS}")]
    UnknownFormat(String),
    /// A word before a colon that is no format, in a destination.
    #[error("unknown format {0:?}: there are {FORMATS}; for a path that begins so, write ./{0}:…")]
    UnknownPrefix(String),
    /// The format `template` without a `--template`.
    #[error("format \"template\": give the template with --template '{{time}} {{pid}} {{line}}'")]
    NoTemplate,
    /// A template that says nothing of a record, or says it twice.
    #[error(
        "must have one {{line}} (the columns on each line) or one {{record}} (the columns once)"
    )]
    TemplateContent,
    /// A template of several lines.
    #[error("holds a newline; a template makes the columns of one line")]
    TemplateNewline,
    /// A style of `--time` that does not exist.
    #[error("unknown time style {0:?}: there are utc, local and none")]
    UnknownTime(String),
    /// Nothing where the destination should be.
    #[error("no destination in {0:?}: give -, stdout, stderr or a path")]
    Empty(String),
    /// A format before a receiver, which has its own.
    #[error("{0} has a form of its own: give no format before it")]
    FormatFixed(String),
    /// An address that names no host and port.
    #[error("{0:?}: must be syslog+tcp://HOST:PORT")]
    Address(String),
    /// A transport of syslog that does not exist.
    #[error(
        "syslog+{0}: there are syslog+tcp:// and syslog+unix:; TLS is for a collector beside the server"
    )]
    UnknownTransport(String),
    /// `syslog+unix:` without a path.
    #[error("syslog+unix: needs the path of a socket")]
    NoSocket,
    /// A queue for a destination that is no receiver.
    #[error("{0}= is for syslog: and journald: destinations")]
    NoQueue(String),
    /// A path that no file can have.
    #[error("the path {0:?} holds a NUL byte")]
    Nul(String),
    /// `{` without `}`.
    #[error("{0:?}: a {{ is not closed; write {{{{ for a brace")]
    Unclosed(String),
    /// `}` without `{`.
    #[error("{0:?}: a }} closes nothing; write }}}} for a brace")]
    Unopened(String),
    /// `{}` or an unknown name between braces.
    #[error("{text:?}: unknown field {{{field}}}: there are {fields}")]
    UnknownField {
        /// The path or the template.
        text: String,
        /// What stands between the braces.
        field: String,
        /// What could have stood there.
        fields: &'static str,
    },
    /// `,word=…` at the end, where `word` is no filter.
    #[error(
        "unknown filter {0:?}: there are stream=, kind=, slot= and when-full=, for syslog: and journald: also queue= and queue-size="
    )]
    UnknownFilter(String),
    /// A filter's value that means nothing.
    #[error("{key}={value:?}: {wanted}")]
    FilterValue {
        /// The filter.
        key: &'static str,
        /// What was given.
        value: String,
        /// What could have been.
        wanted: &'static str,
    },
    /// Two of a word of which one would say nothing.
    #[error("{0}= is given twice")]
    Twice(String),
}
