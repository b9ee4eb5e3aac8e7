//! The lines behind the open record that are not decided yet.

use super::log::ends_open;
use super::{Emit, Machine, Mode, Open};
use crate::record::language::{Behind, Head, Language, Shape, State};
use crate::record::line::Line;
use crate::record::rules::{OBJECT, Seen, Set, members};

/// How many undecided lines may stand behind the open record, and how many bytes.
pub(super) const HELD_LINES: usize = 32;
const HELD_BYTES: usize = 16 << 10;

/// The undecided lines.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pending {
    lens: [u32; HELD_LINES],
    pub(super) lines: usize,
    pub(super) bytes: usize,
    /// The first of them is a head, for these languages. Empty: they belong to the open record, or to none.
    pub(super) heads: Set,
    /// The form of that head.
    shape: Shape,
    /// It ends in an opening bracket.
    open_end: bool,
    /// The line before announced the next, which is no head of its own whatever it looks like.
    nested: bool,
    /// How many of them stand before the head.
    before: usize,
    pub(super) role: Role,
}

/// What the undecided lines are to the logger's line before them, if they prove to be what they look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Role {
    /// Its own: blank lines, an open value's, a head whose traceback it announced.
    #[default]
    Own,
    /// Further lines of its message, without a head so far.
    Message,
    /// A head whose traceback is a record of its own.
    Apart,
}

impl Machine {
    /// Whether `line` makes the held head a traceback; it is taken then.
    pub(super) fn confirmed_by(&mut self, line: &Line<'_>, len: usize) -> bool {
        // A head's place is counted from its own record, unless it joins a logger's line.
        let first = if self.behind_logger() {
            0
        } else {
            self.open_len()
        };
        let Pending { before, lens, .. } = self.pending;
        let at = self.open_len() - first + self.pending.bytes_before();
        let head = Head {
            lines: self.pending.lines - before,
            at,
            second: at + lens[before] as usize,
            open_end: self.pending.open_end,
        };
        let line = Line {
            at: line.at - first,
            ..*line
        };
        let Some((language, state)) = confirmed(members(self.pending.heads), head, &line) else {
            return false;
        };
        self.confirm(language, state, head.at, len);
        true
    }

    /// Behind a head that is held. `false`: it is held no more, and the line is still to be judged.
    pub(super) fn behind_head(&mut self, line: &Line<'_>, seen: &Seen, len: usize) -> bool {
        // An exception's message may hold a pretty-printed object.
        let object = seen.heads == OBJECT && self.pending.heads & !OBJECT != 0;
        let further = seen.heads != 0
            && seen.shape >= self.pending.shape
            && !self.pending.nested
            && !(object && self.pending.shape == Shape::Firm);
        let replaced = self.pending.shape == Shape::Brief || further;
        if replaced && seen.opener.is_none() && self.long.is_none() && self.behind_logger() {
            self.pending.heads = 0;
            self.pending.role = Role::Message;
            return false;
        }
        if seen.opener.is_some() || replaced || self.long.is_some() || !self.hold(len) {
            self.release();
            return false;
        }
        self.pending.nested = line.body() == b"nested exception is:";
        true
    }

    /// Whether the held lines have no more than their newlines.
    pub(super) fn only_blanks_held(&self) -> bool {
        self.pending.bytes <= self.pending.lines * b"\r\n".len()
    }

    /// The held head is a traceback's, and so are the lines behind it.
    fn confirm(&mut self, language: u8, mut state: State, head_at: usize, len: usize) {
        state.error = state.error.or(Some(head_at));
        if self.behind_logger() && !state.fenced && self.pending.role != Role::Apart {
            return self.join(language, state, len);
        }
        state.error = state.error.and_then(|at| at.checked_sub(head_at));
        state.frame = state.frame.and_then(|at| at.checked_sub(head_at));
        let pending = std::mem::take(&mut self.pending);
        self.close();
        self.leave_singly(&pending.lens[..pending.before]);
        let bytes = pending.bytes - pending.bytes_before();
        self.open_trace(language, state, false, bytes + len);
    }

    /// `len` bytes belong to the open record, and with them all that is held.
    pub(super) fn commit(&mut self, len: usize) {
        let held = self.pending.bytes;
        if self.pending.lines > 0 {
            self.pending = Pending::default();
        }
        if let Some(open) = &mut self.open {
            open.len += held + len;
        }
    }

    /// Holds a line; `false` if no more may be held.
    pub(super) fn hold(&mut self, len: usize) -> bool {
        let pending = &mut self.pending;
        if pending.lines == HELD_LINES || pending.bytes + len > HELD_BYTES || self.long.is_some() {
            return false;
        }
        pending.lens[pending.lines] = len as u32;
        pending.lines += 1;
        pending.bytes += len;
        true
    }

    pub(super) fn hold_head(&mut self, line: &Line<'_>, seen: &Seen, len: usize) {
        let before = self.pending.lines;
        if self.hold(len) {
            self.pending.heads = seen.heads;
            self.pending.shape = seen.shape;
            self.pending.open_end = ends_open(line.text);
            self.pending.nested = line.text.ends_with(b":");
            self.pending.before = before;
            self.pending.role = match behind(seen.heads, line) {
                Behind::Message if before == 0 => Role::Own,
                Behind::Lines => Role::Own,
                Behind::Message | Behind::Nothing => Role::Apart,
            };
        } else {
            self.close();
            self.alone(len);
        }
    }

    /// What is held was no traceback: the rest of a message, where one goes on, else lines of their own.
    fn release(&mut self) {
        if matches!(
            self.open,
            Some(Open {
                mode: Mode::Trace { prefixed: true, .. },
                ..
            })
        ) {
            return self.commit(0);
        }
        let pending = std::mem::take(&mut self.pending);
        self.leave();
        self.leave_singly(&pending.lens[..pending.lines]);
    }

    pub(super) fn close(&mut self) {
        if self.pending.lines == 0 {
            return self.leave();
        }
        if self.pending.heads != 0 {
            self.release();
        }
        let pending = std::mem::take(&mut self.pending);
        self.leave();
        self.leave_singly(&pending.lens[..pending.lines]);
    }

    fn leave_singly(&mut self, lens: &[u32]) {
        for len in lens {
            self.out.push(Emit {
                len: *len as usize,
                trace: None,
                parts: 0,
            });
        }
    }
}

impl Pending {
    /// The bytes that stand before the head.
    fn bytes_before(&self) -> usize {
        self.lens[..self.before].iter().map(|n| *n as usize).sum()
    }
}

/// The first language that takes `line` for the confirmation of `head`.
pub(super) fn confirmed<'l>(
    languages: impl Iterator<Item = (u8, &'l dyn Language)>,
    head: Head,
    line: &Line<'_>,
) -> Option<(u8, State)> {
    let mut languages = languages;
    languages.find_map(|(i, l)| l.confirm(head, line).map(|state| (i, state)))
}

/// What the head `line` may stand behind: what the one says that knows best.
fn behind(heads: Set, line: &Line<'_>) -> Behind {
    let known = members(heads).map(|(_, l)| l.behind(line));
    known.max().unwrap_or_default()
}
