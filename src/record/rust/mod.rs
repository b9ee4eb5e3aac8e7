//! Rust: panics, with and without a backtrace; the error chains of anyhow and eyre; the reports of color-eyre, miette,
//! error-stack and the panic hooks.

#[cfg(test)]
mod tests;

use super::language::{Error, Frame, Head, Language, Opening, Shape, State, Step};
use super::line::{Line, after, before, find, number, trim};
use memchr::memmem;

/// The standard library's forms.
pub(super) struct Rust;

/// Behind `thread 'main' panicked at src/main.rs:2:39:`.
const MESSAGE: u8 = 0;
/// Behind `stack backtrace:`.
const BACKTRACE: u8 = 1;
/// Behind `Caused by:`.
const CAUSES: u8 = 2;
/// In a report of color-eyre or better-panic, whose sections have headings of many kinds.
const REPORT: u8 = 3;
/// In human-panic's letter.
const LETTER: u8 = 4;
/// In a message of several lines as Rust wrote it up to 1.72, before `', src/main.rs:2:39`.
const QUOTED: u8 = 5;
/// Behind a message that is complete.
const SAID: u8 = 6;

/// How many lines human-panic's letter may have.
const LETTER_LINES: u32 = 20;

/// What the standard library says last.
const NOTES: &[&[u8]] = &[
    b"fatal runtime error: ",
    b"thread caused non-unwinding panic. aborting.",
    b"thread panicked while processing panic. aborting.",
    b"note: run with `RUST_BACKTRACE",
    b"note: Some details are omitted, run with `RUST_",
];

impl Language for Rust {
    fn name(&self) -> &'static str {
        "rust"
    }

    fn first(&self) -> &'static [u8] {
        b"tEBTW"
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = line.text;
        if line.indent > 0 {
            return Opening::No;
        }
        if opens(text) {
            return Opening::Trace(panic(text));
        }
        let phase = match text {
            b"The application panicked (crashed)."
            | b"Backtrace (most recent call first):"
            | b"Backtrace (most recent call last):" => REPORT,
            b"Well, this is embarrassing." => LETTER,
            _ if text.starts_with(b"Error: ") => return Opening::Head(Shape::Firm),
            _ => return Opening::No,
        };
        Opening::Trace(State {
            phase,
            seen: true,
            error: Some(0),
            ..State::default()
        })
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let found = State {
            phase: CAUSES,
            seen: true,
            error: (head.lines == 0).then_some(line.at),
            ..State::default()
        };
        if section(line.text) {
            // A logger's line may hold the chain only behind a blank line, as `{:?}` prints it.
            return (head.lines > 0 || line.held > 0).then_some(State {
                mark: place_next(line.text),
                ..found
            });
        }
        if head.lines > 0 && line.indent == 3 && line.body().starts_with(b"0: ") {
            return Some(State {
                phase: REPORT,
                error: Some(line.at),
                ..found
            });
        }
        let titled = head.lines > 0 && line.indent == 2 && line.body().starts_with("× ".as_bytes());
        (titled || branch(line.body())).then_some(State {
            error: if titled { Some(line.at) } else { found.error },
            mark: BOXES,
            ..found
        })
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        let text = line.text;
        if state.phase == LETTER {
            return letter(state, line);
        }
        if line.blank() {
            return Step::Hold;
        }
        if !matches!(state.phase, CAUSES | REPORT)
            && NOTES.iter().any(|note| text.starts_with(note))
        {
            return Step::End;
        }
        match state.phase {
            MESSAGE => message(state, line),
            QUOTED => quoted(state, line),
            REPORT => report(state, line),
            SAID if text == b"stack backtrace:" => {
                state.phase = BACKTRACE;
                Step::Continue
            }
            SAID => Step::Foreign,
            CAUSES => causes(state, line),
            _ if line.indent > 0 => Step::Continue,
            _ => Step::Foreign,
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        if section(text) {
            return (None, None);
        }
        let body = text.trim_ascii_start();
        if let Some(chain) = body
            .strip_prefix(b"Error: ")
            .or_else(|| body.strip_prefix("× ".as_bytes()))
            .or_else(|| {
                body.strip_prefix(b"0: ")
                    .filter(|_| body.len() < text.len())
            })
        {
            let message = trim(chain);
            let message = message.strip_prefix("× ".as_bytes()).unwrap_or(message);
            return (Some(b"Error"), Some(message));
        }
        // Up to Rust 1.72 the message stands in the line itself.
        if text.ends_with(b" has overflowed its stack") {
            return (Some(b"panic"), Some(b"stack overflow"));
        }
        let Some(rest) = after(text, b" panicked at ") else {
            let message = text.strip_prefix(b"Message:  ").unwrap_or(text);
            return (Some(b"panic"), Some(trim(message)));
        };
        let quoted = rest
            .strip_prefix(b"'")
            .map(|q| memmem::rfind(q, b"', ").map_or(q, |end| &q[..end]));
        (Some(b"panic"), quoted)
    }

    /// `thread 'main' panicked at src/main.rs:2:39:`, `', src/main.rs:2:39`, `    src/main.rs:10:5`, `in src/main.rs, line 9`.
    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        let rest = after(text, b" panicked at ").unwrap_or(text);
        let place = match memmem::rfind(rest, b"', ") {
            Some(i) => &rest[i + 3..],
            None => rest,
        };
        let place = place
            .strip_prefix(b"Location: ")
            .unwrap_or(place)
            .trim_ascii();
        if let Some((file, line)) = in_line(place) {
            return Frame {
                file: Some(file),
                line: Some(line),
                function: None,
            };
        }
        let Some(file) = before(place, b":") else {
            return Frame::default();
        };
        Frame {
            file: Some(file),
            line: number(&place[file.len() + 1..]).map(|n| n.0),
            function: None,
        }
    }
}

/// The next line is a place.
const PLACE: u8 = 1;
/// The report is drawn with boxes.
const BOXES: u8 = 2;

/// What a heading says of the line below it.
fn place_next(text: &[u8]) -> u8 {
    if text == b"Location:" { PLACE } else { 0 }
}

/// The headings of anyhow's and eyre's chains.
fn section(text: &[u8]) -> bool {
    matches!(text, b"Caused by:" | b"Location:" | b"Stack backtrace:")
}

/// How miette and error-stack draw a cause.
fn branch(body: &[u8]) -> bool {
    ["├╴", "╰╴", "├─▶", "╰─▶"]
        .iter()
        .any(|drawn| body.starts_with(drawn.as_bytes()))
}

/// A character from U+2500 to U+257F.
fn boxed(text: &[u8]) -> bool {
    matches!(text, [0xe2, 0x94 | 0x95, ..])
}

/// `in src/main.rs, line 89`
fn in_line(text: &[u8]) -> Option<(&[u8], u64)> {
    let file = before(text.strip_prefix(b"in ")?, b", line ")?;
    number(&text[3 + file.len() + 7..]).map(|(line, _)| (file, line))
}

/// The state behind a panic's first line.
fn panic(text: &[u8]) -> State {
    let old = after(text, b" panicked at '").is_some();
    let phase = match (old, said(text)) {
        (false, _) => MESSAGE,
        (true, true) => SAID,
        (true, false) => QUOTED,
    };
    State {
        phase,
        seen: true,
        error: Some(0),
        frame: (phase != QUOTED).then_some(0),
        ..State::default()
    }
}

/// `…', src/main.rs:2:39`
fn said(text: &[u8]) -> bool {
    let place = memmem::rfind(text, b"', ").map(|i| &text[i + 3..]);
    let line = place.and_then(|place| after(place, b":")).and_then(number);
    line.is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with(b":"))
}

fn quoted(state: &mut State, line: &Line<'_>) -> Step {
    if said(line.text) {
        state.phase = SAID;
        state.frame = Some(line.at);
        return Step::Continue;
    }
    if opens(line.text) {
        Step::Foreign
    } else {
        Step::Hold
    }
}

fn causes(state: &mut State, line: &Line<'_>) -> Step {
    if section(line.text) {
        state.mark = place_next(line.text);
        return Step::Continue;
    }
    if line.indent > 0 && state.mark == PLACE {
        state.mark = 0;
        state.frame = Some(line.at);
    }
    if line.indent > 0 || state.mark == BOXES && boxed(line.text) {
        Step::Continue
    } else {
        Step::Foreign
    }
}

/// Sections stand between blank lines and may begin with anything; the hints at the end are always the same.
fn report(state: &mut State, line: &Line<'_>) -> Step {
    const HEADINGS: &[&[u8]] = &[
        b"The application panicked (crashed).",
        b"Suggestion: ",
        b"Note: ",
        b"Warning: ",
        b"Backtrace omitted. ",
        b"Run with COLORBT_SHOW_HIDDEN=",
    ];
    let text = line.text;
    if text.starts_with(b"Run with RUST_BACKTRACE=full") || text.starts_with(b"thread: ") {
        return Step::End;
    }
    let place = text == b"Location:";
    if text.starts_with(b"Message:  ") || line.indent == 2 && state.mark == BOXES {
        state.error = Some(line.at);
    }
    if text.starts_with(b"Location: ") || in_line(text).is_some() || state.mark == PLACE {
        state.frame = Some(line.at);
    } else if !(place || line.indent > 0 || text.starts_with(b"Message:  ")) {
        if !HEADINGS.iter().any(|heading| text.starts_with(heading)) {
            let other = opens(text) || text.starts_with(b"Error: ");
            return if other { Step::Foreign } else { Step::Hold };
        }
        // better-panic's message is the line behind this one.
        state.mark = if text == HEADINGS[0] { BOXES } else { 0 };
        return Step::Continue;
    }
    state.mark = place_next(text);
    Step::Continue
}

fn letter(state: &mut State, line: &Line<'_>) -> Step {
    state.lines += 1;
    if line.text == b"Thank you kindly!" {
        Step::End
    } else if state.lines > LETTER_LINES {
        Step::Foreign
    } else {
        Step::Hold
    }
}

fn opens(text: &[u8]) -> bool {
    panicked(text) || text.starts_with(b"thread '") && text.ends_with(b" has overflowed its stack")
}

/// `thread 'main' panicked at …`; since 1.91 with the thread's number, `thread 'main' (6916) panicked at …`.
fn panicked(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"thread ") else {
        return false;
    };
    let place = after(rest, b" panicked at ");
    place.is_some_and(|p| p.starts_with(b"'") || find(p, b":").is_some())
        && matches!(rest.first(), Some(b'\'' | b'<'))
}

/// The message's first line follows at once; whether there are more is known when a note or a backtrace follows.
fn message(state: &mut State, line: &Line<'_>) -> Step {
    state.lines += 1;
    if line.text == b"stack backtrace:" {
        state.phase = BACKTRACE;
        return Step::Continue;
    }
    if state.lines == 1 && line.held == 0 && !opens(line.text) {
        state.error = Some(line.at);
        return Step::Continue;
    }
    // An error's chain, as `unwrap` prints it, has its own headings and a stack of any length.
    if section(line.text) || line.indent > 0 && line.held == 0 {
        return Step::Continue;
    }
    if opens(line.text) {
        Step::Foreign
    } else {
        Step::Hold
    }
}
