use super::*;

fn start(text: &str) -> Option<Start> {
    log_start(&Line::new(text.as_bytes(), false))
}

#[test]
fn prefixed_lines_below_warning() {
    for text in [
        "2026-11-23 10:00:00,000 INFO up",
        "2026-11-23T10:00:00.123Z [info] up",
        "[2026-11-23 10:00:00 +0000] [123] [INFO] up",
        "[2026-11-23T10:00:00Z INFO  app] up",
        "2026/11/23 10:00:00 up",
        "20261123T100000 up",
        "23-Nov-2026 10:00:00 up",
        "[23-Nov-2026 10:00:00 UTC] up",
        "Nov 23 10:00:00 host app[1]: up",
        "Mon Nov 23 10:00:00 2026 - up",
        "[Mon Nov 23 10:00:00.123456 2026] [core:notice] [pid 1] up",
        "INFO:root:up",
        "12 [main] INFO  com.acme.Main - up",
        "1795873211748 INFO up",
        "26/11/23 10:00:00 INFO Main: up",
        "11/23/2026, 10:00:00 up",
        "INFO up",
        "[INFO] up",
        "[debug] up",
        "[Nest] 15488  - 11/28/2026, 1:48:04 PM     LOG [Orders] up",
        "[main] INFO com.acme.Main - up",
        " INFO [main] up",
        "I, [2026-11-23T10:00:00.0 #1]  INFO -- : up",
        "I1123 10:00:00.000000 1 main.go:3] up",
        "[I 261123 10:00:00 web:1] up",
        "info: Orders[0]",
        "time=\"2026-11-23\" level=info msg=up",
        "10:00:00.000 [info] up",
        "3:04PM INF up",
        "1:M 23 Nov 2026 10:00:00.000 * up",
        "[src/main.rs:11:20] x = 3",
        "  2026-11-23T10:00:00.312960Z  INFO shop: up",
        "http: 2026/11/23 10:00:00 up",
        "[GIN] 2026/11/23 - 10:00:00 | 200 | 11µs | GET \"/\"",
        "[GIN-debug] GET /a --> main.f (3 handlers)",
        "INFO[0012] up",
        "PHP Deprecated:  old in /x.php on line 3",
        "=PROGRESS REPORT==== 23-Nov-2026::10:00:00 ===",
        "<6>up",
        "Main  2026-11-23 10:00:00 +0000 INFO: up",
        "shop.db 2026-11-23 10:00:00,000 INFO up",
        "shop.db - INFO - up",
        "shop.db:INFO:up",
        "db.py:12 INFO up",
        "I 2026-11-23 10:00:00,000 up",
        "                    INFO     up",
        "28.11.2026 10:00:00 up",
        "28.11.2026, 10:00:00,123 INFO up",
        "11/28/2026 10:00:00 AM up",
        "11/28/26, 10:00:00 up",
        "11-28 10:00:00.123  1000  1000 I ActivityManager: up",
        "261128 10:00:00 [Note] up",
        "261128  9:00:00 [Note] up",
        "28 Nov 10:00:00 up",
        "Nov 28 2026 10:00:00 up",
        "20261128-10:00:00 up",
        "20261128100000 up",
        "1795873371.794 up",
        "1795873371 INFO up",
        "[1795873371794] [info] up",
        "10:00:00|INFO|up",
        "10:00:00\tinfo\tup",
        "[   12.345678] usb 1-1: up",
        "@400000005f0e1d2a1b2c3d4e up",
        "(2026-11-23 10:00:00) up",
        "info 2026-11-23 10:00:00 up",
    ] {
        assert!(
            matches!(start(text), Some(Start::Log(l)) if !l.high),
            "{text}: {:?}",
            start(text)
        );
    }
}

#[test]
fn prefixed_lines_of_warning_or_worse() {
    for text in [
        "2026-11-23 10:00:00,000 ERROR app bad",
        "2026-11-23 10:00:00.000 | ERROR    | app:f:3 - bad",
        "2026-11-23 10:00:00 [error    ] bad",
        "[2026-11-23 10:00:00,000: ERROR/ForkPoolWorker-1] bad",
        "[2026-11-23 10:00:00] production.ERROR: bad",
        "[2026-11-23 10:00:00 +0000] [123] [ERROR] bad",
        "2026/11/23 10:00:00 [crit] 12#12: *1 bad",
        "[Mon Nov 23 10:00:00.123456 2026] [core:error] [pid 1] bad",
        "2026-11-23 10:00:00 request failed",
        "WARNING: bad",
        "ERRO[0012] bad",
        "http: 2026/11/23 10:00:00 http: panic serving 127.0.0.1:3: bad",
        "CRITICAL bad",
        "[pool-1-thread-2] ERROR com.acme.Main - bad",
        "E, [2026-11-23T10:00:00.0 #1] ERROR -- : bad",
        "E1123 10:00:00.000000 1 main.go:3] bad",
        "[E 261123 10:00:00 web:1] bad",
        "fail: Orders[0]",
        "ts=1 level=error msg=bad",
        "10:00:00.000 [error] bad",
        "3:04PM WRN bad",
        "[10:00:00 ERR] bad",
        "[Nest] 15488  - 28/11/2026, 13:48:04   ERROR [Orders] bad",
        "[23-Nov-2026 10:00:00 UTC] PHP Fatal error:  bad",
        "=ERROR REPORT==== 23-Nov-2026::10:00:00 ===",
        "<3>bad",
        "Main  2026-11-23 10:00:00 +0000 ERROR: bad",
        "Main |2026-11-23 10:00:00 +0000 ERROR: bad",
        "shop.db - ERROR - bad",
        "shop.db:ERROR:bad",
        "db.py:12 ERROR bad",
        "E 2026-11-23 10:00:00,000 bad",
        "(MainThread) 2026-11-23 10:00:00,000 ERROR bad",
        "                    ERROR    bad",
        "28.11.2026 10:00:00 ERROR bad",
        "11/28/2026 10:00:00 AM [warn] bad",
        "1795873371 ERROR bad",
        "2026-11-23 10:00:00\twarn\tbad",
        "2026-11-23 10:00:00 Warning bad",
        "@400000005f0e1d2a1b2c3d4e ERROR bad",
        "warn [2026-11-23 10:00:00] bad",
        "Nov 23, 2026 2:29:45 PM [error] bad",
        "11/28/2026 10:00:00 AM Warning bad",
    ] {
        assert!(
            matches!(start(text), Some(Start::Log(l)) if l.high),
            "{text}: {:?}",
            start(text)
        );
    }
}

#[test]
fn lines_that_stand_alone() {
    for text in [
        r#"10.0.0.1 - - [23/Nov/2026:10:00:01 +0000] "GET / HTTP/1.1" 200 7"#,
        r#"::1 - bob [23/Nov/2026:10:00:01 +0000] "GET / HTTP/1.1" 200 7"#,
        r#"localhost - - [23/Nov/2026:10:00:01 +0000] "GET / HTTP/1.1" 200 7"#,
        r#"127.0.0.1 - - [23/Nov/2026 10:00:01] "GET / HTTP/1.1" 200 -"#,
        r#"[23/Nov/2026 10:00:01] "GET / HTTP/1.1" 200 12"#,
        "[pid: 1|app: 0|req: 1/1] 127.0.0.1 () {24 vars in 246 bytes}",
        r#"{"level":"error"}"#,
        r#"{ "level": "error" } "#,
    ] {
        assert_eq!(start(text), Some(Start::Alone), "{text}");
    }
}

#[test]
fn ordinary_lines() {
    for text in [
        "",
        "x",
        "12 items",
        "12 [main] items",
        "12 ERROR lines",
        "1/2/3 of it",
        "1/2/3 10:00",
        "2026 was a good year",
        "2026-11-2 short",
        "1795873371 rows",
        "1795873371.5 percent",
        "28.11.2026 was a good day",
        "1.2.3 10:00 released",
        "10.0.0.1 10:00:00",
        "28 Novices",
        "[12.5] progress",
        "@home",
        "error while loading",
        "(2026) was a good year",
        "at 10:00 the job ran",
        "Error: bad",
        "May I have 3 of them",
        "Monday is fine",
        "ERRORS were seen",
        "info",
        "fatal error: all goroutines are asleep - deadlock!",
        "note: text",
        "[0] first",
        "[something] else",
        "{",
        "{'a': 1}",
        "+ set -x",
        "   100  idle    0.10",
        "  INFO inside a message",
        "deployed 2026/11/23 by hand",
        "ERRORS[0]",
        "HINT: this may be a false positive",
        "  2026-11-23 10:00:00 INFO inside a message",
        "  2026-11-23T10:00:00Z inside a message",
        "==================",
        "ValueError: 2026-11-23 10:00:00 ERROR inner text",
        "since 2026-11-23 all is an ERROR",
        "built on 2026-11-23 10:00:00",
        "a - ERROR",
        "see db.py:12 ERROR",
        "DETAIL:  Key (id)=(1) already exists.",
        "          ERROR 3",
        "            level    ERROR    x",
    ] {
        assert_eq!(start(text), None, "{text}");
    }
}

#[test]
fn java_util_logging_has_two_lines() {
    let first = start("Nov 23, 2026 2:29:45 PM Main main");
    assert!(matches!(first, Some(Start::Log(l)) if l.pair == Pair::First));
    assert!(
        matches!(start("SEVERE: bad"), Some(Start::Log(l)) if l.pair == Pair::Second && l.high)
    );
    let one = start("Jul 09, 2015 3:23:29 PM com.acme.MakeLog: RuntimeException: x");
    assert!(matches!(one, Some(Start::Log(l)) if l.high && l.pair == Pair::No));
}
