//! Erlang: the reports of `error_logger` and SASL.

use super::language::{Error, Frame, Head, Language, Opening, REPORT_LINES, State, Step};
use super::line::{Line, after, before, find, number, trim};
use memchr::memchr;

/// The BEAM's own reports.
pub(super) struct Erlang;

/// What `escript` says of an uncaught exception: indented lines follow.
const SCRIPT: u8 = 1;
/// Behind `** Last message in was …`: the report of a server that stopped, in a logger's own layout.
const SERVER: u8 = 2;

/// The line before ended in a colon: the next is what it announced.
const PROMISED: u8 = 1;

impl Language for Erlang {
    fn name(&self) -> &'static str {
        "erlang"
    }

    fn first(&self) -> &'static [u8] {
        b"=e*0123456789"
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        let text = line.text;
        if text.starts_with(b"escript: exception ") || shell(text).starts_with(b"** exception ") {
            return Opening::Trace(State {
                phase: SCRIPT,
                seen: true,
                error: Some(0),
                ..State::default()
            });
        }
        if line.indent > 0 || !(report(text) || heading(text)) {
            return Opening::No;
        }
        Opening::Trace(State {
            seen: text.starts_with(b"=CRASH") || text.starts_with(b"=SUPERVISOR"),
            error: Some(0),
            ..State::default()
        })
    }

    /// `** Last message in was boom` and its kin, which are the second line of a server's last words.
    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        (head.lines == 0 && line.indent == 0 && second_of_report(line.text)).then_some(State {
            phase: SERVER,
            seen: true,
            error: Some(head.at),
            ..State::default()
        })
    }

    /// A report ends with a blank line, a message of the program's own with its last line.
    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        state.lines += 1;
        if line.blank() {
            return match state.phase {
                SCRIPT => Step::Foreign,
                _ => Step::End,
            };
        }
        if state.phase == SCRIPT && line.indent == 0 {
            return Step::Foreign;
        }
        mark(state, line);
        let first = state.lines == 1 && state.phase != SERVER;
        let promises = line.text.ends_with(b":");
        let before = std::mem::replace(&mut state.mark, if promises { PROMISED } else { 0 });
        if state.lines > REPORT_LINES {
            Step::Foreign
        } else if first || line.indent > 0 || before == PROMISED || line.text.starts_with(b"** ") {
            Step::Continue
        } else if state.phase == SERVER {
            Step::Foreign
        } else {
            Step::Hold
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        let text = trim(text);
        if let Some(rest) = after(text, b"exception ") {
            return (before(rest, b": "), after(rest, b": ").map(trim));
        }
        let term = text.strip_prefix(b"** ").unwrap_or(text);
        let message = Some(term).filter(|t| !t.is_empty() && !report(t) && !heading(t));
        let spoken = text.starts_with(b"** ") || text.starts_with(b"{");
        (reason(term).filter(|_| spoken), message)
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        called(trim(text)).unwrap_or_default()
    }
}

/// Notes where the reason and the innermost frame stand; `indent` tells that the reason is next.
fn mark(state: &mut State, line: &Line<'_>) {
    let body = line.body();
    let announces =
        body.starts_with(b"** Reason for termination") || body.starts_with(b"Error in process ");
    let reason_next = std::mem::replace(&mut state.indent, usize::from(announces)) == 1;
    let first = state.lines == 1 && state.phase == 0;
    if first || reason_next || body.starts_with(b"exception ") {
        state.error = Some(line.at);
    }
    // A report of the program's own may be no more than a message.
    state.seen |= announces || body.starts_with(b"** ") || body == b"crasher:";
    if state.frame.is_none() && called(body).is_some() {
        state.frame = Some(line.at);
    }
}

/// What the shell answers, without its prompt: `1> ** exception error: …`.
fn shell(text: &[u8]) -> &[u8] {
    number(text)
        .and_then(|(_, rest)| rest.strip_prefix(b"> "))
        .unwrap_or(text)
}

/// `=ERROR REPORT==== 23-Nov-2026::14:37:11 ===`
fn report(text: &[u8]) -> bool {
    text.starts_with(b"=")
        && text[1..].first().is_some_and(u8::is_ascii_uppercase)
        && find(text, b" REPORT====").is_some()
}

/// `2026-11-28T13:37:36.482796+00:00 error:`, the header of OTP 21 and later: the message begins on the next line.
fn heading(text: &[u8]) -> bool {
    const LEVELS: &[&[u8]] = &[
        b"emergency",
        b"alert",
        b"critical",
        b"error",
        b"warning",
        b"notice",
        b"info",
        b"debug",
    ];
    if text.get(10) != Some(&b'T') || !text.ends_with(b":") {
        return false;
    }
    let Some(space) = memchr(b' ', text) else {
        return false;
    };
    let level = text[space + 1..].strip_suffix(b":");
    level.is_some_and(|level| LEVELS.contains(&level))
}

fn second_of_report(text: &[u8]) -> bool {
    const LINES: &[&[u8]] = &[
        b"** Last message in was ",
        b"** Last event = ",
        b"** Last event was: ",
        b"** Last event in was ",
        b"** Was installed in ",
        b"** When Server state == ",
        b"** Started from ",
    ];
    LINES.iter().any(|line| text.starts_with(line))
}

/// The atom of `badarith`, `{badarith,[…` or `{{badmatch,1},[…`.
fn reason(term: &[u8]) -> Option<&[u8]> {
    let braces = term.iter().take_while(|b| **b == b'{').count();
    let atom = &term[braces..];
    let len = atom
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'@'))
        .count();
    let lower = atom.first().is_some_and(u8::is_ascii_lowercase);
    let ends = matches!(atom.get(len), None | Some(b',' | b'}'));
    (lower && ends).then_some(&atom[..len])
}

/// `in function  crash:f/2 (crash.erl, line 8)`, `{crash,f,2,[{file,"crash.erl"},{line,8}]}`
fn called(body: &[u8]) -> Option<Frame<'_>> {
    if let Some(rest) = body.strip_prefix(b"in function ") {
        let place = after(rest, b" (");
        return Some(Frame {
            file: place.and_then(|p| before(p, b", line ")),
            line: place
                .and_then(|p| number(after(p, b", line ")?))
                .map(|n| n.0),
            function: Some(trim(before(rest, b" (").unwrap_or(rest))),
        });
    }
    let at = find(body, b"{file,\"")?;
    let file = before(&body[at + 7..], b"\"")?;
    Some(Frame {
        file: Some(file),
        line: after(&body[at..], b"{line,").and_then(number).map(|n| n.0),
        function: None,
    })
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
%%
=WARNING REPORT==== 23-Nov-2026::14:37:11.248472 ===
disk 91%
%%
plain
%%
2026-11-28T13:37:36.481193+00:00 info:
up
%%
2026-11-28T13:37:36.482193+00:00 info:
up
%%
plain
%%
2026-11-28T13:37:36.482796+00:00 error:
** Generic server shop terminating 
** Last message in was boom
** Reason for termination ==
** {function_clause,[{lists,nth,[0,[1,2]]},
                     {crash,handle_call,3}]}

%%
2026-11-28 13:37:36.482 [error] <0.79.0> ** Generic server shop terminating 
** Last message in was boom
** When Server state == [1,2]
** Reason for termination ==
** very_bad
%%
plain
%%
** exception error: an error occurred when evaluating an arithmetic expression
     in function  crash:f/1 (crash.erl, line 3)
%%
2> ** exception error: no function clause matching lists:nth(x,[]) (lists.erl, line 198)
     in operator  '/'/2
%%
** bold
",
        );
    }

    #[test]
    fn what_it_says() {
        let text = "=ERROR REPORT==== 23-Nov-2026::14:37:11 ===\nError in process <0.79.0> with exit value:\n{badarg,[{t,'-go/0-fun-0-',0,[{file,\"t.erl\"},{line,10}]}]}\n\n";
        assert_eq!(
            traces(text),
            [
                "erlang badarg|{badarg,[{t,'-go/0-fun-0-',0,[{file,\"t.erl\"},{line,10}]}]}|t.erl|10|"
            ]
        );
        let text = "=CRASH REPORT==== 23-Nov-2026::14:37:11 ===\n  crasher:\n    pid: <0.80.0>\n    exception error: bad argument\n      in function  crash:handle_cast/2 (crash.erl, line 8)\n  neighbours:\n\n";
        assert_eq!(
            traces(text),
            ["erlang error|bad argument|crash.erl|8|crash:handle_cast/2"]
        );
    }
}
