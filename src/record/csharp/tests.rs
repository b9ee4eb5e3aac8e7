use super::super::testing::{records, traces};

#[test]
fn exceptions() {
    records(
        "
fail: Orders[0]
      System.ApplicationException: order 5 failed ---> System.Exception: stock
        at U.Mid () [0x00002] in /srv/U.cs:3 
         --- End of inner exception stack trace ---
        at U.Main (System.String[] a) [0x00011] in /srv/U.cs:5 
%%
info: retry
%%
System.AggregateException: One or more. (stock) ---> System.Exception: stock
  at U.<Main>m__0 () [0x00000] in /srv/U.cs:6 
   --- End of inner exception stack trace ---
  at System.Threading.Tasks.Task.Wait () [0x00052] in <12b4>:0 
---> (Inner Exception #0) System.Exception: stock
  at U.<Main>m__0 () [0x00000] in /srv/U.cs:6 <---
%%

%%
Unhandled exception. System.InvalidOperationException: outer
 ---> System.Exception: inner
   at A.B.C(String d) in c:/a b.cs:line 36
   --- End of inner exception stack trace ---
   at A.B.Task(Task task)
--- End of stack trace from previous location where exception was thrown ---
   at A.B.MoveNext()
%%
done
%%
System.AggregateException: One or more. (a) (b)
 ---> System.Exception: a
   --- End of inner exception stack trace ---
   at Shop.P.Main(String[] a)
 ---> (Inner Exception #1) System.Exception: b<---
%%

%%
Unhandled exception. System.Exception: other
   at Shop.P.Main(String[] a)
%%
Npgsql.PostgresException (0x80004005): 42P01: relation \"x\" does not exist

POSITION: 15
   at Npgsql.Internal.NpgsqlConnector.ReadMessageLong(Boolean async)
   at lambda_method1(Closure, Object)
  Exception data:
    Severity: ERROR
    SqlState: 42P01
%%
next
%%
System.Exception: outer
 ---> Microsoft.Data.Sqlite.SqliteException (0x80004005): SQLite Error 19: 'x'.
   at Shop.P.Add(Int32 a)
   --- End of inner exception stack trace ---
   at Shop.P.Main(String[] a)
%%
  indented
%%
12:00:01 fail: Shop.Orders[0]
      bad
%%
2026-11-28 12:00:00.1234|ERROR|Shop.Orders|failed|Shop.StockException: order 5 failed
second line

  indented: yes
 ---> System.InvalidOperationException: stock is negative
   at Shop.Orders.Mid()
%%
2026-11-28 12:00:00.1234|ERROR|Shop.Orders|failed|Shop.StockException: order 5 failed
%%
orders down
%%
  indented
%%
2026-11-28 12:00:00.1234|ERROR|Shop.Orders|failed|Shop.StockException: order 5 failed
%%
retrying
%%
Traceback (most recent call last):
  File \"a.py\", line 1, in <module>
ValueError: bad
%%
System.Exception: alone
%%
at most (three) words
%%
 ---> 0a1b2c3d
",
    );
}

#[test]
fn fatal_ends() {
    records(
        "
Process terminated. state is broken
really
   at System.Environment.FailFast(System.String, System.Exception)
   at Shop.P.Main(System.String[])
System.Exception: why
%%
2026-11-28 12:00:00 INFO up
%%
Stack overflow.
Repeat 24107 times:
--------------------------------
   at Shop.Orders.Rec(Int32)
--------------------------------
   at Shop.P.Main(System.String[])
%%
Process terminated. Nothing follows
%%
orders down
%%

%%
Unhandled Exception:
System.IO.IOException: bad
  at (wrapper remoting-invoke-with-check) System.IO.FileStream..ctor(string,bool)
  at Shop.P.Main (System.String[] a) [0x0027b] in /srv/app/U.cs:31 
%%
Unbehandelte Ausnahme: System.InvalidOperationException: falsch ---> System.Exception: innen
   bei Shop.Orders.Mid() in C:\\src\\U.cs:Zeile 9.
   --- Ende der internen Ausnahmestapelüberwachung ---
   bei Shop.P.Main(String[] a)
",
    );
}

#[test]
fn what_it_says() {
    let text =
        "System.Exception: bad ---> System.Other: x\n   at A.B.C(String d) in c:/a b.cs:line 36\n";
    assert_eq!(
        traces(text),
        ["csharp System.Exception|bad|c:/a b.cs|36|A.B.C"]
    );
    let text = "Npgsql.PostgresException (0x80004005): 42P01: no\n   at A.B.C(String d)\n";
    assert_eq!(
        traces(text),
        ["csharp Npgsql.PostgresException|42P01: no|||A.B.C"]
    );
    let text = "\nUnhandled Exception:\nSystem.IO.IOException: bad\n  at A.B.C (System.String d) [0x00000] in /srv/U.cs:3 \n";
    assert_eq!(
        traces(text),
        ["csharp System.IO.IOException|bad|/srv/U.cs|3|A.B.C"]
    );
}
