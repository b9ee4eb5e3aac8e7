//! Perl: `Carp`'s stacks, and what `require` adds to an error.

use super::language::{Error, Frame, Head, Language, NUMBER_STOP, Opening, Shape, State, Step};
use super::line::{Line, after, before, find, number, trim};
use memchr::{memchr2, memmem};

/// Perl 5.
pub(super) struct Perl;

/// The compiler collects its errors, and says at the end what came of them. Phase 0 is a stack.
const COMPILING: u8 = 1;
/// Inside the program text that it quotes.
const QUOTING: u8 = 2;

impl Language for Perl {
    fn name(&self) -> &'static str {
        "perl"
    }

    fn first(&self) -> &'static [u8] {
        b"sGBMNT"
    }

    fn signs(&self) -> u8 {
        NUMBER_STOP
    }

    fn open(&self, line: &Line<'_>) -> Opening {
        if line.indent > 0 || place(line.text).is_none() || consequence(line.text) {
            return Opening::No;
        }
        if !COMPILER.iter().any(|words| line.text.starts_with(words)) {
            return Opening::Head(Shape::Firm);
        }
        Opening::Trace(State {
            phase: quoting(line.text),
            seen: true,
            error: Some(0),
            frame: Some(0),
            ..State::default()
        })
    }

    fn confirm(&self, head: Head, line: &Line<'_>) -> Option<State> {
        let belongs = head.lines <= 1 && call(line) || head.lines == 1 && consequence(line.text);
        belongs.then_some(State {
            seen: true,
            frame: Some(head.at),
            ..State::default()
        })
    }

    fn next(&self, state: &mut State, line: &Line<'_>) -> Step {
        let text = line.text;
        if consequence(text) {
            state.phase = 0;
            return Step::Continue;
        }
        match state.phase {
            // Carp puts its own place behind a message that ends in a newline.
            0 if call(line) || text.starts_with(b" at ") && place(text).is_some() => Step::Continue,
            0 => Step::Foreign,
            QUOTING => {
                if text.ends_with(b"\"") {
                    state.phase = COMPILING;
                }
                Step::Hold
            }
            _ if line.blank() => Step::Foreign,
            _ if compiler(text) => {
                state.phase = quoting(text);
                Step::Hold
            }
            // `(Missing operator before "x"?)`
            _ if line.body().starts_with(b"(") => Step::Hold,
            _ => Step::Foreign,
        }
    }

    fn error<'a>(&self, text: &'a [u8]) -> Error<'a> {
        (
            None,
            Some(place(text).map_or(text, |(message, _, _)| trim(message))),
        )
    }

    fn frame<'a>(&self, text: &'a [u8], _: &'a [u8]) -> Frame<'a> {
        place(text).map_or(Frame::default(), |(_, file, line)| Frame {
            file: Some(file),
            line: Some(line),
            function: None,
        })
    }
}

/// How the compiler's errors begin that do not end its work at once.
const COMPILER: &[&[u8]] = &[
    b"syntax error at ",
    b"Global symbol \"",
    b"Bareword \"",
    b"Missing right ",
    b"Not enough arguments for ",
    b"Too many arguments for ",
    b"Type of arg ",
];

/// `message at FILE line N.`, perhaps with the handle last read: `, <STDIN> line 5.`, or with the text at which the
/// compiler gave up: `, near "x"`.
fn place(text: &[u8]) -> Option<(&[u8], &[u8], u64)> {
    // Most lines that end in a number have neither, and a look for two bytes is all that they cost.
    let quotes = memchr2(b'"', b'<', text).is_some();
    let near = if quotes {
        before(text, b", near \"")
    } else {
        None
    };
    let text = near.unwrap_or(text);
    let text = text.strip_suffix(b", at EOF").unwrap_or(text);
    let text = text.strip_suffix(b".").unwrap_or(text);
    let handle = if quotes {
        memmem::rfind(text, b", <")
    } else {
        None
    };
    let text = match handle {
        Some(handle) if find(&text[handle..], b"> ").is_some() => &text[..handle],
        _ => text,
    };
    let digits = text.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (front, line) = text.split_at(text.len() - digits);
    let front = front.strip_suffix(b" line ")?;
    let at = memmem::rfind(front, b" at ")?;
    let (line, _) = number(line)?;
    Some((&front[..at], &front[at + 4..], line))
}

/// Whether the compiler says so: an error of those, or one with the text at which it gave up.
fn compiler(text: &[u8]) -> bool {
    let known = COMPILER.iter().any(|words| text.starts_with(words));
    let near = after(text, b", near \"").is_some() || text.ends_with(b", at EOF");
    (known || near) && place(text).is_some()
}

/// The phase behind a compiler's error: the text that it quotes may have several lines.
fn quoting(text: &[u8]) -> u8 {
    match after(text, b", near \"") {
        Some(quoted) if !quoted.ends_with(b"\"") => QUOTING,
        _ => COMPILING,
    }
}

/// `main::f(1) called at FILE line N`, `...propagated at FILE line N.`, and Devel::StackTrace's `eval {...} at FILE line N`,
/// behind a tab.
fn call(line: &Line<'_>) -> bool {
    let body = line.body();
    let known = find(body, b" called at ").is_some()
        || find(body, b" {...} ").is_some()
        || body.starts_with(b"...propagated at ");
    line.text.starts_with(b"\t") && known && place(body).is_some()
}

/// What the compiler says in the end, and `require` of a module that could not be loaded.
fn consequence(text: &[u8]) -> bool {
    const PLACED: &[&[u8]] = &[
        b"BEGIN failed--compilation aborted at ",
        b"BEGIN not safe after errors - compilation aborted at ",
        b"Compilation failed in require at ",
    ];
    text == b"BEGIN failed--compilation aborted."
        || text.ends_with(b" had compilation errors.")
        || text.ends_with(b" has too many errors.")
        || text.starts_with(b"Execution of ")
            && text.ends_with(b" aborted due to compilation errors.")
        || PLACED.iter().any(|words| text.starts_with(words)) && place(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{records, traces};

    #[test]
    fn stacks() {
        records(
            "
cache is cold at /srv/a.pl line 2.
\tmain::low(3, \"x\") called at /srv/a.pl line 3
\teval {...} called at /srv/a.pl line 5
%%
plain warning at /srv/a.pl line 6.
%%
Can't locate No/Mod.pm in @INC (you may need to install it) at /srv/a.pl line 3.
BEGIN failed--compilation aborted at /srv/a.pl line 3.
Compilation failed in require at /srv/b.pl line 1.
%%
died at /srv/a.pl line 7, <STDIN> line 5.
\t...propagated at /srv/a.pl line 8, <STDIN> line 5.
%%
Global symbol \"$x\" requires explicit package name at /srv/a.pl line 3.
syntax error at /srv/a.pl line 4, near \"my $y
  = 1\"
  (Missing operator before \"y\"?)
Execution of /srv/a.pl aborted due to compilation errors.
%%
syntax error at (eval 1) line 1, near \"+*\"
%%
odd at /srv/a.pl line 3.
%%
kaputt at /srv/app.psgi line 2
\tmain::f('HASH(0x5)') called at /srv/a.pl line 9
\teval {...} at /srv/a.pl line 7
\tPlack::try {...}  at /srv/a.pl line 8
%%
confessed at /srv/a.pl line 2.
\tmain::f(1) called at /srv/a.pl line 9
 at /srv/Carp.pm line 290
\tCarp::confess('x') called at /srv/a.pl line 2
%%
rows at table 3 line 12
%%
\tindented
%%
there were 12.
%%
\tcalled at home
",
        );
    }

    #[test]
    fn what_it_says() {
        let text = "cold at /srv/a.pl line 2.\n\tmain::low(3) called at /srv/a.pl line 3\n";
        assert_eq!(traces(text), ["perl |cold|/srv/a.pl|2|"]);
    }
}
