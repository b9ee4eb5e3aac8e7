//! Java, Kotlin, Scala: `Throwable.printStackTrace` and what loggers make of it; thread dumps.

use super::jvm::{self, clojure_kind, report};
use super::language::{
    Behind, ERROR_WORD, Error, Frame, Head, Language, ODD_WORD, Opening, Shape, State, Step,
};
use super::line::{Line, after, capital_head, dotted_len, named_error, number, trim};
use memchr::memmem;

/// The virtual machine's own forms.
pub(super) struct Java;

/// Between frames.
pub(super) const FRAMES: u8 = 0;
/// Behind `Caused by:`, whose message may have several lines before its frames.
pub(super) const CAUSE: u8 = 1;
/// A dump of all threads.
const DUMP: u8 = 2;
/// The report of a crash of the machine itself: every line begins with `#`.
const CRASH: u8 = 3;
/// Behind `Caused by:` alone: Jetty's own logger writes the cause on the next line.
const CAUSE_BELOW: u8 = 4;
/// In a further item of a message that lists what it found.
const LISTED: u8 = 5;

impl Language for Java {
    fn name(&self) -> &'static str {
        "java"
    }

    fn first(&self) -> &'static [u8] {
        b"EFSU#"
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
        if let Some(phase) = report(text).filter(|_| line.indent == 0) {
            return Opening::Trace(State {
                phase,
                seen: phase == CAUSE,
                error: Some(0),
                ..State::default()
            });
        }
        if line.indent == 0 && (class_head(text) || text == b"#" || text.starts_with(THREAD)) {
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
            return (line.text == b"***************************").then_some(State {
                phase: jvm::BOOT,
                ..State::default()
            });
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
            jvm::COMPILER.. => jvm::next(state, line),
            _ => trace(state, line),
        }
    }

    /// The machine writes `Exception in thread` by itself, whatever a logger said before.
    fn behind(&self, line: &Line<'_>) -> Behind {
        if line.text.starts_with(THREAD) {
            Behind::Nothing
        } else if class_head(line.text) {
            Behind::Lines
        } else {
            Behind::Message
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        if let Some(rest) = text.strip_prefix(b"# ") {
            return (None, Some(trim(rest)));
        }
        if let Some(kind) = clojure_kind(text) {
            return (Some(kind), None);
        }
        let mut text = text.strip_prefix(b"Caught: ").unwrap_or(text);
        // Two threads that die at once may both write their heads first.
        while let Some(rest) = text.strip_prefix(THREAD) {
            let end = memmem::find(rest, b"\" ").map_or(rest.len(), |i| i + 2);
            text = trim(&rest[end..]);
        }
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
        let body = match clojure_kind(text) {
            Some(_) => after(text, b" at "),
            None => trim(text).strip_prefix(b"at "),
        };
        let Some(body) = body else {
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
            function: Some(trim(&body[..open])),
        }
    }
}

const THREAD: &[u8] = b"Exception in thread \"";

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
pub(super) fn frame(body: &[u8]) -> bool {
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
    if state.phase == CAUSE_BELOW {
        state.phase = CAUSE;
        return Step::Continue;
    }
    if let Some(step) = cause(state, body) {
        return step;
    }
    let call = line.indent > 0
        && body.starts_with(b"at ")
        && (body.contains(&b'(') || !body[3..].contains(&b' '));
    if call || line.indent > 0 && more(body) {
        state.phase = FRAMES;
        if call {
            state.frame.get_or_insert(line.at);
        }
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
    if line.indent == 0 && (class_head(body) && !nested || report(body).is_some()) {
        return Step::Foreign;
    }
    match state.phase {
        CAUSE if error_count(body) => Step::Continue,
        CAUSE | LISTED => Step::Hold,
        // The messages of Spark and Guice hold frames of their own.
        _ if line.text == b"Driver stacktrace:" || error_count(line.text) => Step::Hold,
        _ if numbered(line.text) => {
            state.phase = LISTED;
            Step::Hold
        }
        _ => Step::Foreign,
    }
}

/// `Caused by: com.acme.Oops: message`; with anything but a name it is one if its frames come.
fn cause(state: &mut State, body: &[u8]) -> Option<Step> {
    let rest = [&b"Caused by:"[..], b"Suppressed:", b"Wrapped by:"]
        .iter()
        .find_map(|word| body.strip_prefix(*word))?;
    let what = trim(rest);
    let circular = what.starts_with(b"[CIRCULAR REFERENCE:") && what.ends_with(b"]");
    let name = what.iter().take_while(|b| **b != b' ').count();
    let named = name == what.len() || what[..name].ends_with(b":");
    (state.phase, state.depth) = match (what, circular) {
        (b"", _) => (CAUSE_BELOW, 0),
        (_, true) => (FRAMES, 0),
        _ => (CAUSE, 0),
    };
    let sure = circular || named;
    Some(if sure { Step::Continue } else { Step::Hold })
}

/// `2) No implementation was bound.`
fn numbered(text: &[u8]) -> bool {
    number(text).is_some_and(|(_, rest)| rest.starts_with(b") "))
}

/// `1 error`, `2 errors`
fn error_count(body: &[u8]) -> bool {
    number(body).is_some_and(|(_, rest)| matches!(rest, b" error" | b" errors"))
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
INFO: bye: {
  \"a\": 1
}
",
        );
    }

    /// The message's further lines come before the head; what the machine itself writes, and what no frames follow, is apart.
    #[test]
    fn messages_of_several_lines_before_the_head() {
        records(
            "
2026-11-23 10:00:00.123 ERROR [main] app.Main - first
second
  third
Details: fourth
java.lang.IllegalStateException: x
{
  \"a\": 1
}
\tat app.Main.main(Main.java:12)
%%
2026-11-23 10:00:00.124 WARN  [main] app.Main - slow
%%
plain
%%
Total: 3
%%
    indented
%%
2026-11-23 10:00:00.125 ERROR [main] app.Main - bad
%%
plain
%%
Exception in thread \"main\" java.lang.IllegalStateException: ends in a colon:
 - one
\tat app.Main.main(Main.java:12)
%%
2026-11-23 10:00:00.126 ERROR [main] app.Main - bad
%%
Exception in thread \"w\" app.Oops
\tat app.Main.main(Main.java:12)
%%
2026-11-23 10:00:00,127 ERROR [app.Main] (exec-1) failed, id: 1: java.lang.IllegalStateException: first
second
\tat app.Main.main(Main.java:12)
%%
[main] WARN app.Main - bad
%%
plain
%%
Error: of another
    at f (/srv/a.js:1:2)
",
        );
    }

    #[test]
    fn prefixes_of_loggers() {
        records(
            "
12 [main] ERROR app.Main - bad
java.lang.Error
\tat app.Main.main(Main.java:12)
%%
26/11/23 10:00:01 ERROR Executor: bad
java.lang.ArithmeticException: / by zero
\tat app.Main.main(Main.java:12)

Driver stacktrace:
\tat org.apache.spark.Main.main(Main.scala:1)
%%
2026-11-23 10:00:07.421:WARN:oejs.HttpChannel:qtp205797316-18: /boom
javax.servlet.ServletException: failed
\tat app.Boom.doGet(Boom.java:3)
Caused by: 
java.lang.IllegalStateException: no rows|for id 7
\tat app.Boom.doGet(Boom.java:4)
%%
done
",
        );
    }

    #[test]
    fn causes_are_named() {
        records(
            "
java.lang.Error: x
\tat app.Main.main(Main.java:12)
Caused by: order refused, code 17
\t... 1 more
%%
Caused by: nothing at all
%%
Suppressed: 3 warnings
%%
com.google.inject.CreationException: see the following errors:

1) No implementation for app.Foo was bound.
  at app.Main.configure(Main.java:3)

2) No implementation for app.Bar was bound.
  while locating app.Bar
  at app.Main.configure(Main.java:3)

2 errors
\tat app.Main.main(Main.java:12)
%%
1) of a list
%%
2 errors
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
    fn what_reports_say() {
        let text =
            "Execution error (ArithmeticException) at shop.core/pay (bad.clj:2).\nDivide by zero\n";
        assert_eq!(
            traces(text),
            ["java ArithmeticException||bad.clj|2|shop.core/pay"]
        );
        let text = "Exception in thread \"a\" Exception in thread \"b \"7\"\" java.lang.Bad: x\n\tat a.B.c(B.java:12)\n";
        assert_eq!(traces(text), ["java java.lang.Bad|x|B.java|12|a.B.c"]);
        let text = "Caught: a.Bad: x\na.Bad: x\n\tat a.B.c(B.java:12)\n";
        assert_eq!(traces(text), ["java a.Bad|x|B.java|12|a.B.c"]);
        let text = "WARN x\nand y\njava.lang.Bad: z\n\tat a.B.c(B.java:12)\n";
        assert_eq!(traces(text), ["java java.lang.Bad|z|B.java|12|a.B.c"]);
        let text =
            "WARN x\nplain\nException in thread \"a\" java.lang.Bad: z\n\tat a.B.c(B.java:12)\n";
        assert_eq!(traces(text), ["java java.lang.Bad|z|B.java|12|a.B.c"]);
    }

    #[test]
    fn words_alone() {
        records(
            "at least one Error here\n%%\n\tat most two\n%%\nCaused by: user click\n%%\n... 12 more items\n%%\nException handling is on\n",
        );
    }
}
