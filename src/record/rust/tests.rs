use super::super::testing::{records, traces};

#[test]
fn panics() {
    records(
        "
[2026-11-23T10:00:00Z INFO  app] mode
%%
thread 'main' (6916) panicked at p.rs:2:39:
index out of bounds
second line
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
%%
thread 'w' panicked at src/a.rs:3:5:
assertion `left == right` failed
  left: 1
 right: 2
stack backtrace:
   0: std::panicking::begin
             at /rustc/x/library/std/src/panicking.rs:689:5
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
%%
thread 'w' panicked at src/a.rs:3:5:
no note the second time
%%
thread 'w' panicked at src/a.rs:3:5:
nor the third
%%
thread 'main' (12) has overflowed its stack
fatal runtime error: stack overflow, aborting
%%
thread 'worker' processing request
%%
note: run `x --help` for usage
",
    );
}

#[test]
fn error_chains() {
    records(
        "
Error: cannot start

Caused by:
    0: reading config
    1: No such file

Location:
    src/main.rs:10:5
%%
Error: \x1b[1mno such table\x1b[22m
├╴at \x1b[3msrc/main.rs:85:141\x1b[23m
│
╰─▶ No such file
    ╰╴path: /srv/none
%%
Error: oops::my::bad

  × oops!
   ╭─[bad_file.rs:2:3]
 1 │ source
   ╰────
  help: try better
%%
exiting
%%
Error:   × cannot start
  ╰─▶ No such file
%%
2026-11-23T10:00:00Z ERROR app: cannot load
╰─▶ No such file
%%
Error: 
   0: \x1b[91mreading config\x1b[0m

Location:
   \x1b[35msrc/main.rs\x1b[0m:\x1b[35m25\x1b[0m

key: 1

Suggestion: create the file

Backtrace omitted. Run with RUST_BACKTRACE=1 environment variable to display it.
Run with RUST_BACKTRACE=full to include source snippets.
%%
exiting
%%
Error: E(\"config missing\")
%%

%%
next
",
    );
}

#[test]
fn hooks() {
    records(
        "
The application panicked (crashed).
Message:  boom
second
Location: src/main.rs:82

Backtrace omitted. Run with RUST_BACKTRACE=1 environment variable to display it.
Run with RUST_BACKTRACE=full to include source snippets.
%%
Backtrace (most recent call first):
  File \"/srv/main.rs\", line 89, in shop::main
    panic!(\"boom\")

The application panicked (crashed).
  boom
in src/main.rs, line 89
thread: main
%%
next
%%
Well, this is embarrassing.

shop had a problem and crashed.

Thank you kindly!
%%
Well, this is embarrassing.
%%
next
%%
  2026-11-23T10:00:00Z ERROR app: cannot load
    at src/main.rs:28
    in app::load with id: 3
%%

%%
  2026-11-23T10:00:00Z  INFO app: done
    at src/main.rs:29
",
    );
}

#[test]
fn older_layouts() {
    records(
        "
thread 'a' panicked at 'boom', src/main.rs:4:5
%%
plain
%%
thread 'a' panicked at 'assertion failed: `(left == right)`
  left: `1`,
 right: `2`: it
differs', src/main.rs:7:9
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
%%
thread 'a' panicked at 'boom', src/main.rs:4:5
stack backtrace:
   0: rust_begin_unwind
%%
plain
%%
thread 'main' (7) panicked at src/main.rs:64:28:
called `Result::unwrap()` on an `Err` value: cannot start

Caused by:
    0: reading config

Stack backtrace:
   0: shop::any
             at /srv/src/main.rs:22:44
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
",
    );
}

#[test]
fn what_it_says() {
    let text =
        "thread 'main' panicked at p.rs:2:39:\nout of bounds\nnote: run with `RUST_BACKTRACE=1`\n";
    assert_eq!(traces(text), ["rust panic|out of bounds|p.rs|2|"]);
    let text =
        "thread 'main' panicked at 'it's bad', p.rs:2:39\nnote: run with `RUST_BACKTRACE=1`\n";
    assert_eq!(traces(text), ["rust panic|it's bad|p.rs|2|"]);
    assert_eq!(
        traces("Error: a\n\nCaused by:\n    b\n"),
        ["rust Error|a|||"]
    );
    let text = "Error: \n   0: reading\n\nLocation:\n   src/main.rs:25\n";
    assert_eq!(traces(text), ["rust Error|reading|src/main.rs|25|"]);
    let text = "The application panicked (crashed).\nMessage:  boom\nLocation: src/main.rs:82\n";
    assert_eq!(traces(text), ["rust panic|boom|src/main.rs|82|"]);
    let text = "thread 'main' panicked at 'a\nb', src/main.rs:7:9\n";
    assert_eq!(traces(text), ["rust panic|a|src/main.rs|7|"]);
    let text = "2026-11-23T10:00:00Z ERROR app: cannot load\n\nCaused by:\n    no\n";
    assert_eq!(traces(text), ["rust ||||"]);
}
