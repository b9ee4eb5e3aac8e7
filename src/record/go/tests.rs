use super::super::testing::{records, traces};

#[test]
fn panics() {
    records(
        "
2026/11/23 14:29:47 up
%%
plain line
%%
panic: first [recovered]
\tpanic: second
of two lines
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x489ab1]

goroutine 1 [running]:
main.(*cart).at(...)
\t/srv/a.go:4
panic({0x675a40, 0x7314d0})
\t/usr/lib/go/src/runtime/panic.go:890 +0x262
created by main.main in goroutine 1
\t/srv/a.go:5 +0xb8

goroutine 2 [select (no cases), 3 minutes]:
main.main()
\t/srv/a.go:5 +0xb8
exit status 2
%%
fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan send]:
main.main()
\t/srv/a.go:3 +0x5f
%%
2026/11/23 14:29:49 http: panic serving 127.0.0.1:34752: nil map
goroutine 23 [running]:
net/http.(*conn).serve.func1()
\t/usr/lib/go/src/net/http/server.go:1850 +0xbf
%%
2026/11/23 14:29:49 recovered: runtime error
%%
goroutine 23 [running]:
main.main()
\t/srv/a.go:5 +0xb8
%%
runtime: goroutine stack exceeds 1000000000-byte limit
runtime: sp=0xc0201603a8 stack=[0xc020160000, 0xc040160000]
fatal error: stack overflow

runtime stack:
runtime.throw({0x46bd39?, 0x0?})
\t/usr/lib/go/src/runtime/panic.go:1047 +0x5d

goroutine 1 [running]:
main.f()
\t/srv/a.go:3 +0x5f
...additional frames elided...
%%
goroutine 5 started
%%
panic: button pressed
%%
SIGTERM: shutting down
",
    );
}

#[test]
fn zap_and_races() {
    records(
        "
2026-11-23T14:29:51.001Z\tERROR\tserver/main.go:12\tsync failed
main.main
\t/srv/a.go:5
runtime.goexit
\t/usr/lib/go/src/runtime/asm_amd64.s:1594
%%
2026-11-23T14:29:51.001Z\tWARN\tserver/main.go:12\tretry
%%
==================
WARNING: DATA RACE
Read at 0x00c0000ac008 by goroutine 7:
  main.main.func1()
      /srv/a.go:3 +0x74

Goroutine 7 (running) created at:
  main.main()
      /srv/a.go:3 +0xd5
==================
%%
counter 2
%%
==================
%%
main.main
%%
next
",
    );
}

#[test]
fn web_servers() {
    records(
        "
http: 2026/11/23 14:29:49 server.go:12: http: panic serving 127.0.0.1:34752: many
lines

  here
goroutine 23 [running]:
net/http.(*conn).serve.func1()
\t/usr/lib/go/src/net/http/server.go:1850 +0xbf
%%
2026/11/23 14:29:49 http: panic serving 127.0.0.1:34752: alone
%%
plain
%%
2026/11/23 14:29:49 [Recovery] 2026/11/23 - 14:29:49 panic recovered:
GET /a HTTP/1.1
Host: shop

runtime error: nil map
/usr/lib/go/src/runtime/panic.go:260 (0x44d7b5)
\tpanicmem: panic(memoryError)
/srv/main.go:98 (0x98a95b)
\tmain.func2: o.ID
\x1b[0m
%%
plain
%%
[GIN] 2026/11/23 - 14:29:49 | 500 | 969µs | GET \"/a\"
",
    );
}

#[test]
fn wrapped_errors() {
    records(
        "
2026-11-23T14:29:51Z ERROR failed: no such table
main.load
\t/srv/a.go:5
runtime.goexit
\t/usr/lib/go/src/runtime/asm_amd64.s:1594
load orders
main.load
\t/srv/a.go:5
%%
plain
%%
Error: no such table
main.load
\t/srv/a.go:5
%%
Error: no such table
%%
next
",
    );
}

#[test]
fn what_it_says() {
    let text = "panic: no\n\ngoroutine 1 [running]:\npanic({0x1, 0x2})\n\t/go/panic.go:8\nmain.f(0x1)\n\t/srv/a.go:4 +0x1\n";
    assert_eq!(traces(text), ["go panic|no|/srv/a.go|4|main.f"]);
    let text = "goroutine 1 [running]:\nruntime/debug.Stack()\n\t/go/stack.go:26\nmain.f.func1()\n\t/srv/a.go:3\npanic({0x1})\n\t/go/panic.go:8\nmain.f()\n\t/srv/a.go:5\n";
    assert_eq!(traces(text), ["go ||/srv/a.go|5|main.f"]);
    let text = "2026/11/23 14:29:49 [Recovery] 2026/11/23 - 14:29:49 panic recovered:\nGET / HTTP/1.1\n\nruntime error: no\n/go/src/runtime/a.go:2 (0x4)\n\tp: x\n/srv/a.go:9 (0x9)\n\tmain.f: o.ID\n\n";
    assert_eq!(
        traces(text),
        ["go panic|runtime error: no|/srv/a.go|9|main.f"]
    );
    let text = "panic: no [recovered]\n\tpanic: b\n\ngoroutine 1 [running]:\nlog.Panicf({0x1})\n\t/go/log.go:8\nmain.f(0x1)\n\t/srv/a.go:4 +0x1\n";
    assert_eq!(traces(text), ["go panic|no|/srv/a.go|4|main.f"]);
    let text =
        "2026/11/23 14:29:49 http: panic serving 127.0.0.1:3: nil map\ngoroutine 23 [running]:\n";
    assert_eq!(traces(text), ["go panic|nil map|||"]);
}
