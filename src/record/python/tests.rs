use super::names::exception_shape;
use super::*;
use crate::record::testing::{records, traces};

#[test]
fn a_traceback_is_one_record() {
    records(
        r#"
loading
%%
Traceback (most recent call last):
  File "a.py", line 5, in <module>
    try: {}["x"]
         ~~^^^^^
  [Previous line repeated 996 more times]
  File "<frozen importlib._bootstrap>", line 1, in _find
KeyError: 'x'
%%
bye: all good
%%
Traceback (most recent call last):
  File "a.py", line 5, in <module>
KeyboardInterrupt
%%
Traceback (most recent call last):
  File "a.py", line 5, in f
psycopg2.OperationalError: connection refused
	Is the server running?
%%
Traceback (most recent call last):
  File "a.py", line 5, in cut
%%
two words"#,
    );
}

#[test]
fn chains_stay_together() {
    records(
        r#"
2026-11-23 10:00:00,000 ERROR db failed
Traceback (most recent call last):
  File "a.py", line 9, in <module>
    connect()
OSError: [Errno 111] refused

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 11, in <module>
NameError: name 'x' is not defined

The above exception was the direct cause of the following exception:

ValueError: without frames
%%
2026-11-23 10:00:01,000 INFO db retry
%%
Traceback (most recent call last):
  File "a.py", line 1, in f
ValueError: x
%%

%%
a line"#,
    );
}

#[test]
fn groups_stay_together() {
    records(
        r#"
running
%%
  + Exception Group Traceback (most recent call last):
  |   File "g.py", line 10, in <module>
  |     raise ExceptionGroup("two", errs)
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "g.py", line 7, in <module>
    | TypeError: bad
    +---------------- 2 ----------------
    | ValueError: worse
    +------------------------------------

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "g.py", line 12, in <module>
RuntimeError: last
%%
  + Exception Group Traceback (most recent call last):
  | ExceptionGroup: one (1 sub-exception)
  +-+---------------- 1 ----------------
    | ValueError: x
    +------------------------------------
%%
done"#,
    );
}

#[test]
fn headers_join() {
    records(
        r#"
INFO:shop:up
%%
ERROR:shop:no price
Traceback (most recent call last):
  File "a.py", line 6, in <module>
KeyError: 'price'
message line two

message line four
%%
INFO:shop:an uncaught one is apart
%%
Traceback (most recent call last):
  File "a.py", line 6, in <module>
KeyError: 'price'
%%
127.0.0.1 - - [23/Nov/2026:14:29:32 +0000] "GET / HTTP/1.1" 500 0 "-" "-"
%%
Traceback (most recent call last):
  File "a.py", line 6, in <module>
KeyError: 'price'
%%
INFO:shop:a stack always joins
Stack (most recent call last):
  File "a.py", line 6, in <module>
    f()
%%
Internal Server Error: /boom
Traceback (most recent call last):
  File "a.py", line 6, in <module>
KeyError: 'price'
%%
Process SpawnProcess-1:
Traceback (most recent call last):
  File "a.py", line 6, in <module>
KeyError: 'price'
%%
Exception in thread Thread-1 (work):
%%
Task exception was never retrieved
future: <Task finished name='Task-2' exception=ValueError('x')>
Traceback (most recent call last):
  File "a.py", line 6, in <module>
ValueError: x
%%
Exception ignored in: <function C.__del__ at 0x7f>
AttributeError: 'NoneType' object has no attribute 'close'
%%
Exception handling is on"#,
    );
}

#[test]
fn back_to_back_tracebacks_are_two() {
    records(
        r#"
[2026-11-23 10:00:00 +0000] [7] [ERROR] bad
Traceback (most recent call last):
  File "a.py", line 6, in f
KeyError: 'a'
%%
Traceback (most recent call last):
  File "a.py", line 7, in f
KeyError: 'b'
%%
Traceback (most recent call last):
  File "a.py", line 8, in cut
%%
Traceback (most recent call last):
  File "a.py", line 8, in g
KeyError: 'c'"#,
    );
}

#[test]
fn other_layouts() {
    records(
        r#"
[E 261123 10:00:00 web:1789] Uncaught exception GET / (127.0.0.1)
    Traceback (most recent call last):
      File "x.py", line 3, in get
    ZeroDivisionError: division by zero
%%
2026-11-23 10:00:00.000 | ERROR    | __main__:<module>:5 - loguru
Traceback (most recent call last):

> File "x.py", line 5, in <module>
    f()
    └ <function f at 0x1>

  File "x.py", line 3, in f

ZeroDivisionError: division by zero
%%
concurrent.futures.process._RemoteTraceback: 
"""
Traceback (most recent call last):
  File "w.py", line 1, in w
2026-11-23 10:00:00 INFO content
ValueError: x
"""

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
ValueError: x
%%
  File "t.py", line 3
    def f(:
          ^
SyntaxError: invalid syntax
%%
╭──── Traceback (most recent call last) ────╮
│ a.py:3 in <module>                        │
╰───────────────────────────────────────────╯
ZeroDivisionError: division by zero
%%
done"#,
    );
}

#[test]
fn warnings_and_dumps() {
    records(
        r#"
/srv/a.py:6: DeprecationWarning: old() is deprecated
  old()
%%
a.py:7: UserWarning: the source is not there
%%
a.py:8: SettingWithCopyWarning: 
A value is trying to be set on a copy

See the caveats
  df['a'] = 1
%%
a.py:9: SecurityWarning: You run with privileges: this is
absolutely not recommended!

Please specify a user.

User information: uid=0

  _warn_or_raise(egid)
%%
sys:1: ResourceWarning: unclosed file <x>
ResourceWarning: Enable tracemalloc to get the object allocation traceback
%%
job 7
%%
Fatal Python error: Segmentation fault

Current thread 0x00007fd3 (most recent call first):
  File "a.py", line 3 in poke

Thread 0x00007fd4 (most recent call first):
  File "a.py", line 6 in <module>

Extension modules: numpy (total: 1)
%%
Timeout (0:00:01)!
Thread 0x00007fd4 (most recent call first):
  File "a.py", line 6 in <module>
%%
Thread 0x00007fd4 is fine"#,
    );
}

#[test]
fn sections_behind_the_error() {
    records(
        r#"
--- Logging error ---
Traceback (most recent call last):
  File "logging/__init__.py", line 400, in getMessage
TypeError: %d format: a real number is required, not str
Call stack:
  File "a.py", line 49, in <module>
    log.info('%d', 'x')
Message: '%d'
Arguments: ('x',)
%%
2026-11-23 10:00:00,000 ERROR app both
Traceback (most recent call last):
  File "a.py", line 6, in <module>
ZeroDivisionError: division by zero
Stack (most recent call last):
  File "a.py", line 7, in <module>
%%
2026-11-23 10:00:00,000 INFO next
%%
plain
%%
  File "a.py", line 45, in <module>
    g()
  File "a.py", line 44, in g
    traceback.print_stack()
%%
done: ok
%%
a.py:9: UserWarning: two
lines
  warnings.warn('two\nlines')
%%
a.py:9: UserWarning: no source
%%
a.py:9: UserWarning: nor here
%%
plain"#,
    );
}

#[test]
fn what_databases_and_validators_add() {
    records(
        r#"
Traceback (most recent call last):
  File "a.py", line 5, in f
psycopg2.errors.UniqueViolation: duplicate key
DETAIL:  Key (id)=(1) already exists.


The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "a.py", line 9, in g
sqlalchemy.exc.IntegrityError: (psycopg2.errors.UniqueViolation) duplicate key
DETAIL:  Key (id)=(1) already exists.

[SQL: INSERT INTO users (id)
VALUES (%(id)s)]
[parameters: {'id': 1}]
(Background on this error at: https://sqlalche.me/e/20/gkpj)
%%
a print
%%
Traceback (most recent call last):
  File "a.py", line 5, in f
psycopg2.errors.SyntaxError: syntax error at or near "FORM"
LINE 1: SELECT id FORM users
                  ^
%%
LINE 2 of a print
%%
ERROR:app:(psycopg2.errors.UniqueViolation) duplicate key
DETAIL:  Key (id)=(1) already exists.

[SQL: SELECT 1]
(Background on this error at: https://sqlalche.me/e/20/gkpj)
%%
INFO:app:rolled back
%%
Traceback (most recent call last):
  File "a.py", line 5, in f
pydantic_core._pydantic_core.ValidationError: 2 validation errors for User
id
  Input should be a valid integer [type=int_parsing]
    For further information visit https://errors.pydantic.dev/2.5/v/int_parsing
address.zip
  Field required [type=missing]
%%
summary
%%
  2 bad
%%
Traceback (most recent call last):
  File "a.py", line 5, in f
pydantic_core._pydantic_core.ValidationError: 2 validation errors for User
  Value error, all is bad
%%
row 2: ok
%%
row 3: ok"#,
    );
}

#[test]
fn ruled_reports() {
    records(
        r#"
----------------------------------------
Exception occurred during processing of request from ('127.0.0.1', 38750)
Traceback (most recent call last):
  File "a.py", line 5, in do_GET
KeyError: 'x'
----------------------------------------
%%
127.0.0.1 - - [28/Nov/2026 13:39:02] "GET / HTTP/1.1" 200 -
%%
----------------------------------------
%%
ERROR: (not a test)
%%
======================================================================
%%
ERROR: nothing to do
%%
======================================================================
%%
F.E
%%
======================================================================
ERROR: test_err (shop.T.test_err)
What it is for
----------------------------------------------------------------------
Traceback (most recent call last):
  File "t.py", line 6, in test_err
KeyError: 'x'

%%
======================================================================
FAIL: test_bad (shop.T.test_bad) (i=1)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "t.py", line 5, in test_bad
AssertionError: Lists differ: [1] != [2]

First differing element 0:
1
2

%%
----------------------------------------------------------------------
%%
Ran 2 tests in 0.038s
%%

%%
FAILED (failures=1, errors=1)
%%
======================================================================
FAIL: the cut (of a banner)
%%
one
%%
two
%%
three
%%
four"#,
    );
}

#[test]
fn asyncio_without_a_logger() {
    records(
        r#"
Future exception was never retrieved
future: <Future finished exception=KeyError('f')>
KeyError: 'f'
%%
Error handling request from 127.0.0.1
Traceback (most recent call last):
  File "a.py", line 5, in f
KeyError: 'f'
%%
Fatal error: protocol.data_received() call failed.
protocol: <Pr object at 0x7fb165417e50>
transport: <_SelectorSocketTransport fd=8>
Traceback (most recent call last):
  File "a.py", line 5, in f
ValueError: x
%%
Task exception was never retrieved
future: <Task finished name='Task-2'>
source_traceback: Object created at (most recent call last):
  File "a.py", line 12, in <module>
    asyncio.run(main())
Traceback (most recent call last):
  File "a.py", line 5, in f
ValueError: x
%%
ERROR:asyncio:Task exception was never retrieved
future: <Task finished name='Task-2'>
source_traceback: Object created at (most recent call last):
  File "a.py", line 12, in <module>
    asyncio.run(main())
Traceback (most recent call last):
  File "a.py", line 5, in f
ValueError: x
%%
2026-11-28 10:00:00 INFO a.py:4: no more
%%
a.py:4: RuntimeWarning: coroutine 'co' was never awaited
  co()
RuntimeWarning: Enable tracemalloc to get the object allocation traceback
%%
Python path configuration:
  PYTHONHOME = '/nonexistent'
  sys.path = [
    '/nonexistent/lib/python311.zip',
  ]
%%
Fatal Python error: init_fs_encoding: failed"#,
    );
}

#[test]
fn names_and_places_in_special_layouts() {
    let text = "ERROR:    Traceback (most recent call last):
  File \"a.py\", line 5, in life
ConnectionError: redis is away
";
    assert_eq!(
        traces(text),
        ["python ConnectionError|redis is away|a.py|5|life"]
    );
    let text = "Traceback (most recent call last):
  File \"a.py\", line 5, in f
lower
";
    assert_eq!(traces(text), ["python lower||a.py|5|f"]);
    let text = "╭──── Traceback (most recent call last) ────╮
│ /srv/a.py:3 in main                       │
│                                           │
│ ❱ 3 f()                                   │
│                                           │
│ /srv/b.py:9 in f                          │
╰───────────────────────────────────────────╯
ZeroDivisionError: division by zero
";
    assert_eq!(
        traces(text),
        ["python ZeroDivisionError|division by zero|/srv/b.py|9|f"]
    );
    let text = "Traceback (most recent call last):
  File \"a.py\", line 1, in f
ValueError: x

The above exception was the direct cause of the following exception:

  + Exception Group Traceback (most recent call last):
  |   File \"b.py\", line 2, in g
  | ExceptionGroup: two (1 sub-exception)
  +-+---------------- 1 ----------------
    | ValueError: x
    +------------------------------------
";
    assert_eq!(
        traces(text),
        ["python ExceptionGroup|two (1 sub-exception)|b.py|2|g"]
    );
    // As 3.13 and later colour them.
    let text = "Traceback (most recent call last):
  File \x1b[35m\"/srv/a.py\"\x1b[0m, line \x1b[35m5\x1b[0m, in \x1b[35m<module>\x1b[0m
    \x1b[31mf\x1b[0m\x1b[1;31m()\x1b[0m
\x1b[1;35mKeyError\x1b[0m: \x1b[35m'x'\x1b[0m
";
    assert_eq!(traces(text), ["python KeyError|'x'|/srv/a.py|5|<module>"]);
}

#[test]
fn lines_of_loggers() {
    records(
        r#"
2026-11-28 13:34:16,163 INFO sqlalchemy.engine.Engine SELECT users.id 
FROM users 
WHERE users.id = ?
%%
2026-11-28 13:34:16,164 INFO sqlalchemy.engine.Engine [generated in 0.00011s] (5,)
%%
2026-11-28 13:34:16,163 INFO sqlalchemy.engine.Engine 
CREATE TABLE users (
	id INTEGER NOT NULL, 
	PRIMARY KEY (id)
)
%%
2026-11-28 13:34:16,164 INFO sqlalchemy.engine.Engine COMMIT
%%
a print
%%
FROM is a word
%%
2026-11-28 13:38:46+0000 [-] while handling timed call
	Traceback (most recent call last):
	  File "/srv/app/tw.py", line 13, in <lambda>
	builtins.ValueError: invalid
%%
2026-11-28 13:38:46+0000 [-] next
%%
Traceback (most recent call last):
  File "/usr/lib/python2.7/logging/__init__.py", line 335, in getMessage
TypeError: %d format: a number is required, not str
Logged from file a.py, line 4
%%
a print
%%
[11/28/26 13:44:41] INFO     start                      a.py:7
%%
                    ERROR    failed                    a.py:11
                             Traceback (most recent call last):
                               File "/srv/app/a.py", line 10, in
                             <module>
                             KeyError: 'x'
%%
                    INFO     end                       a.py:12
%%
Main  2026-11-28 13:39:00 +0000 ERROR: Exception occurred
Traceback (most recent call last):
  File "/srv/app/san.py", line 8, in boom
ValueError: 2026-11-28 13:39:00 ERROR inner
%%
shop.db - INFO - next"#,
    );
}

#[test]
fn words_alone_are_no_traceback() {
    records(
        r#"
2026-11-23 10:00:00,000 INFO the Traceback (most recent call last): was not seen
%%
Traceback (most recent call last): inline
%%
  File "a.txt" is missing, 3 lines skipped
%%
  File "a.txt", line 3 of 4
%%
Process 7 is up:
%%
Fatal Python errors are rare
%%
note: File "x.py", line 3"#,
    );
}

#[test]
fn what_a_traceback_says() {
    let text = r#"E, [2026-11-23T10:00:00.0 #1] ERROR -- : x
Traceback (most recent call last):
  File "a.py", line 3, in f
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/b.py", line 12, in <module>
app.Bad: first line
second"#;
    assert_eq!(
        traces(text),
        ["python app.Bad|first line|/srv/b.py|12|<module>"]
    );
    let text = "  File \"t.py\", line 3\n    def f(:\nSyntaxError: invalid\nx\n";
    assert_eq!(traces(text), ["python SyntaxError|invalid|t.py|3|"]);
    assert_eq!(
        traces("Exception in thread X:\nno more\n"),
        Vec::<String>::new()
    );
}

#[test]
fn error_lines_are_taken_apart() {
    let cases: &[(&str, Option<&str>, Option<&str>)] = &[
        ("KeyError: 'x'", Some("KeyError"), Some("'x'")),
        ("app.errors.Bad: a: b", Some("app.errors.Bad"), Some("a: b")),
        ("KeyboardInterrupt", Some("KeyboardInterrupt"), None),
        (
            "  | ExceptionGroup: two (2 sub-exceptions)",
            Some("ExceptionGroup"),
            Some("two (2 sub-exceptions)"),
        ),
        ("Fatal Python error: Aborted", None, Some("Aborted")),
    ];
    for (text, kind, message) in cases {
        let want = (kind.map(str::as_bytes), message.map(str::as_bytes));
        assert_eq!(Python.error(text.as_bytes()), want, "{text}");
    }
}

#[test]
fn frames_are_taken_apart() {
    let frame = Python.frame(b"  File \"/srv/a b.py\", line 12, in <module>", b"");
    assert_eq!(
        frame,
        Frame {
            file: Some(b"/srv/a b.py"),
            line: Some(12),
            function: Some(b"<module>")
        }
    );
    assert_eq!(Python.frame(b"nothing", b""), Frame::default());
}

#[test]
fn what_names_an_error() {
    for text in [
        "ValueError",
        "ValueError: x",
        "a.b.c: x",
        "struct.error",
        "f.<locals>.E: x",
        "error: x",
        "Exit: ",
    ] {
        assert!(exception_shape(text.as_bytes()), "{text}");
    }
    for text in [
        "done",
        "order skipped",
        "two words: x",
        "10: x",
        "",
        ": x",
        "a:b",
    ] {
        assert!(!exception_shape(text.as_bytes()), "{text}");
    }
}
