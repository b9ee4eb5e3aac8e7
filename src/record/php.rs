//! PHP: uncaught errors as `error_log` and `display_errors` write them, exceptions made text, Monolog.

use super::language::{ERROR_WORD, Error, Frame, Head, Language, Opening, Shape, State, Step};
use super::line::{Line, after, before, number, trim};
use memchr::memmem;

/// PHP 5 to 8.
pub(super) struct Php;

/// Between `#n` lines.
const FRAMES: u8 = 0;
/// Behind `Next …`, whose message may have several lines.
const NEXT: u8 = 1;

impl Language for Php {
    fn name(&self) -> &'static str {
        "php"
    }

    fn first(&self) -> &'static [u8] {
        b"[PFeRC"
    }

    fn signs(&self) -> u8 {
        ERROR_WORD
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = &line.text[..line.text.len().min(512)];
        let fatal =
            after(text, b"atal error: ").is_some_and(|rest| trim(rest).starts_with(b"Uncaught "));
        if line.indent == 0 && (fatal || text.starts_with(b"exception '")) {
            return Opening::Head(Shape::Firm);
        }
        if line.errors {
            Opening::Head(Shape::Loose)
        } else {
            Opening::No
        }
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let text = line.text;
        let trace =
            text == b"Stack trace:" || text == b"[stacktrace]" || text == b"PHP Stack trace:";
        let frame = text.starts_with(b"#0 ") && numbered(text);
        (trace || frame).then(|| State {
            seen: true,
            frame: Some(head.at),
            ..State::default()
        })
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        let text = line.text;
        if line.blank() {
            return Step::Hold;
        }
        if text.starts_with(b"  thrown in ") || text.starts_with(b"\"}") {
            return Step::End;
        }
        // Xdebug: `PHP   1. {main}() /srv/a.php:0`.
        if text.starts_with(b"PHP   ")
            || numbered(text)
            || text == b"Stack trace:"
            || text == b"[stacktrace]"
            || text.starts_with(b"[previous exception] ")
        {
            state.phase = FRAMES;
            return Step::Continue;
        }
        if line.held > 0 && text.starts_with(b"Next ") {
            state.phase = NEXT;
            return Step::Continue;
        }
        if state.phase == NEXT {
            Step::Hold
        } else {
            Step::Foreign
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        if let Some(rest) = after(text, b"exception '") {
            let kind = before(rest, b"'");
            let message = after(rest, b"with message '").and_then(|m| before(m, b"' in "));
            return (kind, message);
        }
        // Monolog: `{"exception":"[object] (Type(code: 0): message at /srv/a.php:3)`.
        if let Some(rest) = after(text, b"[object] (") {
            let message = after(rest, b"): ").map(|m| before(m, b" at /").unwrap_or(m));
            return (before(rest, b"(code: "), message.map(trim));
        }
        let text = after(text, b"Uncaught ").unwrap_or(text);
        let text = before(text, b" in /").unwrap_or(text);
        let Some(colon) = memmem::find(text, b": ") else {
            return (None, Some(trim(text)));
        };
        let kind = &text[..colon];
        let message = memmem::rfind(text, b" in ")
            .filter(|i| *i > colon + 1)
            .map_or(&text[colon + 2..], |i| &text[colon + 2..i]);
        (
            Some(kind).filter(|k| !k.contains(&b' ')),
            Some(trim(message)),
        )
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        let Some(i) = memmem::rfind(text, b" in ") else {
            return Frame::default();
        };
        let place = &text[i + 4..];
        let Some(colon) = place.iter().rposition(|b| *b == b':') else {
            return Frame::default();
        };
        let line = number(&place[colon + 1..]).map(|n| n.0);
        Frame {
            file: line.map(|_| &place[..colon]),
            line,
            function: None,
        }
    }
}

/// `#0 /srv/a.php(3): f()`, `#1 {main}`, `#2 [internal function]: f()`
fn numbered(text: &[u8]) -> bool {
    let Some((_, rest)) = text.strip_prefix(b"#").and_then(number) else {
        return false;
    };
    let Some(rest) = rest.strip_prefix(b" ") else {
        return false;
    };
    rest.starts_with(b"{main}")
        || rest.starts_with(b"[internal function]")
        || memmem::find(rest, b"): ").is_some()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{records, traces};

    #[test]
    fn uncaught() {
        records(
            "
PHP Warning:  Undefined variable $x in /srv/a.php on line 3
%%
PHP Fatal error:  Uncaught RuntimeException: socket closed in /srv/a.php:2
Stack trace:
#0 /srv/a.php(3): a()
#1 {main}

Next LogicException: query failed
in two lines in /srv/a.php:3
Stack trace:
#0 {main}
  thrown in /srv/a.php on line 3
%%
[23-Nov-2026 14:32:02 UTC] PHP Fatal error:  Uncaught Exception: first
second in /srv/a.php:2
Stack trace:
#0 {main}
  thrown in /srv/a.php on line 2
%%
row 2
%%

%%
Fatal error: Uncaught DivisionByZeroError: Division by zero in Command line code:1
Stack trace:
#0 Command line code(1): intdiv(1, 0)
#1 {main}
  thrown in Command line code on line 1
%%
exception 'Exception' with message 'custom' in /srv/a.php:5
Stack trace:
#0 /srv/a.php(9): f()
#1 {main}
%%
#0 is the first slot
%%
Stack trace: disabled by config
",
        );
    }

    #[test]
    fn loggers() {
        records(
            "
[2026-11-23 10:00:00] production.ERROR: bad {\"exception\":\"[object] (Bad(code: 0): bad at /srv/a.php:3)
[stacktrace]
#0 /srv/a.php(3): a()
#1 {main}
\"}
%%
[2026-11-23 10:00:00] production.INFO: next
%%
PHP Warning:  odd in /srv/a.php on line 3
PHP Stack trace:
PHP   1. {main}() /srv/a.php:0
%%
RuntimeException: made text in /srv/a.php:3
Stack trace:
#0 {main}
%%
done
",
        );
    }

    #[test]
    fn what_it_says() {
        let text =
            "PHP Fatal error:  Uncaught app\\Bad: a: b in /srv/a.php:2\nStack trace:\n#0 {main}\n";
        assert_eq!(traces(text), ["php app\\Bad|a: b|/srv/a.php|2|"]);
        let text = "[2026-11-23 10:00:00] p.ERROR: b {\"exception\":\"[object] (Bad(code: 0): x at /a.php:3)\n[stacktrace]\n#0 {main}\n";
        assert_eq!(
            traces(text)[0].split('|').take(2).collect::<Vec<_>>(),
            ["php Bad", "x"]
        );
        let text = "PHP Fatal error:  Uncaught Bad: in php shell code:1\nStack trace:\n#0 {main}\n";
        assert!(traces(text)[0].starts_with("php Bad|in php shell code:1|"));
        let text = "exception 'Bad' with message 'x' in /srv/a.php:5\nStack trace:\n#0 {main}\n";
        assert_eq!(traces(text), ["php Bad|x|/srv/a.php|5|"]);
    }
}
