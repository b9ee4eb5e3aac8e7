//! A line's bytes as the rules want to see them, with as little looking as can be.

use super::line::{Line, names_error, strip_colours, trim_end};
use super::rules::Rules;
use memchr::{memchr, memchr2};

/// Where the next bytes stand that make a line worth a second look, each searched for once it is asked for.
#[derive(Debug, Default)]
pub(super) struct Marked {
    escape: Option<usize>,
    any: Option<usize>,
}

impl Marked {
    /// Whether an escape stands in `input[at..end]`.
    #[inline]
    pub(super) fn escape(&mut self, input: &[u8], at: usize, end: usize) -> bool {
        next(&mut self.escape, at, || memchr(0x1b, &input[at..])) < end
    }

    /// Whether a capital E or an escape does.
    #[inline]
    pub(super) fn any(&mut self, input: &[u8], at: usize, end: usize) -> bool {
        next(&mut self.any, at, || memchr2(b'E', 0x1b, &input[at..])) < end
    }
}

/// `known`, if it is not behind `at`; else it is searched for.
#[inline]
fn next(known: &mut Option<usize>, at: usize, search: impl FnOnce() -> Option<usize>) -> usize {
    match *known {
        Some(place) if place >= at => place,
        _ => {
            let place = search().map_or(usize::MAX, |i| at + i);
            *known = Some(place);
            place
        }
    }
}

/// The line in `bytes`. Unless they are `marked`, neither an `E` nor an escape stands in them.
#[inline]
pub(super) fn look<'a>(
    rules: &Rules,
    bytes: &'a [u8],
    scratch: &'a mut Vec<u8>,
    marked: bool,
) -> Line<'a> {
    let mut text = trim_end(bytes);
    if rules.lines || rules.record_start.is_some() {
        return Line::unseen(text);
    }
    let mut errors = false;
    if marked {
        if memchr(0x1b, text).is_some() {
            strip_colours(text, scratch);
            text = scratch;
        }
        errors = names_error(text);
    }
    Line::new(text, errors)
}
