use super::super::testing::{records, traces};

#[test]
fn stacks() {
    records(
        "
req 1
%%
Trace: here
    at /srv/a.js:11:21
%%
MyFailure: custom
    at f (/srv/a.js:13:28) {
  status: 500
}
%%
Usage: x
%%
done
%%
TypeError: Cannot read x
    at handler (/srv/a.js:6:12)
    at async Promise.all (index 0)
    at node:internal/main:28:49
%%
2026-11-23T14:31:51.082Z [error] parse failed SyntaxError: Expected '}'
    at JSON.parse (<anonymous>)
    at file:///srv/a.mjs:1:2
%%
[10:00:00.000] ERROR (1234): failed
    err: {
      \"stack\":
          Error: boom
              at f (/srv/a.js:1:2)
    }
%%
2026-11-23T14:31:51.083Z [info] next
%%
Error: with a cause
    at load (/srv/a.js:2:50)
    ... 5 lines matching cause stack trace ...
    at node:internal/main:28:49 {
  code: 'E}',
  [cause]: RangeError: low
      at q (/srv/a.js:1:22)
}
%%
all failed: [AggregateError: no] {
  [errors]: [
    Error: one
        at /srv/a.js:2:44
  ]
}
%%
Error: alone
%%
at 10:00 it ran
",
    );
}

#[test]
fn values_behind_an_error() {
    records(
        "
job failed Error: a
    at f (/srv/a.js:1:2)
    at node:internal/main:28:49 job 7
%%
Error: b
    at f (/srv/a.js:1:2)
    at node:internal/main:28:49 {
  code: 1
} {
  job: 7
}
%%
plain
%%
{ Error: old
    at f (/srv/a.js:1:2)
  errno: -2,
  code: 'ENOENT' }
%%
plain
%%
Trace
    at f (/srv/a.js:1:2)
%%
Trace
%%
plain
%%

%%
  Error: from koa
      at f (/srv/a.js:1:2)
%%

%%
plain
",
    );
}

#[test]
fn loggers() {
    records(
        "
2026-11-23T14:31:51.082Z [error]: TypeError: no user
second line
    at f (/srv/a.js:1:2)
%%
[Nest] 15488  - 11/28/2026, 1:48:04 PM   ERROR [Orders] failed
Error: boom
    at f (/srv/a.js:1:2)
%%
[Nest] 15488  - 11/28/2026, 1:48:04 PM     LOG [Orders] up
%%
2026-11-23T14:31:51.082Z [error]: query failed: DBError: lost
%%
plain
%%
RangeError: another
    at f (/srv/a.js:1:2)
%%
error: Uncaught (in promise) Error: Cannot find module
Require stack:
- /srv/a.js
require('./missing-thing');
^
    at f (file:///srv/a.js:1:2)
%%
plain
",
    );
}

#[test]
fn older_and_other_places() {
    records(
        "
events.js:174
      throw er; // Unhandled 'error' event
      ^

Error: listen EADDRINUSE
    at f (net.js:1:2)
Emitted 'error' event on Server instance at:
    at g (net.js:3:4)
    [... lines matching original stack trace ...]
    at h (net.js:5:6) {
  port: 1
}
%%
<anonymous_script>:1
<html>
^

SyntaxError: Unexpected token '<'
    at JSON.parse (<anonymous>)
    at parse (/srv/a.js:1:32)

Node.js v20.0.0
%%
server.js:8080
%%
Emitted 'error' event
%%
plain
",
    );
}

#[test]
fn last_words_of_the_engine() {
    records(
        "
<--- Last few GCs --->

[9521:0x7650690]      638 ms: Mark-sweep 29.5 (62.7)


<--- JS stacktrace --->

FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory
----- Native stack trace -----

 1: 0xb78db3 node::OOMErrorHandler(char const*) [node]
10: 0xee8300  [node]
%%
plain
%%
 1: 0x8fb090 node::Abort() [node]
 2: 0x8fb0dc  [node]
%%
 1: first of a list
%%
#
# Fatal error in , line 0
# unreachable code
#
#FailureMessage Object: 0x7ffe
----- Native stack trace -----

 1: 0xb78db3  [node]

----- JavaScript stack trace -----

1: f (/srv/a.js:2:9)
%%
#
%%
# comment
",
    );
}

#[test]
fn bun() {
    records(
        "
 9 | const a = 1;
10 | fail(a);
     ^
error: bad
second line
 code: \"E\",

      at fail (/srv/a.js:10:1)

Bun v1.4.5 (Linux x64)
%%
error: no source
      at fail (/srv/a.js:10:1)

Bun v1.4.5 (Linux x64)
%%
1 | foo
%%
2 | bar
%%
plain
%%
  indented
",
    );
}

#[test]
fn uncaught() {
    records(
        "
/srv/a.js:3
  throw new TypeError('x');
  ^

TypeError: x
    at f (/srv/a.js:3:9)

Node.js v20.0.0
%%
node:internal/process/promises:288
            triggerUncaughtException(err, true /* fromPromise */);
            ^

[UnhandledPromiseRejection: no error] {
  code: 'ERR_UNHANDLED_REJECTION'
}

Node.js v20.0.0
%%
/srv/list.js:3
%%
plain
%%
(node:5417) [DEP0005] DeprecationWarning: old
(Use `node --trace-deprecation ...` to show where the warning was created)
%%
(node:5417) [X1] Warning: full
some detail
(Use `node --trace-warnings ...` to show where the warning was created)
%%
(node:5417) Warning: full
%%
done
",
    );
}

#[test]
fn what_it_says() {
    let text = "failed TypeError: no x\n    at f (/srv/a.js:6:12)\n    at g (/srv/a.js:7:12)\n";
    assert_eq!(traces(text), ["node TypeError|no x|/srv/a.js|6|f"]);
    let cases = [
        (
            "Error in job RangeError: c\n    at JSON.parse (<anonymous>)\n    at g (/srv/a.js:6:12)\n",
            "node RangeError|c|/srv/a.js|6|g",
        ),
        (
            "Error: e\n    at g (eval at <anonymous> (/srv/a.js:3:6), <anonymous>:1:23)\n",
            "node Error|e|/srv/a.js|3|g",
        ),
        (
            "\x1b[31merror\x1b[0m: Uncaught \x1b[1mTypeError\x1b[0m: t\n    at \x1b[1mg\x1b[0m (\x1b[36m/srv/a.js\x1b[0m:\x1b[33m3\x1b[0m:6)\n",
            "node TypeError|t|/srv/a.js|3|g",
        ),
        (
            "(node:1) [X] SomeWarning: w\n    at g (/srv/a.js:3:6)\n",
            "node SomeWarning|w|/srv/a.js|3|g",
        ),
        (
            "1 | x();\n    ^\nerror: e\n      at g (/srv/a.js:1:5)\n",
            "node Error|e|/srv/a.js|1|g",
        ),
    ];
    for (text, want) in cases {
        assert_eq!(traces(text), [want]);
    }
    let text =
        "/srv/a.js:3\n  x();\n  ^\n\nTypeError: x\n    at f (/srv/a.js:3:9)\n\nNode.js v20.0.0\n";
    assert_eq!(traces(text), ["node TypeError|x|/srv/a.js|3|f"]);
}
