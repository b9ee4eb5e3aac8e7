//! rsyslog and syslog-ng as they are: a traceback arrives as one message, and nothing is lost when they are restarted.

mod support;

use std::collections::BTreeSet;
use support::daemon::{Daemon, Kind};
use support::unbraid::Unbraid;
use support::wait;

/// A traceback of more than 40 lines.
const TRACEBACK: &str = "
import traceback
def deep(n):
    if n % 2: return deep(n - 1)
    if n: return  deep(n - 1)
    raise KeyError('card \\u00fc')
try: deep(50)
except KeyError: traceback.print_exc()
";

/// Four processes write 5,000 lines each, and after each fifth of them wait until they are told to go on.
const LOAD: &str = "
import os
from side import event, told, until, out
for worker in range(4):
    if os.fork() == 0:
        for number in range(5000):
            if number % 1000 == 0:
                event('at', number)
                until(lambda: told(f'go{number}'))
            out(f'worker {worker} number {number} ' + 'x' * 80 + ' end')
        os._exit(0)
for worker in range(4): os.wait()
";

fn traceback_is_one_message(kind: Kind) {
    let daemon = Daemon::start(kind);
    let local = format!("syslog+unix:{}", daemon.socket().display());
    for output in [format!("syslog+tcp://127.0.0.1:{}", daemon.port), local] {
        let before = daemon.messages().len();
        let ended = Unbraid::new()
            .options(["-o", &output])
            .python(TRACEBACK)
            .run();
        ended.assert_code(0);
        wait::until_true("a message", || daemon.messages().len() > before);
        let messages = daemon.messages().split_off(before);
        assert_eq!(messages.len(), 1, "{output}: {messages:?}");
        let message = &messages[0];
        assert!(
            message.contains("Traceback (most recent call last):\n"),
            "{message}"
        );
        assert!(message.ends_with("\nKeyError: 'card ü'"), "{message}");
        assert!(message.lines().count() > 40, "{message}");
    }
}

/// Every record arrives; one that comes twice is the same byte for byte, with its number.
fn nothing_is_lost_over_restarts(kind: Kind, queue: &str) {
    let mut daemon = Daemon::start(kind);
    let unbraid = Unbraid::new();
    let queue = queue.replace("DIR", unbraid.folder().to_str().expect("UTF-8"));
    let output = format!("syslog+tcp://127.0.0.1:{}{queue}", daemon.port);
    let running = unbraid.options(["-o", &output]).python(LOAD).start();
    for fifth in 0..5 {
        running.events.wait_for_count("at", 4 * (fifth + 1));
        tell(&running.events, &format!("go{}", fifth * 1000));
        // While the load goes on; the last fifth comes when all is well again, since what a daemon has taken in and not written
        // when unbraid is gone nobody can send again.
        if (1..4).contains(&fifth) {
            daemon.stop();
            daemon.begin();
        }
    }
    let first = running.end();
    first.assert_code(0);
    if !queue.is_empty() {
        // It may have ended while nobody listened; the next run sends what lies on disk.
        let next = Unbraid::new().options(["-o", &output]).shell("true");
        next.run().assert_code(0);
    }
    let number = |message: &String| {
        let text = message.split_once("worker ")?.1.strip_suffix(" end")?;
        let mut words = text.split(' ');
        let worker: usize = words.next()?.parse().ok()?;
        words.next();
        Some((worker, words.next()?.parse::<usize>().ok()?))
    };
    let mut seen = BTreeSet::new();
    wait::until_true("all have arrived", || {
        seen = daemon.messages().iter().filter_map(number).collect();
        seen.len() == 4 * 5000
    });
    // Without what came twice, each is there once.
    let messages = daemon.messages();
    let distinct: BTreeSet<&String> = messages.iter().filter(|m| number(m).is_some()).collect();
    assert_eq!(distinct.len(), seen.len());
}

/// An event of the test's own, for the server.
fn tell(events: &support::events::Events, word: &str) {
    use std::io::Write;
    let file = std::fs::File::options().append(true).open(events.path());
    writeln!(file.expect("the file of events"), "{word}").expect("it can be written to");
}

#[test]
fn daemon_rsyslog_gets_a_traceback_as_one_message() {
    traceback_is_one_message(Kind::Rsyslog);
}

#[test]
fn daemon_syslog_ng_gets_a_traceback_as_one_message() {
    traceback_is_one_message(Kind::SyslogNg);
}

#[test]
fn daemon_rsyslog_loses_nothing_when_it_is_restarted() {
    nothing_is_lost_over_restarts(Kind::Rsyslog, "");
}

#[test]
fn daemon_syslog_ng_loses_nothing_when_it_is_restarted() {
    nothing_is_lost_over_restarts(Kind::SyslogNg, ",queue=DIR/queue");
}
