use super::super::testing::{records, traces};

#[test]
fn stacks() {
    records(
        "
up
%%
F1123 10:00:00.000002 24221 main.cc:9] Check failed: a == b
*** Check failure stack trace: ***
    @     0x7f2d8c0d01c3  google::LogMessage::Fail()
    @              (nil)  (unknown)
%%
*** Aborted at 1700000000 (unix time) try \"date -d @1700000000\" if you are using GNU date ***
PC: @     0x55ad1c2a1b3a main
*** SIGSEGV (@0x0) received by PID 1 (TID 0x7f) from PID 0; stack trace: ***
    @     0x55ad1c2a1b3a main
%%
*** ready ***
%%
*** SIGSEGV received at time=1700000000 on cpu 1 ***
PC: @     0x55ad1c2a1b3a  (unknown)  main
    @     0x7f2d8c0d01c3       1792  absl::AbslFailureSignalHandler()
%%
*** Error in `./shop': double free or corruption (fasttop): 0x000000000131a010 ***
======= Backtrace: =========
./shop[0x40059b]
======= Memory map: ========
00400000-00401000 r-xp 00000000 08:01 1048602      /srv/app/shop
%%
next
%%
Stack trace (most recent call last):
#1    Object \"/srv/app/shop\", at 0x55d0c5a4a0e4, in _start
#0    Source \"/srv/app/p.cc\", line 7, in f [0x55d0c5a4a1b1]
      >   7:   return *p;
Segmentation fault (Address not mapped to object [(nil)])
%%
pure virtual method called
terminate called without an active exception
%%
AddressSanitizer:DEADLYSIGNAL
=================================================================
==1==ERROR: AddressSanitizer: SEGV on unknown address
    #0 0x55ea in main /srv/a.cpp:4
HINT: this may be a false positive
SUMMARY: AddressSanitizer: SEGV
==1==ABORTING
%%
a.cpp:4:73: runtime error: signed integer overflow
SUMMARY: UndefinedBehaviorSanitizer: undefined-behavior a.cpp:4:73 in 
%%
==1==WARNING: MemorySanitizer: use-of-uninitialized-value
    #0 0x55ea in main /srv/a.cpp:4

SUMMARY: MemorySanitizer: use-of-uninitialized-value
Exiting
%%
Exiting
%%
terminate called after throwing an instance of 'std::runtime_error'
  what():  bad config
  line: 3
",
    );
}

#[test]
fn reports() {
    records(
        "
up
%%
terminate called after throwing an instance of 'std::runtime_error'
  what():  queue corrupt
%%
terminate called without an active exception
%%
=================================================================
==7450==ERROR: AddressSanitizer: heap-use-after-free on address 0x6020
WRITE of size 1 at 0x6020 thread T0
    #0 0x55ea in main /srv/a.cpp:4

freed by thread T0 here:
    #0 0x7f4e in free asan_malloc.cpp:52

SUMMARY: AddressSanitizer: heap-use-after-free /srv/a.cpp:4 in main
Shadow bytes around the buggy address:
=>0x0c04: fa fa[fd]fa
==7450==ABORTING
%%
a.cpp:4:73: runtime error: signed integer overflow
%%
x=1
%%
a.cpp:13:42: runtime error: store to address 0x7fff
0x7fff: note: pointer points here
  00 00 00 00
      ^ 
    #0 0x55ea in main /srv/a.cpp:4
%%
==1==ERROR: LeakSanitizer: detected memory leaks

Direct leak of 7 byte(s)
    #0 0x7f in malloc

SUMMARY: AddressSanitizer: 7 byte(s) leaked
%%
next
%%
==================
WARNING: ThreadSanitizer: data race (pid=1)
  Write of size 4
    #0 f /srv/a.cpp:3
SUMMARY: ThreadSanitizer: data race
==================
%%
==================
%%
heading
",
    );
}

#[test]
fn servers_that_crashed() {
    records(
        "
!!! uWSGI process 21140 got Segmentation Fault !!!
*** backtrace of 21140 ***
uwsgi(uwsgi_backtrace+0x2f) [0x55b58e2f04df]
*** end of backtrace ***
%%
DAMN ! worker 1 (pid: 21140) died :( trying respawn ...
%%
!!! uWSGI process 21141 got Segmentation Fault !!!
%%
DAMN ! worker 1 (pid: 21141) died :( trying respawn ...
%%
=== REDIS BUG REPORT START: Cut & paste starting from here ===
20102:M 28 Nov 2026 13:42:51.794 # Redis 7.0.15 crashed by signal: 11, si_code: 2

------ STACK TRACE ------
EIP:

=== REDIS BUG REPORT END. Make sure to include from START to END. ===
%%

%%
2026-11-28T13:48:50Z UTC - mysqld got signal 11 ;
Most likely, you have hit a bug.

/usr/sbin/mysqld(my_print_stacktrace+0x2e)[0x55ec30a1287e]
%%
2026-11-28T13:48:51Z 0 [Note] up
%%
2026-11-28T13:48:51Z 0 [Note] he got signal 11
%%
plain
",
    );
}

#[test]
fn what_it_says() {
    let text = "==1==ERROR: AddressSanitizer: heap: x\n    #0 0x55ea in main /srv/a.cpp:4:2\n==1==ABORTING\n";
    assert_eq!(
        traces(text),
        ["cpp AddressSanitizer|heap: x|/srv/a.cpp|4|main"]
    );
    assert_eq!(
        traces("terminate called after throwing an instance of 'E'\n"),
        ["cpp E||||"]
    );
}
