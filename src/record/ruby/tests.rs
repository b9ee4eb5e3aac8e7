use super::super::testing::{records, traces};

#[test]
fn uncaught() {
    records(
        "
booting
%%
/srv/a.rb:1:in `fetch': key not found: :port (KeyError)
\tfrom /srv/a.rb:3:in `boot'
\tfrom /srv/a.rb:6:in `<main>'
%%
/srv/a.rb:1:in 'Object#f': two (RuntimeError)
lines
\tfrom /srv/a.rb:6:in '<main>'
%%
/srv/a.rb:1:in '<main>': undefined method 'foo' for nil (NoMethodError)

x.foo
 ^^^^
%%
/srv/a.rb:5:in `rescue in mid': bad volume (ArgumentError)
\tfrom /srv/a.rb:2:in `mid'
/srv/a.rb:1:in `low': disk gone (IOError)
\tfrom /srv/a.rb:3:in `mid'
%%
/srv/a.rb:1:in `a': one (IOError)
\tfrom /srv/a.rb:3:in `mid'
%%
/srv/a.rb:1:in `b': another (IOError)
\tfrom /srv/a.rb:3:in `mid'
%%
#<Thread:0x00007f@poller /srv/t.rb:1 run> terminated with exception (report_on_exception is true):
/srv/t.rb:1:in `Integer': invalid (ArgumentError)
\tfrom /srv/t.rb:1:in `block in <main>'
%%
Traceback (most recent call last):
\t1: from /srv/a.rb:3:in `<main>'
/srv/a.rb:1:in `f': reversed (RuntimeError)
%%
retrying
%%
Traceback (most recent call last):
\t1: from /srv/a.rb:3:in `<main>'
/srv/a.rb:1:in `f': reversed (RuntimeError)
%%
retrying
%%
/srv/a.rb:3: syntax error, unexpected '='
  y = 3
  ^
/srv/a.rb:5: unterminated string meets end of file
puts \"hi
        ^
%%
/srv/a.rb:2:in 'Kernel#eval': (eval at /srv/a.rb:2):1: syntax error found (SyntaxError)
> 1 | 1 +
    |   ^ unexpected end-of-input

\tfrom /srv/a.rb:2:in '<main>'
%%
/srv/a.rb:3: warning: unused
%%
/srv/a.rb:1:in `f'
/srv/a.rb:3:in `<main>'
%%
/srv/a.rb:2: [BUG] Segmentation fault at 0x0000000000000000
ruby 3.1.2p20 (2022-04-12 revision 4491bb740a) [x86_64-linux-gnu]

-- Control frame information ---
c:0001 p:0000 s:0003 E:000ff0 (none) [FINISH]

* Process memory map:

7f13e7600000-7f13e7633000 r--p 00000000 fe:00 1 /usr/lib/libruby.so
%%
done
",
    );
}

#[test]
fn loggers() {
    records(
        "
E, [2026-11-23T14:31:52.592411 #5957] ERROR -- shop: declined (RuntimeError)
/srv/a.rb:3:in `pay'
/srv/a.rb:5:in `<main>'
%%
E, [2026-11-23T14:31:52.592411 #5957] ERROR -- shop: undefined method `upcase' for nil:NilClass

nil.upcase
   ^^^^^^^ (NoMethodError)
/srv/a.rb:3:in `pay'
%%
E, [2026-11-23T14:31:52.592411 #5957] ERROR -- shop: declined
%%
plain
%%
an Error of another
%%
F, [2026-11-23T14:31:52.592411 #5957] FATAL -- : [2d1e]   
[2d1e] RuntimeError (boom):
[2d1e]   
[2d1e] app/controllers/books.rb:3:in `index'
%%
E, [2026-11-23T14:31:52.592411 #5957] ERROR -- shop: /srv/a.rb:3:in `pay': outer (RuntimeError)
\tfrom /srv/a.rb:5:in `<main>'
/srv/a.rb:1:in `low': inner (IOError)
\tfrom /srv/a.rb:5:in `<main>'
%%
I, [2026-11-23T14:31:52.592447 #5957]  INFO -- shop: next
%%
NoMethodError (undefined method `x' for #<Books>):
  
  app/controllers/books.rb:69:in `x'
  actionpack (5.1.4) lib/action.rb:63:in `call'
%%
2026-11-28 14:10:07 - RuntimeError - two
lines:
\t/srv/app.rb:6:in `block in <class:Shop>'
%%
ArgumentError: bad port
\t/srv/a.rb:3:in `run'
%%
from cache: 12 hits
",
    );
}

#[test]
fn what_it_says() {
    let text = "/srv/a.rb:1:in `fetch': key: (x) (KeyError)\n\tfrom /srv/a.rb:3:in `boot'\n";
    assert_eq!(traces(text), ["ruby KeyError|key: (x)|/srv/a.rb|1|fetch"]);
    let text = "E, [2026-11-23T14:31:52.5 #5] ERROR -- shop: declined (RuntimeError)\n/srv/a.rb:3:in `pay'\n";
    assert_eq!(traces(text), ["ruby RuntimeError|declined|/srv/a.rb|3|pay"]);
    let text =
        "Traceback (most recent call last):\n\t1: from a.rb:3:in `<main>'\na.rb:1:in `f': x (E)\n";
    assert_eq!(traces(text), ["ruby E|x|a.rb|1|f"]);
}
