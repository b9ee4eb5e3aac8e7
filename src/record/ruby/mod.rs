//! Ruby: uncaught errors, `Thread#report_on_exception`, Logger, Rails.

#[cfg(test)]
mod tests;

use super::language::{
    ERROR_WORD, Error, Frame, Head, Language, ODD_WORD, Opening, Shape, State, Step,
};
use super::line::{Line, after, dotted_len, find, named_error, number, trim};
use memchr::memchr;

/// Ruby 1.9 to 3.4, which quotes names in another way.
pub(super) struct Ruby;

/// A thread's error is announced. Phase 0 is between frames.
const HEAD: u8 = 1;
/// A syntax error, with its source lines.
const SYNTAX: u8 = 2;
/// The interpreter's own crash, with all that it tells of itself.
const BUG: u8 = 3;
/// The last part of that.
const MAPS: u8 = 4;

impl Language for Ruby {
    fn name(&self) -> &'static str {
        "ruby"
    }

    fn first(&self) -> &'static [u8] {
        b"/.#-<[EFWAT"
    }

    fn signs(&self) -> u8 {
        ERROR_WORD | ODD_WORD
    }

    fn indented(&self) -> (&'static [u8], u8) {
        (self.first(), self.signs())
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = line.text;
        if line.indent == 0 && announcement(text) {
            return Opening::Trace(State {
                phase: HEAD,
                ..State::default()
            });
        }
        // Reversed, as Python's; asked only where that is switched off.
        if text == b"Traceback (most recent call last):" {
            return Opening::Trace(State::default());
        }
        if line.indent == 0 && text.starts_with(b"[BUG] ") {
            return Opening::Trace(bug(0));
        }
        // Logger's own: error_highlight puts source lines between the message and the frames.
        if unprefixed(text).len() < text.len() || line.errors && sinatra(text) {
            return Opening::Head(Shape::Firm);
        }
        if frame(line.body()) {
            return Opening::Trace(State {
                always_joins: true,
                ..bare(0)
            });
        }
        if let Some((_, _, rest)) = place(text).filter(|_| line.indent == 0) {
            return match opener(text, 0) {
                Some(state) => Opening::Trace(state),
                None if rest.starts_with(b": warning: ") => Opening::No,
                None => Opening::Head(Shape::Firm),
            };
        }
        // `RuntimeError: text`, `text (RuntimeError)`, Rails' ` NoMethodError (undefined method 'x'):`.
        if line.errors && line.indent <= 2 {
            Opening::Head(Shape::Loose)
        } else {
            Opening::No
        }
    }

    /// Logger's formatter and Rails write the frames alone; the parser of Ruby 3.3 and before, a source line and a caret.
    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        if frame(line.body()) && head.lines <= 3 {
            return Some(bare(line.at));
        }
        let state = State {
            seen: true,
            error: Some(head.at),
            frame: Some(head.at),
            ..State::default()
        };
        // A statement of SQL has its `from` as well.
        if head.lines == 0 && from(line) && find(line.text, b":in ").is_some() {
            return Some(State {
                lines: 1,
                mark: RESCUING,
                ..state
            });
        }
        let marked = head.lines == 2 && !line.blank() && caret(line.body());
        marked.then_some(State {
            phase: SYNTAX,
            ..state
        })
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        match state.phase {
            HEAD => head(state, line),
            SYNTAX => syntax(line),
            BUG | MAPS => crash(state, line),
            _ => frames(state, line),
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        let text = unprefixed(text);
        let Some((_, _, rest)) = place(text) else {
            return in_log(text);
        };
        let message = trim(after(rest, b": ").unwrap_or(rest));
        match message.iter().rposition(|b| *b == b'(') {
            Some(open) if message.ends_with(b")") => (
                Some(&message[open + 1..message.len() - 1]),
                Some(trim(&message[..open])).filter(|m| !m.is_empty()),
            ),
            // Without a message of its own: `Interrupt`.
            _ if message.first().is_some_and(u8::is_ascii_uppercase)
                && dotted_len(message) == message.len() =>
            {
                (Some(message), None)
            }
            _ => (None, Some(message).filter(|m| !m.is_empty())),
        }
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        let text = untagged(trim(unprefixed(text)));
        let text = text.strip_prefix(b"from ").unwrap_or(text);
        let Some((file, line, rest)) = place(text) else {
            return Frame::default();
        };
        let quoted = rest.strip_prefix(b":in ").and_then(|r| r.get(1..));
        let function = quoted.and_then(|q| q.iter().position(|b| *b == b'\'').map(|end| &q[..end]));
        Frame {
            file: Some(file),
            line: Some(line),
            function,
        }
    }
}

/// Frames stand alone, without `from`.
const BARE: u8 = 1;
/// The error was raised while another was rescued: Ruby prints that one, the cause, behind it. Behind a logger's prefix
/// too, an error without a prefix of its own is the cause of the one before.
const RESCUING: u8 = 2;
/// The frames came first, in reversed order.
const REVERSED: u8 = 3;

/// The error is raised in Ruby's own files: the next frame is nearer to the cause.
const INTERNAL: usize = 1;

/// `#<Thread:0x00007f@poller /srv/t.rb:1 run> terminated with exception (report_on_exception is true):`
fn announcement(text: &[u8]) -> bool {
    text.starts_with(b"#<Thread:") && after(text, b"> terminated with exception").is_some()
}

/// Frames alone, from the line at `at` on.
fn bare(at: usize) -> State {
    State {
        seen: true,
        frame: Some(at),
        mark: BARE,
        ..State::default()
    }
}

/// `a.rb:1: [BUG] Segmentation fault at 0x0000000000000000`
fn bug(at: usize) -> State {
    State {
        phase: BUG,
        seen: true,
        error: Some(at),
        frame: Some(at),
        ..State::default()
    }
}

/// Without the prefix of Ruby's own Logger.
fn unprefixed(text: &[u8]) -> &[u8] {
    let logged = matches!(text, [b'E' | b'F' | b'W' | b'A', b',', b' ', b'[', ..]);
    let rest = if logged { after(text, b" -- ") } else { None };
    rest.and_then(|rest| after(rest, b": ")).unwrap_or(text)
}

/// `2026-11-28 14:10:07 - RuntimeError - text`, whose text may have several lines.
fn sinatra(text: &[u8]) -> bool {
    let named = after(text, b" - ").and_then(|rest| after(&rest[..rest.len().min(128)], b" - "));
    text.first().is_some_and(u8::is_ascii_digit) && text.get(4) == Some(&b'-') && named.is_some()
}

/// Without the tags that Rails puts in front of every line: `[2d1e6c3a] app/x.rb:1:in 'f'`.
fn untagged(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let Some(close) = rest
        .strip_prefix(b"[")
        .and_then(|r| r.iter().take(64).position(|b| *b == b']'))
    {
        match rest[close + 2..].strip_prefix(b" ") {
            Some(behind) => rest = behind,
            None => break,
        }
    }
    rest
}

/// `message (Class)` or `Class: message` behind a logger's prefix; Rails: `Class (message):`.
fn in_log(text: &[u8]) -> Error<'_> {
    let text = trim(untagged(text));
    let inspected = text.strip_prefix(b"#<").and_then(|t| t.strip_suffix(b">"));
    let text = inspected.unwrap_or(text);
    let (kind, message) = named_error(text);
    if kind.is_none() || message.is_some() {
        return (kind, message);
    }
    let open = text.iter().rposition(|b| *b == b'(');
    match open {
        Some(open) if text.ends_with(b")") => (
            Some(&text[open + 1..text.len() - 1]),
            Some(trim(&text[..open])),
        ),
        Some(open) if text.ends_with(b"):") => (kind, Some(&text[open + 1..text.len() - 2])),
        _ if kind.is_none() => (None, Some(text).filter(|t| !t.is_empty())),
        _ => (kind, None),
    }
}

/// `path.rb:12` and what follows it.
fn place(text: &[u8]) -> Option<(&[u8], u64, &[u8])> {
    let mut from = 0;
    while let Some(i) = memchr(b':', &text[from..text.len().min(from + 4096)]) {
        let colon = from + i;
        if let Some((line, rest)) = number(&text[colon + 1..]) {
            let file = &text[..colon];
            let known = file.ends_with(b".rb")
                || file.ends_with(b".ru")
                || file.ends_with(b".rake")
                || file == b"-e"
                || file.ends_with(b".erb");
            let behind = rest.starts_with(b":in ") || rest.starts_with(b": ");
            return (behind && (known || rest.starts_with(b":in `") || rest.starts_with(b":in '")))
                .then_some((file, line, rest));
        }
        from = colon + 1;
    }
    None
}

/// `a.rb:1:in 'f'` and nothing more but perhaps the gem or Rails' tags before it.
fn frame(body: &[u8]) -> bool {
    let body = untagged(body);
    let quoted = body.ends_with(b"'") && !matches!(body.first(), Some(b'#' | b'"' | b'['));
    quoted
        && !body.starts_with(b"from ")
        && opener(body, 0).is_none()
        && place(body).is_some_and(|(_, _, rest)| rest.starts_with(b":in "))
}

/// `\tfrom a.rb:1:in 'f'`; Ruby 2.5 to 2.7 on a terminal number them: `\t1: from …`.
fn from(line: &Line<'_>) -> bool {
    let body = line.body();
    let body = number(body)
        .and_then(|(_, r)| r.strip_prefix(b": "))
        .unwrap_or(body);
    line.indent > 0 && body.starts_with(b"from ")
}

/// error_highlight's and the parser's mark below a source line.
fn caret(body: &[u8]) -> bool {
    body.iter().all(|b| matches!(b, b'^' | b'~'))
}

/// `a.rb:1:in 'f': message (Class)`
fn opener(text: &[u8], at: usize) -> Option<State> {
    let (file, _, rest) = place(text)?;
    let internal = file.starts_with(b"<internal:");
    let state = State {
        seen: true,
        error: Some(at),
        frame: Some(at),
        indent: if internal { INTERNAL } else { 0 },
        ..State::default()
    };
    let Some(rest) = rest.strip_prefix(b":in ") else {
        if rest.starts_with(b": [BUG] ") {
            return Some(bug(at));
        }
        let syntax = rest.starts_with(b": syntax error") || rest.ends_with(b"(SyntaxError)");
        return syntax.then_some(State {
            phase: SYNTAX,
            ..state
        });
    };
    let message = after(rest, b"': ")?;
    if message.is_empty() || message.starts_with(b"warning: ") {
        return None;
    }
    let rescuing = rest[1..].starts_with(b"rescue in ") || rest[1..].starts_with(b"ensure in ");
    Some(State {
        mark: if rescuing { RESCUING } else { 0 },
        ..state
    })
}

fn head(state: &mut State, line: &Line<'_>) -> Step {
    match opener(line.text, line.at) {
        Some(next) if line.indent == 0 => {
            *state = next;
            Step::Continue
        }
        _ => Step::Foreign,
    }
}

fn frames(state: &mut State, line: &Line<'_>) -> Step {
    let body = line.body();
    if line.blank() {
        return Step::Hold;
    }
    if state.mark != REVERSED && (from(line) || line.indent > 0 && body.starts_with(b"... "))
        || state.mark == BARE && frame(body)
    {
        nearest(state, line);
        state.lines = state.lines.max(1);
        return Step::Continue;
    }
    if let Some(next) = opener(body, line.at).filter(|_| line.indent == 0) {
        return second(state, next);
    }
    if state.mark == BARE {
        let caused = body.starts_with(b"Caused by:");
        return if caused { Step::Hold } else { Step::Foreign };
    }
    if state.lines > 0
        || announcement(body)
        || body.starts_with(b"Traceback (most recent call last):")
    {
        return Step::Foreign;
    }
    // error_highlight's snippet and did_you_mean stand between the message and its frames.
    let snippet = line.held == 0 && line.indent > 0 || caret(body) || drawn(line);
    if snippet || body.starts_with(b"Did you mean?") {
        Step::Continue
    } else {
        Step::Hold
    }
}

/// Takes the first frame outside Ruby's own files for the error's.
fn nearest(state: &mut State, line: &Line<'_>) {
    let own = find(line.text, b"from <internal:").is_some();
    if state.indent == INTERNAL && !own {
        state.indent = 0;
        state.frame = Some(line.at);
    }
}

/// A further error line: the cause of the one before, or the end of a reversed trace.
fn second(state: &mut State, next: State) -> Step {
    if state.error.is_some() && state.mark != RESCUING || state.mark == BARE {
        return Step::Foreign;
    }
    let first = *state;
    *state = State {
        error: first.error.or(next.error),
        frame: first.error.and(first.frame).or(next.frame),
        indent: if first.error.is_some() {
            first.indent
        } else {
            next.indent
        },
        ..next
    };
    if first.error.is_none() {
        state.mark = REVERSED;
    }
    Step::Continue
}

fn syntax(line: &Line<'_>) -> Step {
    let another = || {
        place(line.text).is_some_and(|(_, _, rest)| {
            rest.starts_with(b": ") && !rest.starts_with(b": warning: ")
        })
    };
    if line.blank() {
        Step::Hold
    } else if caret(line.body()) || drawn(line) || another() {
        Step::Continue
    } else if line.held > 0 || opener(line.text, line.at).is_some() {
        Step::Foreign
    } else if line.indent > 0 || line.text.starts_with(b"...") {
        Step::Continue
    } else {
        // A source line, if a mark follows.
        Step::Hold
    }
}

/// A source line, or a mark below one, as the parser of Ruby 3.4 and syntax_suggest draw them: `> 3 | x`, `    | ^ y`.
fn drawn(line: &Line<'_>) -> bool {
    let body = line.text.strip_prefix(b"> ").unwrap_or(line.body());
    let body = number(body.trim_ascii_start()).map_or(body, |(_, rest)| rest.trim_ascii_start());
    let marked = line.indent > 0 || line.text.starts_with(b"> ");
    marked && (body == b"|" || body.starts_with(b"| "))
}

/// The interpreter tells all that it knows, and dies.
fn crash(state: &mut State, line: &Line<'_>) -> Step {
    let text = line.text;
    if line.blank() {
        return Step::Hold;
    }
    if state.phase == MAPS {
        let address = text.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        if text.starts_with(b"[NOTE]") || text.starts_with(b"[IMPORTANT]") {
            state.phase = BUG;
        } else if address == 0 || text.get(address) != Some(&b'-') {
            return Step::Foreign;
        }
    }
    if text == b"* Process memory map:" {
        state.phase = MAPS;
    }
    if text.starts_with(b"For details: ") {
        return Step::End;
    }
    Step::Continue
}
