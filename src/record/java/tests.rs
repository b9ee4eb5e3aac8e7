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
    let text = "WARN x\nplain\nException in thread \"a\" java.lang.Bad: z\n\tat a.B.c(B.java:12)\n";
    assert_eq!(traces(text), ["java java.lang.Bad|z|B.java|12|a.B.c"]);
}

#[test]
fn words_alone() {
    records(
        "at least one Error here\n%%\n\tat most two\n%%\nCaused by: user click\n%%\n... 12 more items\n%%\nException handling is on\n",
    );
}
