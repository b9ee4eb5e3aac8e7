//! Erlang: the reports of `error_logger` and SASL.

use super::language::{Error, Frame, Language, Opening, State, Step};
use super::line::{Line, after, before, trim};
use memchr::memmem;

/// The BEAM's own reports.
pub(super) struct Erlang;

/// What `escript` says of an uncaught exception: indented lines follow.
const SCRIPT: u8 = 1;

/// How many lines a report may have: one whose end was lost must not go on for ever.
const REPORT_LINES: u32 = 2000;

impl Language for Erlang {
    fn name(&self) -> &'static str {
        "erlang"
    }

    fn first(&self) -> &'static [u8] {
        b"=e"
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = line.text;
        if text.starts_with(b"escript: exception ") {
            return Opening::Trace(State {
                phase: SCRIPT,
                seen: true,
                error: Some(0),
                ..State::default()
            });
        }
        let report =
            text.starts_with(b"=") && text[1..].first().is_some_and(u8::is_ascii_uppercase);
        if line.indent > 0 || !report || memmem::find(text, b" REPORT====").is_none() {
            return Opening::No;
        }
        let seen = !matches!(text[1], b'I' | b'P');
        Opening::Trace(State {
            seen,
            error: Some(0),
            ..State::default()
        })
    }

    /// A report ends with a blank line.
    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        state.lines += 1;
        if state.phase == SCRIPT {
            return if line.indent > 0 && !line.blank() {
                Step::Continue
            } else {
                Step::Foreign
            };
        }
        if line.blank() {
            return Step::End;
        }
        if state.lines == 1 {
            state.error = Some(line.at);
        }
        if state.lines > REPORT_LINES {
            Step::Foreign
        } else {
            Step::Continue
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        if let Some(rest) = after(text, b"escript: exception ") {
            return (before(rest, b": "), after(rest, b": ").map(trim));
        }
        let kind = after(text, b"with exit value:")
            .map(trim)
            .filter(|k| !k.is_empty());
        (kind, Some(trim(text)).filter(|t| !t.starts_with(b"=")))
    }

    fn frame<'a>(&self, _: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        Frame::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{records, traces};

    #[test]
    fn reports() {
        records(
            "
start
%%
=ERROR REPORT==== 23-Nov-2026::14:37:11.248472 ===
Error in process <0.79.0> with exit value:
{badarith,[{erlang,'/',[1,0],[]}]}

%%
=CRASH REPORT==== 23-Nov-2026::14:37:11.248472 ===
  crasher:
    initial call: a:b/0
%%
=PROGRESS REPORT==== 23-Nov-2026::14:37:11.248472 ===
    supervisor: {local,x}

%%
end
%%
escript: exception error: no match of right hand side value 2
  in function  erl_eval:expr/5 (erl_eval.erl, line 450)
%%
=ERROR
",
        );
    }

    #[test]
    fn what_it_says() {
        let text = "=ERROR REPORT==== 23-Nov-2026::14:37:11 ===\nError in process <0.79.0> with exit value:\n{badarith,[]}\n\n";
        assert_eq!(
            traces(text),
            ["erlang |Error in process <0.79.0> with exit value:|||"]
        );
    }
}
