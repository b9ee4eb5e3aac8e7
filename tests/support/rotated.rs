//! A log and its old files.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Every file of the log at this path, the oldest first, itself last. Half-packed ones are none of them.
#[track_caller]
pub fn files(log: &Path) -> Vec<PathBuf> {
    let name = log
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a name");
    let old = format!("{name}.");
    let folder = fs::read_dir(log.parent().expect("a folder")).expect("a folder");
    let mut names: Vec<String> = folder
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(&old) && !name.ends_with(".partial"))
        .collect();
    names.sort();
    names.push(name.to_owned());
    names.iter().map(|name| log.with_file_name(name)).collect()
}

/// Whether any file of the log waits to be packed, or is half packed.
pub fn unpacked(log: &Path) -> bool {
    let folder = fs::read_dir(log.parent().expect("a folder")).expect("a folder");
    let mut names = folder.flatten().map(|entry| entry.file_name());
    names.any(|name| {
        let name = name.to_string_lossy();
        name.ends_with('Z') || name.ends_with(".partial")
    })
}

/// What a file holds, packed or not.
#[track_caller]
pub fn text(file: &Path) -> Vec<u8> {
    let mut open = File::open(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut bytes = Vec::new();
    let read = match file.extension().and_then(|end| end.to_str()) {
        Some("gz") => flate2::read::MultiGzDecoder::new(open).read_to_end(&mut bytes),
        Some("zst") => zstd::Decoder::new(open)
            .expect("memory")
            .read_to_end(&mut bytes),
        _ => open.read_to_end(&mut bytes),
    };
    read.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    bytes
}

/// What all files of the log hold, file by file. Each ends with a line.
#[track_caller]
pub fn texts(log: &Path) -> Vec<Vec<u8>> {
    let read = |file: &PathBuf| {
        let text = text(file);
        let whole = text.last().is_none_or(|last| *last == b'\n');
        assert!(whole, "{} ends inside a line", file.display());
        text
    };
    files(log).iter().map(read).collect()
}
