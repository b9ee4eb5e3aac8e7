//! Java, Kotlin, Scala: `Throwable.printStackTrace` and what loggers make of it; thread dumps.

use super::language::{
    ERROR_WORD, Error, Frame, Head, Language, ODD_WORD, Opening, Shape, State, Step,
};
use super::line::{Line, capital_head, dotted_len, named_error, number, trim};

/// The virtual machine's own forms.
pub(super) struct Java;

/// Between frames.
const FRAMES: u8 = 0;
/// Behind `Caused by:`, whose message may have several lines before its frames.
const CAUSE: u8 = 1;
/// A dump of all threads.
const DUMP: u8 = 2;
/// The report of a crash of the machine itself: every line begins with `#`.
const CRASH: u8 = 3;

impl Language for Java {
    fn name(&self) -> &'static str {
        "java"
    }

    fn first(&self) -> &'static [u8] {
        b"EF#"
    }

    fn signs(&self) -> u8 {
        ERROR_WORD | ODD_WORD
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = line.text;
        if text.starts_with(b"Full thread dump ") {
            return Opening::Trace(State {
                phase: DUMP,
                seen: true,
                always_joins: true,
                ..State::default()
            });
        }
        if line.indent == 0
            && (class_head(text) || text == b"#" || text.starts_with(b"Exception in thread \""))
        {
            return Opening::Head(Shape::Firm);
        }
        if line.errors {
            return Opening::Head(Shape::Loose);
        }
        // A class without a package.
        if line.indent == 0 && capital_head(text).is_some() {
            Opening::Head(Shape::Brief)
        } else {
            Opening::No
        }
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let seen = State {
            seen: true,
            ..State::default()
        };
        let body = line.body();
        if line.indent > 0 && frame(body) {
            return Some(State {
                frame: Some(line.at),
                ..seen
            });
        }
        if head.lines == 0 {
            return None;
        }
        if body.starts_with(b"# A fatal error has been detected")
            || body.starts_with(b"# There is insufficient memory")
        {
            return Some(State {
                phase: CRASH,
                error: Some(line.at),
                ..seen
            });
        }
        let linked = body.starts_with(b"Caused by: ") && class_head(&body[11..]);
        (linked || line.indent > 0 && more(body)).then_some(State {
            phase: CAUSE,
            ..seen
        })
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        match state.phase {
            DUMP => dump(line),
            CRASH if line.text.starts_with(b"#") => Step::Continue,
            CRASH => Step::Foreign,
            _ => trace(state, line),
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        if let Some(rest) = text.strip_prefix(b"# ") {
            return (None, Some(trim(rest)));
        }
        let text = match text.strip_prefix(b"Exception in thread \"") {
            Some(rest) => rest
                .iter()
                .position(|b| *b == b'"')
                .map_or(rest, |i| trim(&rest[i + 1..])),
            None => text,
        };
        if class_head(text) {
            let end = dotted_len(text);
            return (
                Some(&text[..end]),
                text[end..].strip_prefix(b": ").map(trim),
            );
        }
        match (named_error(text), capital_head(text)) {
            ((None, _), Some((kind, message))) => (Some(kind), Some(trim(message))),
            (named, _) => named,
        }
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        let Some(body) = trim(text).strip_prefix(b"at ") else {
            return Frame::default();
        };
        let Some(open) = body.iter().position(|b| *b == b'(') else {
            return Frame::default();
        };
        let place = &body[open + 1..];
        let place = &place[..place.iter().position(|b| *b == b')').unwrap_or(place.len())];
        let colon = place.iter().position(|b| *b == b':').unwrap_or(place.len());
        let line = place.get(colon + 1..).and_then(number).map(|n| n.0);
        Frame {
            file: line.map(|_| &place[..colon]),
            line,
            function: Some(&body[..open]),
        }
    }
}

/// `com.acme.Oops`, `com.acme.Oops: message`: packages, then a class.
pub(super) fn class_head(text: &[u8]) -> bool {
    let end = dotted_len(text);
    let Some(dot) = text[..end].iter().rposition(|b| matches!(b, b'.' | b'$')) else {
        return false;
    };
    let class = text[dot + 1..end]
        .first()
        .is_some_and(u8::is_ascii_uppercase);
    class
        && !text[..end].contains(&b'/')
        && matches!(text.get(end), None | Some(b':'))
        && matches!(text.get(end + 1), None | Some(b' '))
}

/// `at com.acme.Main.run(Main.java:3)`: no space before the parenthesis, and a source in it; or a dotted name alone.
fn frame(body: &[u8]) -> bool {
    let Some(rest) = body.strip_prefix(b"at ") else {
        return false;
    };
    let name = rest
        .iter()
        .take_while(|b| !matches!(b, b' ' | b'('))
        .count();
    let dots = memchr::memchr_iter(b'.', &rest[..name]).count();
    if !rest
        .first()
        .is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'$'))
        || dots == 0
    {
        return false;
    }
    match rest.get(name) {
        Some(b'(') => source(&rest[name + 1..]),
        None => {
            dots >= 2
                && !rest[..name].contains(&b':') | rest.ends_with(b")")
                && rest[0].is_ascii_lowercase()
        }
        _ => false,
    }
}

/// What stands in a frame's parentheses.
fn source(inner: &[u8]) -> bool {
    let end = inner.iter().position(|b| *b == b')').unwrap_or(inner.len());
    let inner = &inner[..end];
    if matches!(inner, b"Native Method" | b"Unknown Source" | b"<generated>") {
        return true;
    }
    let file = inner.iter().position(|b| *b == b':').unwrap_or(inner.len());
    let (name, rest) = inner.split_at(file);
    let line = rest.is_empty() || number(&rest[1..]).is_some_and(|n| n.1.is_empty());
    let ends = [
        &b".java"[..],
        b".kt",
        b".kts",
        b".scala",
        b".groovy",
        b".clj",
    ];
    let plain = !rest.is_empty()
        && name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'$'));
    line && (plain || ends.iter().any(|end| name.ends_with(end)))
}

/// `... 12 more`, `... 27 common frames omitted`
fn more(body: &[u8]) -> bool {
    body.strip_prefix(b"... ").and_then(number).is_some()
}

fn trace(state: &mut State, line: &Line<'_>) -> Step {
    let body = line.body();
    if line.blank() {
        return Step::Hold;
    }
    let cause = [&b"Caused by: "[..], b"Suppressed: ", b"Wrapped by: "]
        .iter()
        .any(|word| body.starts_with(word));
    if cause {
        let circular =
            body.ends_with(b"]") && body.windows(20).any(|w| w == b"[CIRCULAR REFERENCE:");
        state.phase = if circular { FRAMES } else { CAUSE };
        return Step::Continue;
    }
    let call = line.indent > 0
        && body.starts_with(b"at ")
        && (body.contains(&b'(') || !body[3..].contains(&b' '));
    if call || line.indent > 0 && more(body) {
        state.phase = FRAMES;
        return Step::Continue;
    }
    if line.indent > 0
        && (body.starts_with(b"[CIRCULAR REFERENCE:") || body.starts_with(b"- locked "))
    {
        return Step::Continue;
    }
    // A cause's message goes on if its frames come; JavaMail's holds a further head.
    let nested =
        std::mem::replace(&mut state.depth, i32::from(body == b"nested exception is:")) == 1;
    if class_head(body) && line.indent == 0 && !nested {
        return Step::Foreign;
    }
    if state.phase == CAUSE {
        Step::Hold
    } else {
        Step::Foreign
    }
}

fn dump(line: &Line<'_>) -> Step {
    const MORE: &[&[u8]] = &[
        b"\"",
        b"JNI global ref",
        b"Heap",
        b"Found ",
        b"Threads class SMR info:",
        b"_java_thread_list=",
        b"}",
        b"====",
        b"Java stack information",
        b"0x",
    ];
    if line.blank() {
        return Step::Hold;
    }
    let belongs = line.indent > 0 || MORE.iter().any(|word| line.text.starts_with(word));
    if belongs {
        Step::Continue
    } else {
        Step::Foreign
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{records, traces};

    #[test]
    fn traces_with_causes() {
        records(
            "
go
%%
Refusal: no package
\tat Main.main(Main.java:3)
%%
Exception in thread \"main\" java.lang.Exception: outer
\tat app.Main.main(Main.java:6)
\tSuppressed: java.lang.IllegalStateException: close
\t\tat app.Res.close(Res.java:2)
\t\t... 1 more
Caused by: java.lang.RuntimeException: two
lines
\tat app.Main.low(Main.java:2)
\t... 2 more
Caused by: [CIRCULAR REFERENCE: java.lang.Exception: x]
%%
java.lang.Error
\tat app.Main.main(Native Method)
%%
com.acme.Error: only a status line
%%
end
%%
kotlin.KotlinNullPointerException
\tat MainKt.main(Main.kt:3) ~[app.jar:1.0]
",
        );
    }

    #[test]
    fn loggers() {
        records(
            "
2026-11-23 14:29:46.026 [main] ERROR com.acme.Checkout - failed
java.lang.RuntimeException: wrapped
second line of it
\tat app.Main.main(Main.java:12)
Caused by: app.Bad: currency
\tat app.Main.pay(Main.java:9)
\t... 1 common frames omitted
%%
2026-11-23 14:29:46.027 [main] WARN  com.acme.Checkout - at most 3 tries
%%
2026-11-23 10:00:00.123  ERROR 1 --- [exec-1] o.a.c.C : threw exception

java.lang.IllegalStateException: boom
\tat com.acme.C.get(C.java:12) ~[classes/:na]
%%

%%
2026-11-23 14:29:46.028 [main] ERROR com.acme.Checkout - no trace
%%
java.lang.RuntimeException: of someone else
%%
2026-11-23 14:29:46.028 [main] INFO  com.acme.Checkout - Exception: none
%%
java.lang.RuntimeException: uncaught
\tat app.Main.main(Main.java:12)
%%
Nov 23, 2026 2:29:45 PM Jul main
SEVERE: bad
java.lang.NumberFormatException: x
\tat app.Jul.main(Jul.java:6)
%%

%%
Nov 23, 2026 2:29:45 PM Jul main
INFO: bye
",
        );
    }

    #[test]
    fn what_it_says() {
        let text = "Exception in thread \"a b\" java.lang.Bad: why: x\n\tat a.B.c(B.java:12)\n\tat a.B.d(B.java:13)\n";
        assert_eq!(traces(text), ["java java.lang.Bad|why: x|B.java|12|a.B.c"]);
        let text = "ERROR x\njava.lang.Bad\n\tat a.B.c(Native Method)\n";
        assert_eq!(traces(text), ["java java.lang.Bad||||a.B.c"]);
    }

    #[test]
    fn words_alone() {
        records(
            "at least one Error here\n%%\n\tat most two\n%%\nCaused by: user click\n%%\n... 12 more items\n%%\nException handling is on\n",
        );
    }
}
