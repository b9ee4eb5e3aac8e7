//! Packs an old file. At every moment its records lie in one complete file at least.

use super::aside::rename_new;
use super::steps::Outcome;
use crate::output::open::{FileId, id_at};
use crate::output::settings::Compression;
use crate::sys::file::{has_writer, try_lock};
use nix::sys::stat::fstat;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Where the kernel does not tell whether somebody writes to a file, this long without a write is taken for an answer.
const SILENCE: Duration = Duration::from_secs(60);

/// How much is read at once, in bytes.
const CHUNK: usize = 64 << 10;

/// Writes `from` packed to `partial`, gives that the name `to` when it is complete, and removes `from`.
pub(super) fn pack(
    from: &Path,
    partial: &Path,
    to: &Path,
    kind: Compression,
) -> io::Result<Outcome> {
    let plain = open_old(from)?;
    if !is_over(&plain)? {
        return Ok(Outcome::Busy);
    }
    let Some(target) = claim(partial, &plain)? else {
        return Ok(Outcome::Busy);
    };
    // From here on the partial file is ours, and goes away where anything fails.
    let made = write_packed(&plain, &target, kind)
        .and_then(|length| publish(&plain, length, &target, partial, to));
    if !matches!(made, Ok(Outcome::Done)) {
        let _ = std::fs::remove_file(partial);
        return made;
    }
    std::fs::remove_file(from)?;
    Ok(Outcome::Done)
}

/// Removes `plain`, of which `packed` was made, if that holds the same.
pub(super) fn finish(plain: &Path, packed: &Path, kind: Compression) -> io::Result<Outcome> {
    let original = open_old(plain)?;
    if !is_over(&original)? {
        return Ok(Outcome::Busy);
    }
    let copy = open_old(packed)?;
    let same = match kind {
        Compression::Gzip => same_bytes(&original, flate2::read::MultiGzDecoder::new(copy)),
        Compression::Zstd => same_bytes(&original, zstd::Decoder::new(copy)?),
    };
    if !same? {
        let text = "it does not hold the same as the file beside it; both are kept";
        return Err(io::Error::other(text));
    }
    std::fs::remove_file(plain)?;
    Ok(Outcome::Done)
}

/// Removes a file that is not complete, unless somebody is writing it.
pub(super) fn discard(partial: &Path) -> io::Result<Outcome> {
    let Some(file) = present(open_nofollow(partial))? else {
        return Ok(Outcome::Done);
    };
    // It may have been completed, or removed and made anew, before the lock was ours.
    if !try_lock(&file)? || id_at(partial) != Some(id_of(&file)?) {
        return Ok(Outcome::Busy);
    }
    present(std::fs::remove_file(partial))?;
    Ok(Outcome::Done)
}

/// Whether nobody will write to this old file any more.
pub(super) fn is_over(file: &File) -> io::Result<bool> {
    if let Ok(writer) = has_writer(file) {
        return Ok(!writer);
    }
    let silent = SystemTime::now().duration_since(file.metadata()?.modified()?);
    Ok(silent.is_ok_and(|silent| silent >= SILENCE))
}

/// Opens an old file for reading; nothing else than a regular file.
pub(super) fn open_old(path: &Path) -> io::Result<File> {
    let file = open_nofollow(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no regular file"))
    }
}

fn open_nofollow(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// `None`: it is not there.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn id_of(file: &File) -> io::Result<FileId> {
    Ok(FileId::of(&fstat(file)?))
}

/// Makes the partial file and locks it; what a try that was cut short left there is removed first. `None`: another program
/// is at it.
fn claim(partial: &Path, plain: &File) -> io::Result<Option<File>> {
    if discard(partial)? == Outcome::Busy {
        return Ok(None);
    }
    let stat = plain.metadata()?;
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(stat.mode() & 0o700)
        .open(partial);
    let file = match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        other => other?,
    };
    // Another program may lock it before this one does, and then remove it.
    if !try_lock(&file)? || id_at(partial) != Some(id_of(&file)?) {
        return Ok(None);
    }
    // Readable for those who could read the log. Where it cannot be given to its owner, its group's rights may be another's.
    if fchown(&file, Some(stat.uid()), Some(stat.gid())).is_ok() {
        file.set_permissions(Permissions::from_mode(stat.mode() & 0o777))?;
    }
    Ok(Some(file))
}

/// Returns how many bytes were read.
fn write_packed(mut plain: &File, target: &File, kind: Compression) -> io::Result<u64> {
    match kind {
        Compression::Gzip => {
            let level = flate2::Compression::default();
            let mut encoder = flate2::write::GzEncoder::new(target, level);
            let length = copy(&mut plain, &mut encoder)?;
            encoder.finish()?;
            Ok(length)
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(target, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            encoder.include_checksum(true)?;
            let length = copy(&mut plain, &mut encoder)?;
            encoder.finish()?;
            Ok(length)
        }
    }
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<u64> {
    let mut from = BufReader::with_capacity(CHUNK, from);
    io::copy(&mut from, to)
}

/// The complete file gets its name, and is on the disk before the plain one goes.
fn publish(
    plain: &File,
    length: u64,
    target: &File,
    partial: &Path,
    to: &Path,
) -> io::Result<Outcome> {
    let stat = plain.metadata()?;
    if stat.len() != length || !is_over(plain)? {
        return Ok(Outcome::Busy);
    }
    target.set_modified(stat.modified()?)?;
    target.sync_all()?;
    rename_new(partial, to)?;
    let folder = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Some file systems cannot do this for a folder; they keep their own order.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(Outcome::Done)
}

fn same_bytes(original: &File, mut copy: impl Read) -> io::Result<bool> {
    let mut original = BufReader::with_capacity(CHUNK, original);
    let (mut a, mut b) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let length = fill(&mut original, &mut a)?;
        // A packed file that is damaged is one that holds something else.
        let Ok(other) = fill(&mut copy, &mut b) else {
            return Ok(false);
        };
        if length != other || a[..length] != b[..other] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
    }
}

/// Reads until the buffer is full or the end has come.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
