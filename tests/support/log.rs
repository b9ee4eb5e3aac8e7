//! JSON logs, read back.

use super::wait;
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// A line of a JSON log.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    pub time: Option<String>,
    pub pid: i32,
    pub slot: u32,
    pub stream: String,
    pub name: String,
    pub message: String,
    /// Base64, where the bytes are not UTF-8.
    pub raw: Option<String>,
    pub kind: Option<String>,
    pub lang: Option<String>,
    #[serde(rename = "exception.type")]
    pub exception_type: Option<String>,
    #[serde(rename = "exception.message")]
    pub exception_message: Option<String>,
    #[serde(rename = "code.lineno")]
    pub code_lineno: Option<u64>,
    #[serde(rename = "code.function")]
    pub code_function: Option<String>,
    pub part: Option<u32>,
    pub last: Option<bool>,
    #[serde(default)]
    pub shared: bool,
    pub eol: Option<bool>,
}

impl Entry {
    /// Whether the server wrote it, and not unbraid.
    pub fn is_captured(&self) -> bool {
        self.stream != "unbraid"
    }

    /// The bytes of the record, without its last newline.
    pub fn bytes(&self) -> Vec<u8> {
        use base64::Engine;
        match &self.raw {
            Some(raw) => base64::engine::general_purpose::STANDARD
                .decode(raw)
                .expect("base64"),
            None => self.message.clone().into_bytes(),
        }
    }
}

/// Every entry of a log. A line that is no entry is a failure.
#[track_caller]
pub fn entries(path: &Path) -> Vec<Entry> {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse(&text)
}

/// Every entry in these bytes.
#[track_caller]
pub fn parse(text: &[u8]) -> Vec<Entry> {
    assert!(
        text.is_empty() || text.ends_with(b"\n"),
        "the log ends in mid-line"
    );
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    lines
        .map(|line| {
            serde_json::from_slice(line).unwrap_or_else(|error| panic!("{error}: {}", shown(line)))
        })
        .collect()
}

fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(&line[..line.len().min(400)]).into_owned()
}

/// What the server wrote.
#[track_caller]
pub fn captured(path: &Path) -> Vec<Entry> {
    entries(path)
        .into_iter()
        .filter(Entry::is_captured)
        .collect()
}

/// What unbraid itself said.
#[track_caller]
pub fn said(path: &Path) -> Vec<String> {
    entries(path)
        .into_iter()
        .filter(|entry| !entry.is_captured())
        .map(|entry| entry.message)
        .collect()
}

/// The entries with this message.
pub fn with_message<'a>(entries: &'a [Entry], message: &str) -> Vec<&'a Entry> {
    entries
        .iter()
        .filter(|entry| entry.message == message)
        .collect()
}

/// The one entry with this message.
#[track_caller]
pub fn one<'a>(entries: &'a [Entry], message: &str) -> &'a Entry {
    let found = with_message(entries, message);
    assert_eq!(
        found.len(),
        1,
        "{message:?} in {:?}",
        entries
            .iter()
            .map(|e| (&e.message, e.pid))
            .collect::<Vec<_>>()
    );
    found[0]
}

/// Waits until a whole record holds this text; returns the record.
#[track_caller]
pub fn wait_for(path: &Path, text: &str) -> Entry {
    wait::until(&format!("{text:?} in the log"), || {
        let bytes = fs::read(path).ok()?;
        let end = bytes.iter().rposition(|&byte| byte == b'\n')? + 1;
        parse(&bytes[..end])
            .into_iter()
            .find(|entry| entry.message.contains(text))
    })
}
