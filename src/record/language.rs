//! What a language brings: a module with one [`Language`], and one line in [`ALL`].

use super::line::Line;
use std::sync::LazyLock;

/// All languages. The first is no language but pretty-printed objects, and is always on.
pub(super) static ALL: &[&dyn Language] = &[
    &super::object::Object,
    &super::python::Python,
    &super::java::Java,
    &super::node::Node,
    &super::ruby::Ruby,
    &super::php::Php,
    &super::go::Go,
    &super::rust::Rust,
    &super::csharp::CSharp,
    &super::perl::Perl,
    &super::lua::Lua,
    &super::elixir::Elixir,
    &super::erlang::Erlang,
    &super::cpp::Cpp,
    &super::dart::Dart,
];

/// Their names, for `--records`.
pub(super) static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| ALL[1..].iter().map(|language| language.name()).collect());

/// How many lines a report may have whose end is a mark, or a blank line: one whose end was lost must not swallow the rest of
/// the stream.
pub(super) const REPORT_LINES: u32 = 2000;

/// Looked at also when `Error` or `Exception` stands anywhere in the line.
pub(super) const ERROR_WORD: u8 = 1;
/// Looked at also when the first word has a dot, or ends in a colon.
pub(super) const ODD_WORD: u8 = 2;
/// Looked at also when the line ends in a digit, or in a digit and a full stop.
pub(super) const NUMBER_STOP: u8 = 4;
/// Looked at also when the line ends in an opening bracket.
pub(super) const OPEN_END: u8 = 8;

/// What is known inside a traceback, as far as its language wants to know it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Which part it is in, by the language's table of phases.
    pub(super) phase: u8,
    /// One fact more, by a constant of the language's; 0: none.
    pub(super) mark: u8,
    /// How far its own lines are indented.
    pub(super) indent: usize,
    /// What goes up and down: open brackets, fields to come, numbers of lines.
    pub(super) depth: i32,
    /// How many lines the part has had.
    pub(super) lines: u32,
    /// A traceback for certain, not only its announcement.
    pub(super) seen: bool,
    /// Between two marks, where even log lines are content.
    pub(super) fenced: bool,
    /// Belongs to the line before it whatever that line's level is.
    pub(super) always_joins: bool,
    /// Where the line that names the error begins, counted from the record's first byte.
    pub(super) error: Option<usize>,
    /// The same for the frame nearest the error.
    pub(super) frame: Option<usize>,
}

/// Whether a line opens a traceback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    No,
    /// It may be the head of one; [`Language::confirm`] decides by the lines that follow.
    Head(Shape),
    /// It does, or it announces one so clearly that it begins a record.
    Trace(State),
}

/// How sure a head is of being the first line of its message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    /// It may be one if the very next line says so: a name that does not even end in `Error`.
    #[default]
    Brief,
    /// An error's name stands somewhere in it: it may as well be the second line of a held head's message.
    Loose,
    /// It has the form of a head from its first byte: it replaces a head that is held.
    Firm,
}

/// Which of a logger's lines a head may stand behind, if its traceback is to be the logger's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Behind {
    /// The line itself, with nothing between but blank lines.
    #[default]
    Message,
    /// Further lines of the message as well.
    Lines,
    /// None: the runtime writes it by itself, and never a logger.
    Nothing,
}

/// A head that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Lines since and with it; 0: there is none, the line follows a logger's line directly.
    pub(super) lines: usize,
    /// Where the head, or the logger's line, begins, counted from the record's first byte.
    pub(super) at: usize,
    /// Where the line behind it begins.
    pub(super) second: usize,
    /// Whether it ends in an opening bracket.
    pub(super) open_end: bool,
}

/// What a line is to an open traceback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Belongs, with all that is held.
    Continue,
    /// Belongs, and nothing can follow.
    End,
    /// Belongs if a later line does.
    Hold,
    /// Does not belong.
    Foreign,
    /// The traceback is that of another language, which is to be asked instead.
    Other(&'static str),
}

/// A place in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Frame<'a> {
    pub(super) file: Option<&'a [u8]>,
    pub(super) line: Option<u64>,
    pub(super) function: Option<&'a [u8]>,
}

/// Type and first line of the message.
pub(super) type Error<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// How one language's runtime prints what went wrong.
pub(super) trait Language: Sync {
    /// As in `--records` and in JSON.
    fn name(&self) -> &'static str;
    /// The bytes with which a line in the first column may begin that opens something.
    fn first(&self) -> &'static [u8];
    /// Further signs ([`ERROR_WORD`] and so on) at which [`Language::open`] is asked of such a line.
    fn signs(&self) -> u8 {
        0
    }
    /// The same two of an indented line, with the byte behind the indentation.
    fn indented(&self) -> (&'static [u8], u8) {
        (b"", 0)
    }
    /// Whether the message ends the traceback, so that its further lines are seen only by the prefix that they lack.
    fn message_last(&self) -> bool {
        false
    }
    /// Whether what opens its traceback follows the logger's message directly: then no blank line stands between, but
    /// further lines of that message may.
    fn follows_directly(&self) -> bool {
        false
    }
    /// Whether `line` opens a traceback.
    fn open(&self, line: &Line<'_>) -> Opening;
    /// Whether `line` makes the head that is held, or the logger's line before it, a traceback.
    fn confirm(&self, _head: Head, _line: &Line<'_>) -> Option<State> {
        None
    }
    /// Whether `line` belongs to the logger's line of WARNING or worse before it, traceback or not.
    fn context(&self, _line: &Line<'_>) -> bool {
        false
    }
    /// What the head `line` may stand behind.
    fn behind(&self, _line: &Line<'_>) -> Behind {
        Behind::Message
    }
    /// What `line` is to the open traceback.
    fn next(&self, state: &mut State, line: &Line<'_>) -> Step;
    /// Type and message from the line at [`State::error`].
    fn error<'a>(&self, text: &'a [u8]) -> Error<'a>;
    /// The place from the line at [`State::frame`], and the line below it.
    fn frame<'a>(&self, text: &'a [u8], below: &'a [u8]) -> Frame<'a>;
}
