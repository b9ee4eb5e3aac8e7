//! Every signal that can be caught reaches the server, or means what `--signal` says.

mod support;

use nix::sys::signal::Signal;
use std::process::Command;
use support::programs::{Linked, program};
use support::unbraid::{Running, Unbraid};
use support::{proc, wait};

/// All but KILL and STOP.
fn catchable() -> impl Iterator<Item = i32> {
    (1..=64).filter(|number| ![9, 19].contains(number))
}

/// Sends a signal by number, which nix does not do for all of them.
#[track_caller]
fn send(pid: i32, number: i32) {
    kill(pid, &[format!("-{number}")]);
}

#[track_caller]
fn kill(pid: i32, how: &[String]) {
    assert!(pid > 1, "{pid} is no process of a test");
    let sent = Command::new("/bin/kill")
        .args(how)
        .arg(pid.to_string())
        .status()
        .expect("kill is needed");
    assert!(sent.success(), "{how:?}");
}

/// The program that takes every signal; started as in a container, without a terminal.
fn taking(options: &[&str]) -> Running {
    let unbraid = Unbraid::new().under(["setsid"]).options(options.to_vec());
    let running = unbraid
        .command([program("signals", Linked::Shared)])
        .start();
    running.events.wait_for("up");
    running
}

/// Ends the server, past unbraid.
#[track_caller]
fn end(running: Running) {
    let up = running.events.wait_for("up");
    let pid = up.split(' ').next().and_then(|pid| pid.parse().ok());
    proc::signal(pid.expect("a PID"), Signal::SIGKILL);
    running.end().assert_code(128 + 9);
}

#[test]
fn every_signal_that_can_be_caught_is_forwarded() {
    let running = taking(&[]);
    let mut expected: Vec<String> = Vec::new();
    for number in catchable() {
        send(running.pid(), number);
        expected.push(format!("{number} 0"));
        let got = running.events.wait_for_count("got", expected.len());
        assert_eq!(got, expected);
    }
    assert_eq!(expected.len(), 62);
    end(running);
}

#[test]
fn real_time_signals_keep_their_number_their_count_and_their_value() {
    let running = taking(&[]);
    // Stopped, it finds all of them at once; a standard signal would come once.
    proc::signal(running.pid(), Signal::SIGSTOP);
    wait::until_true("unbraid is stopped", || {
        proc::stat(running.pid()).is_some_and(|stat| stat.state == 'T')
    });
    let values: Vec<i32> = (1..=40).collect();
    for value in &values {
        let how = ["-q".to_owned(), value.to_string(), "-37".to_owned()];
        kill(running.pid(), &how);
    }
    // Goes on by a signal that is forwarded too, before those that queue.
    proc::signal(running.pid(), Signal::SIGCONT);
    let got = running.events.wait_for_count("got", values.len() + 1);
    let expected = values.iter().map(|value| format!("37 {value}"));
    let expected: Vec<String> = std::iter::once("18 0".to_owned()).chain(expected).collect();
    assert_eq!(got, expected);
    end(running);
}

#[test]
fn each_form_of_a_mapping() {
    let options = [
        ("--signal", "HUP=SIGUSR2"),
        ("--signal", "SIGUSR1=ignore"),
        ("--signal", "rtmin+3=RTMAX-1"),
        ("--signal", "34=12"),
        ("--signal", "WINCH=reload"),
        ("--signal", "TERM=ignore"),
        ("--signal", "SEGV=upgrade"),
        ("--signal", "USR2=USR2"),
        ("--signal", "RTMAX=rotate"),
    ];
    let options: Vec<&str> = options
        .iter()
        .flat_map(|(key, value)| [*key, *value])
        .collect();
    let running = taking(&options);
    let table = [
        (1, Some(12)),
        (10, None),
        (37, Some(63)),
        (34, Some(12)),
        (28, Some(1)),
        (15, None),
        (11, Some(12)),
        (12, Some(12)),
        (64, None),
    ];
    let mut expected: Vec<String> = Vec::new();
    for (number, forwarded) in table {
        send(running.pid(), number);
        // After one that is not forwarded, the next shows that nothing came of it.
        if let Some(forwarded) = forwarded {
            expected.push(format!("{forwarded} 0"));
            let got = running.events.wait_for_count("got", expected.len());
            assert_eq!(got, expected);
        }
    }
    send(running.pid(), 18);
    expected.push("18 0".into());
    let got = running.events.wait_for_count("got", expected.len());
    assert_eq!(got, expected);
    let stderr = running.stderr();
    assert!(
        stderr.contains("rotate: no destination is a file with a path"),
        "{stderr}"
    );
    // INT and QUIT are left.
    send(running.pid(), 2);
    expected.push("2 0".into());
    let got = running.events.wait_for_count("got", expected.len());
    assert_eq!(got, expected);
    end(running);
}

#[test]
fn a_stop_that_is_mapped_to_a_signal_stays_a_stop() {
    let running = taking(&["--signal", "TERM=QUIT", "--stop-timeout", "1ms"]);
    let server = proc::children(running.pid())[0].pid;
    send(running.pid(), 15);
    assert_eq!(running.events.wait_for("got"), "3 0");
    running.end().assert_code(128 + 9);
    assert!(!proc::runs(server));
}

#[test]
fn a_signal_may_mean_the_stop_or_a_restart() {
    let running = taking(&["--signal", "HUP=stop", "--stop-signal", "RTMIN+1"]);
    send(running.pid(), 1);
    assert_eq!(running.events.wait_for("got"), "35 0");
    end(running);

    let running = taking(&["--signal", "HUP=restart", "--stop-timeout", "1s"]);
    send(running.pid(), 1);
    let up = running.events.wait_for_count("up", 2);
    assert_ne!(up[0], up[1]);
    assert_eq!(running.events.wait_for("got"), "15 0");
    send(running.pid(), 15);
    running.end().assert_code(128 + 9);
}

#[test]
fn without_a_terminal_no_signal_stops_unbraid_itself() {
    let running = taking(&[]);
    for (count, number) in [20, 21, 22, 18].into_iter().enumerate() {
        send(running.pid(), number);
        let got = running.events.wait_for_count("got", count + 1);
        assert_eq!(got[count], format!("{number} 0"));
        let state = proc::stat(running.pid()).expect("it runs").state;
        assert_ne!(state, 'T', "signal {number}");
    }
    end(running);
}

#[test]
fn what_the_caller_blocked_and_ignored_is_so_at_a_restart_too() {
    let set = "import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGUSR2])
os.execvp(sys.argv[1], sys.argv[1:])";
    let python = support::python::interpreter().to_str().expect("UTF-8");
    let show = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"];
    let without = Unbraid::new()
        .command([&[python, "-c", set], &show[..]].concat())
        .start_without()
        .end()
        .stdout();
    assert!(without.contains("SigBlk:\t0000000000000800\n"), "{without}");
    let ended = Unbraid::new()
        .under([python, "-c", set])
        .options(["--restart", "always", "--restart-delay", "1ms"])
        .options(["--restart-limit", "3/1h"])
        .command(show)
        .run();
    ended.assert_code(0);
    assert_eq!(ended.stdout(), without.repeat(3));
}

#[test]
fn a_fault_of_unbraid_s_own_would_still_end_it() {
    // What the kernel sends for a fault cannot be had from outside; ABRT by abort(3) is as close. Seen instead: every signal is blocked, none
    // has a handler that would hide one, and none of the faults is ignored.
    let running = taking(&[]);
    let of = |name| {
        let text = proc::status(running.pid(), name).expect("it runs");
        u64::from_str_radix(&text, 16).expect("a mask")
    };
    let bits = |numbers: &[i32]| numbers.iter().fold(0u64, |bits, n| bits | 1 << (n - 1));
    assert_eq!(of("SigBlk"), !bits(&[9, 19]));
    assert_eq!(of("SigIgn") & bits(&[4, 5, 6, 7, 8, 11, 31]), 0);
    end(running);
}
