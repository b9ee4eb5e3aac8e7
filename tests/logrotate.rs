//! The real logrotate, both ways, under load.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::unbraid::{Running, Unbraid};
use support::wait;

/// Writes numbered lines of many lengths until its stdin ends, and waits while the log is long: logrotate would copy a file
/// that grows faster than it copies for ever.
const NUMBERS: &str = "
import os, select, signal, sys
from side import event, write
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
number = 0
def length():
    try: return os.stat(sys.argv[1]).st_size
    except FileNotFoundError: return 0
while not select.select([0], [], [], 0.001)[0]:
    if length() > 2000000: continue
    text = ''
    for _ in range(20):
        text += f'{number} ' + 'n' * (number * 7919 % 3000) + ' end\\n'
        number += 1
    write(1, text)
event('wrote', number)
";

const TURNS: usize = 12;

/// Rotates again and again while the server writes; returns the program's end and every file, the oldest first.
fn rotated(directives: &str) -> (Running, Vec<PathBuf>) {
    let unbraid = Unbraid::new().stdin(Stdio::piped());
    let log = unbraid.log();
    let mut server = support::python::program(NUMBERS);
    server.push(log.clone().into());
    let running = unbraid.option("-o").option(&log).command(server).start();
    let directives = directives.replace("PID", &running.pid().to_string());
    let conf = running.folder().join("conf");
    let text = format!(
        "{} {{\n rotate 100\n nocompress\n{directives}\n}}\n",
        log.display()
    );
    fs::write(&conf, text).expect("our own folder");
    for turn in 1..=TURNS {
        // Much has been written to the new file.
        wait::until_true("a log", || {
            fs::metadata(&log).is_ok_and(|data| data.len() > 200_000)
        });
        rotate(&conf);
        let oldest = log.with_extension(turn.to_string());
        assert!(oldest.exists(), "{}", oldest.display());
    }
    wait::until_true("the last log", || {
        fs::metadata(&log).is_ok_and(|data| data.len() > 200_000)
    });
    let old = (1..=TURNS).rev();
    let mut files: Vec<PathBuf> = old.map(|n| log.with_extension(n.to_string())).collect();
    files.push(log);
    (running, files)
}

#[track_caller]
fn rotate(conf: &Path) {
    let mut command = Command::new("/usr/sbin/logrotate");
    let state = conf.with_extension("state");
    let output = command
        .arg("--force")
        .arg("--state")
        .arg(state)
        .arg(conf)
        .output();
    let output = output.expect("logrotate is needed");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
}

/// What was read back.
#[derive(Debug, Default)]
struct Found {
    whole: usize,
    /// Lines that are not whole at the end of a file that was copied.
    cut: usize,
}

/// Every line is whole and stands in order, once. With `copied`, the last of a file may be cut.
#[track_caller]
fn read(files: &[PathBuf], copied: bool) -> Found {
    let mut found = Found::default();
    let mut next = 0;
    for (place, file) in files.iter().enumerate() {
        let text = fs::read_to_string(file).expect("text");
        let cut_ends = copied && place + 1 < files.len() && !text.ends_with('\n');
        let mut lines: Vec<&str> = text.lines().collect();
        if cut_ends {
            lines.pop();
            found.cut += 1;
        }
        for line in lines
            .into_iter()
            .filter(|line| !line.starts_with("unbraid: "))
        {
            let words: Vec<&str> = line.split(' ').collect();
            let [number, filling, "end"] = words[..] else {
                panic!("{}: not whole: {line}", file.display());
            };
            let number: usize = number.parse().expect("a number");
            assert_eq!(filling.len(), number * 7919 % 3000, "{}", file.display());
            assert!(number >= next, "{number} after {next}");
            found.whole += 1;
            next = number + 1;
        }
    }
    found
}

/// Ends the server; how many lines it wrote, and how many are found.
#[track_caller]
fn end(running: Running, files: &[PathBuf], copied: bool) -> (usize, Found) {
    let ended = running.end();
    ended.assert_code(0);
    let wrote = ended.events().wait_for("wrote");
    (wrote.parse().expect("a number"), read(files, copied))
}

#[test]
fn logrotate_create_loses_nothing() {
    for told in ["", " postrotate\n  kill -USR1 PID\n endscript"] {
        let (running, files) = rotated(&format!(" create\n{told}"));
        let (wrote, found) = end(running, &files, false);
        assert_eq!(found.whole, wrote, "{told}");
    }
}

#[test]
fn logrotate_copytruncate_loses_what_is_written_between_its_copy_and_its_truncation() {
    let (running, files) = rotated(" copytruncate");
    let (wrote, found) = end(running, &files, true);
    // How much that is is logrotate's: a batch or two at each turn. What is there is whole and in order; only where a copy
    // was made in the middle of a write can its last line be cut.
    assert!(found.whole <= wrote && found.cut <= TURNS, "{found:?}");
    assert!(wrote - found.whole < wrote / 2, "{found:?} of {wrote}");
}
