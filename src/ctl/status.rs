//! `unbraidctl status`.

use super::connection::Connection;
use super::{Failure, show, table};
use crate::protocol::{Answer, Life, Request, State, Status};
use jiff::Timestamp;
use nix::unistd::{SysconfVar, sysconf};
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

/// How often a terminal shows it anew.
const EVERY: Duration = Duration::from_secs(1);

/// Prints it once; 0: the server is up.
pub(super) fn once(connection: &mut Connection, json: bool) -> Result<i32, Failure> {
    let status = ask(connection)?;
    let text = if json {
        let text = serde_json::to_string(&status);
        text.map_err(|error| Failure(error.to_string()))? + "\n"
    } else {
        table::text(&status, Timestamp::now())
    };
    show(text.as_bytes())?;
    Ok(i32::from(status.state != State::Up))
}

/// Shows it each second, until Ctrl-C or the end of unbraid. The terminal's modes stay as they are, so that nothing is to be
/// put back.
pub(super) fn watch(connection: &mut Connection) -> Result<i32, Failure> {
    show(b"\x1b[2J")?;
    loop {
        let begun = Instant::now();
        let status = ask(connection)?;
        show(frame(&table::text(&status, Timestamp::now()), size()).as_bytes())?;
        std::thread::sleep(EVERY.saturating_sub(begun.elapsed()));
    }
}

/// Columns and rows of the terminal.
fn size() -> (usize, usize) {
    let size = terminal_size::terminal_size();
    size.map_or((80, 24), |(width, height)| {
        (width.0.into(), height.0.into())
    })
}

/// A text over what stood there before, cut to the terminal: a line that wraps would move all below it.
fn frame(text: &str, (width, height): (usize, usize)) -> String {
    let mut frame = "\x1b[H".to_owned();
    let lines: Vec<&str> = text.lines().collect();
    let room = height.saturating_sub(1).max(1);
    let shown = if lines.len() > room { room - 1 } else { room };
    for line in lines.iter().take(shown) {
        frame.extend(line.chars().take(width));
        frame.push_str("\x1b[K\n");
    }
    if lines.len() > shown {
        // Writing to a String cannot fail.
        let _ = writeln!(frame, "… {} more\x1b[K", lines.len() - shown);
    }
    frame.push_str("\x1b[J");
    frame
}

fn ask(connection: &mut Connection) -> Result<Status, Failure> {
    connection.ask(Request::Status)?;
    match connection.answer()? {
        Answer::Status(mut status) => {
            // Only where both see the same processes: in another PID namespace these numbers are other processes'.
            if connection.peer() == Some(status.pid) {
                look_into_proc(&mut status);
            }
            Ok(*status)
        }
        Answer::Error(why) => Err(Failure(why)),
        _ => Err(Failure(
            "unbraid's answer is no status; are both of one version?".into(),
        )),
    }
}

fn look_into_proc(status: &mut Status) {
    let page = sysconf(SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .unwrap_or(4096) as u64;
    let rows = status.processes.iter_mut();
    for row in rows.filter(|row| row.state == Life::Running) {
        let read = |name| fs::read_to_string(format!("/proc/{}/{name}", row.pid)).ok();
        // proc_pid_statm(5): the second number is what is resident, in pages.
        let resident = read("statm").and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
        row.memory = resident.map(|pages| pages * page);
        // The name in brackets may hold anything, a bracket too.
        let state = read("stat").and_then(|text| text.rsplit_once(") ")?.1.chars().next());
        if matches!(state, Some('T' | 't')) {
            row.state = Life::Stopped;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_the_terminal() {
        let text = "first line\nsecond\nthird\n";
        assert_eq!(
            frame(text, (80, 24)),
            "\x1b[Hfirst line\x1b[K\nsecond\x1b[K\nthird\x1b[K\n\x1b[J"
        );
        assert_eq!(
            frame(text, (5, 3)),
            "\x1b[Hfirst\x1b[K\n… 2 more\x1b[K\n\x1b[J"
        );
        assert_eq!(frame("é€x\n", (2, 9)), "\x1b[Hé€\x1b[K\n\x1b[J");
        let _ = frame(text, (0, 0));
    }
}
