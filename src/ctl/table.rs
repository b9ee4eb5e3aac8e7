//! The status as a person likes to read it. Pure.

use crate::protocol::{Life, Role, Row, State, Status};
use bytesize::ByteSize;
use jiff::Timestamp;
use std::fmt::Write as _;

/// The headings, and whether the column's values stand at its right side.
const COLUMNS: [(&str, bool); 10] = [
    ("SLOT", true),
    ("PID", true),
    ("ROLE", false),
    ("AGE", true),
    ("STATE", false),
    ("RECORDS", true),
    ("BYTES", true),
    ("LAST", true),
    ("SHARES", false),
    ("MEMORY", true),
];

/// The whole text. `now` is the clock that ages of records are told by.
pub(super) fn text(status: &Status, now: Timestamp) -> String {
    let mut text = head(status);
    for one in &status.instances {
        let state = state(one.state, one.uptime, one.next_start);
        // Writing to a String cannot fail.
        let _ = write!(text, "instance {}: {state}", one.instance);
        restarts(one.restarts, &mut text);
        text.push('\n');
    }
    for blocked in &status.blocked {
        let _ = writeln!(text, "blocked: {blocked} takes nothing");
    }
    if status.hangs {
        text.push_str("the data plane does not answer: it hangs on a destination\n");
    }
    if !status.processes.is_empty() {
        text.push('\n');
        let rows = status.processes.iter().map(|row| cells(row, now));
        table(&rows.collect::<Vec<_>>(), &mut text);
    }
    if status.left_out > 0 {
        let _ = writeln!(text, "… and {} more processes", status.left_out);
    }
    text
}

fn head(status: &Status) -> String {
    let state = state(status.state, status.uptime, status.next_start);
    let mut text = format!("{} ({}) {state}", status.name, status.server);
    let _ = write!(text, ", unbraid {} PID {}", status.version, status.pid);
    restarts(status.restarts, &mut text);
    if let (Some(records), Some(bytes)) = (status.records, status.bytes) {
        let _ = write!(text, ", {records} records, {}", size(bytes));
    }
    if let Some(dropped) = status.dropped.filter(|count| *count > 0) {
        let _ = write!(text, ", {dropped} dropped");
    }
    text.push('\n');
    text
}

fn restarts(count: u64, text: &mut String) {
    match count {
        0 => {}
        1 => text.push_str(", 1 restart"),
        many => {
            let _ = write!(text, ", {many} restarts");
        }
    }
}

fn state(state: State, uptime: Option<f64>, next_start: Option<f64>) -> String {
    match (state, uptime, next_start) {
        (State::Up, Some(uptime), _) => format!("up for {}", span(uptime)),
        (State::Restarting, _, Some(next)) => format!("restarting in {}", span(next)),
        (state, _, _) => state.name().to_owned(),
    }
}

fn cells(row: &Row, now: Timestamp) -> [String; 10] {
    let number = |number: Option<u64>| number.map_or_else(none, |n| n.to_string());
    let role = match row.role {
        Role::Main => "main",
        Role::Worker => "worker",
    };
    [
        number(row.slot.map(u64::from)),
        row.pid.to_string(),
        match row.instance {
            Some(instance) => format!("{role} {instance}"),
            None => role.to_owned(),
        },
        span(row.age),
        match row.state {
            Life::Running => "running",
            Life::Stopped => "stopped",
            Life::Ended => "ended",
        }
        .to_owned(),
        number(row.records),
        row.bytes.map_or_else(none, size),
        row.last.as_deref().map_or_else(none, |last| ago(last, now)),
        if row.shared { "yes" } else { "no" }.to_owned(),
        row.memory.map_or_else(none, size),
    ]
}

fn none() -> String {
    "-".to_owned()
}

fn table(rows: &[[String; 10]], text: &mut String) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([COLUMNS[column].0.len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let mut line = |cells: &[&str]| {
        let begin = text.len();
        for ((cell, width), (_, right)) in cells.iter().zip(&widths).zip(COLUMNS) {
            let gap = if text.len() == begin { "" } else { "  " };
            let _ = if right {
                write!(text, "{gap}{cell:>width$}")
            } else {
                write!(text, "{gap}{cell:<width$}")
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    };
    line(&COLUMNS.map(|(heading, _)| heading));
    for row in rows {
        line(&row.each_ref().map(String::as_str));
    }
}

fn ago(time: &str, now: Timestamp) -> String {
    let seconds = |then: Timestamp| now.duration_since(then).as_secs_f64();
    let then: Result<Timestamp, _> = time.parse();
    then.map_or_else(|_| none(), |then| span(seconds(then)))
}

/// Two units at the most: `12s`, `5m 12s`, `3h 4m`, `2d 3h`.
fn span(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

fn size(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::InstanceStatus;

    const NOW: &str = "2026-11-23T10:00:05Z";

    fn row(slot: Option<u32>, pid: i32, role: Role) -> Row {
        Row {
            slot,
            pid,
            role,
            instance: None,
            age: 62.9,
            state: Life::Running,
            records: Some(1200),
            bytes: Some(3 << 20),
            last: Some("2026-11-23T10:00:02.900000Z".into()),
            shared: false,
            memory: Some(25 << 20),
        }
    }

    fn status() -> Status {
        Status {
            name: "shop".into(),
            pid: 7,
            version: "0.1.0".into(),
            server: "gunicorn".into(),
            state: State::Up,
            next_start: None,
            restarts: 0,
            uptime: Some(3700.0),
            records: Some(1200),
            bytes: Some(3 << 20),
            dropped: Some(0),
            blocked: vec![],
            hangs: false,
            instances: vec![],
            processes: vec![
                row(Some(0), 8, Role::Main),
                row(None, 1_000_000, Role::Worker),
            ],
            left_out: 0,
        }
    }

    fn shown(status: &Status) -> String {
        text(status, NOW.parse().unwrap())
    }

    #[test]
    fn the_table() {
        let mut status = status();
        status.processes[1] = Row {
            last: None,
            memory: None,
            shared: true,
            state: Life::Ended,
            ..status.processes[1].clone()
        };
        assert_eq!(
            shown(&status),
            "shop (gunicorn) up for 1h 1m, unbraid 0.1.0 PID 7, 1200 records, 3.0 MiB\n\
             \n\
             SLOT      PID  ROLE      AGE  STATE    RECORDS    BYTES  LAST  SHARES    MEMORY\n   \
                0        8  main    1m 2s  running     1200  3.0 MiB    2s  no      25.0 MiB\n   \
                -  1000000  worker  1m 2s  ended       1200  3.0 MiB     -  yes            -\n"
        );
    }

    #[test]
    fn what_is_wrong_stands_above_the_table() {
        let mut status = status();
        status.blocked = vec!["/var/log/app.log".into()];
        status.hangs = true;
        status.dropped = Some(3);
        status.restarts = 2;
        status.instances = vec![InstanceStatus {
            instance: 1,
            state: State::Restarting,
            next_start: Some(2.0),
            restarts: 1,
            uptime: None,
        }];
        status.left_out = 10;
        let text = shown(&status);
        for part in [
            "2 restarts",
            "3 dropped",
            "\ninstance 1: restarting in 2s, 1 restart\n",
            "blocked: /var/log/app.log takes nothing\n",
            "does not answer",
            "… and 10 more processes\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_server_that_is_down_has_a_head_only() {
        let mut status = status();
        status.state = State::Restarting;
        status.next_start = Some(3.2);
        status.uptime = None;
        status.processes.clear();
        assert!(shown(&status).starts_with("shop (gunicorn) restarting in 3s, unbraid"));
        assert_eq!(shown(&status).lines().count(), 1);
    }

    #[test]
    fn spans_have_two_units_at_the_most() {
        for (seconds, text) in [
            (-1.0, "0s"),
            (0.9, "0s"),
            (59.9, "59s"),
            (60.0, "1m 0s"),
            (3599.0, "59m 59s"),
            (3600.0, "1h 0m"),
            (86399.0, "23h 59m"),
            (90000.0, "1d 1h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
