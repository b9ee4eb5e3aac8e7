//! What launchers, compilers and frameworks of the JVM report in other forms than `printStackTrace`.

use super::{CAUSE, FRAMES, frame};
use crate::record::language::{State, Step};
use crate::record::line::{Line, after, brackets, class_head, find, number};
use memchr::memchr;

/// A compiler's complaint: its message, the source, a caret, then what it found and what it wanted.
pub(super) const COMPILER: u8 = 16;
/// The launcher's `Error:`, with a cause or with advice.
const LAUNCHER: u8 = 17;
/// Clojure's report: the message, then where the full report lies.
const REPORT: u8 = 18;
/// The path of the full report.
const REPORT_PATH: u8 = 19;
/// Spring Boot's account of why it does not start.
pub(super) const BOOT: u8 = 20;
/// Its last section.
const BOOT_ACTION: u8 = 21;
/// Groovy's `Caught:`, which says what the traceback below says again.
const CAUGHT: u8 = 22;
/// Clojure's full report, where it goes to the same stream: a map, a blank line, then the short one.
const MAP: u8 = 23;

/// The compiler has shown the place.
const SHOWN: u8 = 1;
/// Clojure has told all in its map.
const WHOLE: u8 = 2;
/// Spring Boot has said what to do.
const TOLD: u8 = 3;
/// Groovy's error has been named a second time.
const AGAIN: u8 = 4;
/// How many lines may stand before a compiler's caret.
const COMPILER_LINES: u32 = 8;
/// How many lines Spring Boot's account may have.
const BOOT_LINES: u32 = 80;

const CLOJURE_MAP: &[u8] = b"{:clojure.main/message";

/// Reports that are no tracebacks, and heads that cannot be anything else.
pub(super) fn report(text: &[u8]) -> Option<u8> {
    const LAUNCH: &[&[u8]] = &[
        b"Error: Could not find or load main class ",
        b"Error: Unable to initialize main class ",
        b"Error: Main method ",
    ];
    if LAUNCH.iter().any(|head| text.starts_with(head)) {
        return Some(LAUNCHER);
    }
    if clojure_head(text) {
        return Some(REPORT);
    }
    if text == CLOJURE_MAP {
        return Some(MAP);
    }
    if let Some(rest) = text.strip_prefix(b"Caught: ") {
        return (class_head(rest) || rest.starts_with(b"Assertion failed:")).then_some(CAUGHT);
    }
    // Groovy's compiler; it ends in the number of errors, with frames behind that or not.
    if text.ends_with(b".MultipleCompilationErrorsException: startup failed:") {
        return Some(CAUSE);
    }
    complaint(text).then_some(COMPILER)
}

/// `src/Main.java:3: error: …`, of javac, scalac and kotlinc (with a column).
fn complaint(text: &[u8]) -> bool {
    const SOURCES: &[&[u8]] = &[b".java", b".scala", b".kt", b".kts"];
    let Some(end) = memchr(b' ', &text[..text.len().min(1024)]) else {
        return false;
    };
    let said = &text[end + 1..];
    if !said.starts_with(b"error: ") && !said.starts_with(b"warning: ") {
        return false;
    }
    let place = text[..end].strip_suffix(b":").unwrap_or_default();
    let mut parts = place.rsplitn(3, |b| *b == b':');
    let is_source = |part: &[u8]| SOURCES.iter().any(|end| part.ends_with(end));
    let is_number = |part: &[u8]| number(part).is_some_and(|n| n.1.is_empty());
    parts.next().is_some_and(is_number)
        && parts.next().is_some_and(|part| {
            is_source(part) || is_number(part) && parts.next().is_some_and(is_source)
        })
}

/// `Execution error (ArithmeticException) at user/eval1 (REPL:1).`
fn clojure_head(text: &[u8]) -> bool {
    const HEADS: &[&[u8]] = &[
        b"Execution error",
        b"Syntax error",
        b"Unexpected error",
        b"Error reading eval result",
        b"Error printing return value",
    ];
    text.ends_with(b").")
        && HEADS.iter().any(|head| text.starts_with(head))
        && (find(text, b" at (").is_some() || find(text, b") at ").is_some())
}

/// Which error Clojure's report names.
pub(super) fn clojure_kind(text: &[u8]) -> Option<&[u8]> {
    if !clojure_head(text) {
        return None;
    }
    let kind = after(text, b" (")?;
    let end = kind.iter().position(|b| *b == b')')?;
    (end + 1 < kind.len() && kind[end + 1] == b' ').then_some(&kind[..end])
}

/// What `line` is to the open report.
pub(super) fn next(state: &mut State, line: &Line<'_>) -> Step {
    match state.phase {
        COMPILER => compiler(state, line),
        LAUNCHER => launcher(state, line),
        MAP => clojure_map(state, line),
        REPORT | REPORT_PATH => clojure(state, line),
        CAUGHT => caught(state, line),
        _ => boot(state, line),
    }
}

fn compiler(state: &mut State, line: &Line<'_>) -> Step {
    if line.blank() || report(line.text).is_some() || class_head(line.text) {
        return Step::Foreign;
    }
    if state.mark == SHOWN {
        return if line.indent > 0 {
            Step::Continue
        } else {
            Step::Foreign
        };
    }
    if line.body() == b"^" {
        state.mark = SHOWN;
        return Step::Continue;
    }
    state.lines += 1;
    if state.lines <= COMPILER_LINES {
        Step::Hold
    } else {
        Step::Foreign
    }
}

fn launcher(state: &mut State, line: &Line<'_>) -> Step {
    let text = line.text;
    if text.starts_with(b"Caused by: ") {
        state.seen = true;
        return Step::End;
    }
    let advice = line.indent > 0 && !line.blank()
        || text.starts_with(b"or a JavaFX application class must extend ")
        || text.starts_with(b"define the main method as:");
    if advice {
        Step::Continue
    } else {
        Step::Foreign
    }
}

fn clojure_map(state: &mut State, line: &Line<'_>) -> Step {
    if line.blank() {
        return Step::Hold;
    }
    // The first line's bracket is open.
    if state.depth >= 0 {
        state.depth += brackets(line.text);
        return Step::Continue;
    }
    if !clojure_head(line.text) {
        return Step::Foreign;
    }
    (state.phase, state.mark, state.error) = (REPORT, WHOLE, Some(line.at));
    Step::Continue
}

fn clojure(state: &mut State, line: &Line<'_>) -> Step {
    if state.phase == REPORT_PATH {
        return Step::End;
    }
    if report(line.text).is_some() || class_head(line.text) && state.seen {
        return Step::Foreign;
    }
    if !state.seen && !line.blank() {
        (state.seen, state.frame) = (true, state.error);
        return Step::Continue;
    }
    if line.text != b"Full report at:" {
        // Behind the full report nothing but the message comes.
        return if state.mark == WHOLE && !line.blank() && line.held == 0 {
            Step::Continue
        } else {
            Step::Hold
        };
    }
    state.phase = REPORT_PATH;
    Step::Continue
}

fn boot(state: &mut State, line: &Line<'_>) -> Step {
    state.lines += 1;
    if line.blank() {
        return Step::Hold;
    }
    let over = state.mark == TOLD && line.held > 0 && line.indent == 0;
    if over || state.lines > BOOT_LINES {
        return Step::Foreign;
    }
    if state.phase == BOOT_ACTION {
        state.mark = TOLD;
    } else if line.text == b"Action:" {
        state.phase = BOOT_ACTION;
    }
    Step::Continue
}

fn caught(state: &mut State, line: &Line<'_>) -> Step {
    if line.indent > 0 && frame(line.body()) {
        (state.phase, state.seen, state.frame) = (FRAMES, true, Some(line.at));
        return Step::Continue;
    }
    if class_head(line.text) && std::mem::replace(&mut state.mark, AGAIN) == AGAIN {
        return Step::Foreign;
    }
    Step::Hold
}

#[cfg(test)]
mod tests {
    use crate::record::testing::records;

    #[test]
    fn the_launcher_and_compilers() {
        records(
            "
Error: Could not find or load main class app.Main
Caused by: java.lang.ClassNotFoundException: app.Main
%%
Error: Could not find or load main class Main
Caused by: java.lang.ClassNotFoundException: Main
%%
Error: Unable to access jarfile app.jar
%%
Error: Main method not found in class app.Main, please define the main method as:
   public static void main(String[] args)
or a JavaFX application class must extend javafx.application.Application
%%
src/Main.java:3: error: cannot find symbol
void g() { undefined(1); }
           ^
  symbol:   method undefined(int)
  location: class Main
%%
src/Main.java:4: error: ';' expected
        String s = null
                       ^
%%
2 errors
%%
src/Main.scala:1: error: type mismatch;
 found   : String
 required: Int
object B { val x: Int = s }
                        ^
%%
src/Main.kt:2:3: warning: unused
%%
  plain
%%
org.codehaus.groovy.control.MultipleCompilationErrorsException: startup failed:
/srv/app/bad.groovy: 1: expecting ')', found '(' @ line 1, column 17.
   println(\"a\"; foo(
                   ^

1 error
%%

%%
Caught: Assertion failed: 

assert [1, 2].size() == 3
              |
              2

Assertion failed: 

assert [1, 2].size() == 3
              |
              2

\tat bad.run(bad.groovy:4)
%%
Caught: app.Oops: bad
app.Oops: bad
\tat bad.run(bad.groovy:1)
%%
Caught: a cold
",
        );
    }

    #[test]
    fn reports_without_frames() {
        records(
            "
Execution error (ArithmeticException) at shop.core/pay (bad.clj:2).
Divide by zero
and more

Full report at:
/tmp/clojure-1.edn
%%
Syntax error compiling at (bad.clj:1:10).
Unable to resolve symbol: foo in this context
%%
{:clojure.main/message
 \"Execution error (ExceptionInfo) at user/eval1 (REPL:1).\\ntwo\\nlines [\\n\",
 :clojure.main/trace
 {:trace
  [[user$eval1 invokeStatic \"NO_SOURCE_FILE\" 1]]}}

Execution error (ExceptionInfo) at user/eval1 (REPL:1).
two
lines [
%%

%%
after
%%
Execution error (ArithmeticException) at user/eval1 (REPL:1).
Divide by zero
%%
2026-11-23T13:00:01.323Z ERROR 1 --- [main] o.s.b.d.LoggingFailureAnalysisReporter   : 

***************************
APPLICATION FAILED TO START
***************************

Description:

Web server failed to start. Port 8080 was already in use.

Action:

Consider the following:
\tstop it
%%

%%
exit status 1
%%
***************************
%%
plain
",
        );
    }
}
