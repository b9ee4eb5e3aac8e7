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
PHP Warning:  told in
two lines in /srv/a.php on line 3
%%
PHP Notice:  odd in /srv/a.php on line 4
PHP Stack trace:
PHP   1. {main}() /srv/a.php:0
%%
ready
%%
#0 /srv/a.php(3): a()
#1 {main}
%%
ready
%%
Warning: odd in /srv/a.php on line 2

Call Stack:
    0.0001     396704   1. {main}() /srv/a.php:0
%%
Warning: no cache
%%
RuntimeException: made text in /srv/a.php:3
Stack trace:
#0 {main}
%%
In Cart.php line 4:
       
  bad  
       

In Cart.php line 9:
         
  inner  
%%
         
%%
cart:go
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
[2026-11-23 10:00:00] shop.ERROR: BadError: two
lines in /srv/a.php:4
Stack trace:
#0 {main}
%%
[2026-11-23 10:00:00] shop.ERROR: b {\"exception\":\"[object] (Bad(code: 0): two
lines at /srv/a.php:4)\"} []
%%
[2026-11-23 10:00:00] shop.INFO: here
#0 /srv/a.php(3): a()
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
