//! What a program under test tells the test, past every pipe: lines in a file.

use super::wait;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file to which programs append lines, each with one write. They find it in the variable `EVENTS`.
#[derive(Debug, Clone)]
pub struct Events {
    path: PathBuf,
}

impl Events {
    pub fn new(folder: &Path) -> Self {
        let path = folder.join("events");
        fs::write(&path, "").expect("a folder to write to");
        // Programs of another user tell things too.
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666))
            .expect("our own file");
        Self { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells the programs something, in turn.
    pub fn tell(&self, word: &str) {
        let mut file = OpenOptions::new()
            .append(true)
            .open(&self.path)
            .expect("our own file");
        writeln!(file, "{word}").expect("our own file");
    }

    /// Every whole line so far.
    pub fn all(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.path).expect("the file of events");
        text.split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
            .map(str::to_owned)
            .collect()
    }

    /// The lines that begin with this word, without it.
    pub fn of(&self, word: &str) -> Vec<String> {
        let rest = |line: &String| {
            Some(
                line.strip_prefix(word)?
                    .strip_prefix(' ')
                    .unwrap_or("")
                    .to_owned(),
            )
        };
        self.all()
            .iter()
            .filter(|line| line.split(' ').next() == Some(word))
            .filter_map(rest)
            .collect()
    }

    /// Waits for the first line of this word; returns what follows the word.
    #[track_caller]
    pub fn wait_for(&self, word: &str) -> String {
        self.wait_for_count(word, 1).remove(0)
    }

    /// Waits for as many lines of this word.
    #[track_caller]
    pub fn wait_for_count(&self, word: &str, count: usize) -> Vec<String> {
        let what = format!("event \"{word}\" {count} times");
        wait::until(&what, || {
            Some(self.of(word)).filter(|lines| lines.len() >= count)
        })
    }

    /// Waits for a line of this word that is a number, such as a PID.
    #[track_caller]
    pub fn wait_for_pid(&self, word: &str) -> i32 {
        self.wait_for(word).parse().expect("a PID after the word")
    }
}
