//! What a traceback says: from the places that the machine has marked to names and texts.

use super::Trace;
use super::language::Language;
use super::line::{CLIP, strip_colours, trim_end};
use super::machine::Marks;
use super::rules::language;
use memchr::memchr;

/// How many lines may stand between the line that announces an error and the one that names it.
const ANNOUNCING: usize = 20;

/// What a traceback in `bytes` says, as far as it is in them; `plain` is for its lines without colours.
pub(super) fn trace<'a>(bytes: &'a [u8], marks: Marks, plain: &'a mut [Vec<u8>; 3]) -> Trace<'a> {
    let lang = language(marks.language);
    let [error_line, frame_line, below] = plain;
    let error = marks.error.and_then(|at| {
        let at = naming(bytes, lang, at, marks.frame, error_line);
        line_at(bytes, at, error_line)
    });
    let (exception_type, exception_message) =
        error.map_or((None, None), |(text, _)| lang.error(text));
    let frame = marks.frame.and_then(|at| line_at(bytes, at, frame_line));
    let frame = frame
        .map(|(text, end)| {
            let below = line_at(bytes, end, below).unwrap_or_default().0;
            lang.frame(text, below)
        })
        .unwrap_or_default();
    Trace {
        lang: lang.name(),
        exception_type,
        exception_message,
        file: frame.file,
        line: frame.line,
        function: frame.function,
    }
}

/// Where the error is named: at `at` or, where that line only announces it, at the next that does before the `frame`.
fn naming(
    bytes: &[u8],
    lang: &dyn Language,
    at: usize,
    frame: Option<usize>,
    plain: &mut Vec<u8>,
) -> usize {
    let mut from = at;
    for _ in 0..ANNOUNCING {
        let Some((text, next)) = line_at(bytes, from, plain) else {
            break;
        };
        if lang.error(text) != (None, None) {
            return from;
        }
        if frame.is_none_or(|frame| next >= frame) {
            break;
        }
        from = next;
    }
    at
}

/// The line of `bytes` that begins at `at`, without colours, and where the next one does. `plain` holds what had some.
fn line_at<'a>(bytes: &'a [u8], at: usize, plain: &'a mut Vec<u8>) -> Option<(&'a [u8], usize)> {
    let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
    let end = memchr(b'\n', rest).map_or(rest.len(), |i| i + 1);
    let text = trim_end(&rest[..end.min(CLIP)]);
    if memchr(0x1b, text).is_none() {
        return Some((text, at + end));
    }
    strip_colours(text, plain);
    Some((plain, at + end))
}
