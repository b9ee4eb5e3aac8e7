//! Whether an object can be preloaded into a program: by its ELF headers, its mode bits and its `#!` line.

use elf::abi::{EI_NIDENT, PT_INTERP};
use elf::endian::AnyEndian;
use elf::file::{FileHeader, parse_ident};
use elf::segment::SegmentTable;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What was found of COMMAND.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The program that the kernel starts: COMMAND, or the interpreter that its `#!` line names.
    pub program: PathBuf,
    /// Why nothing can be preloaded into it; `None`: it can be.
    pub obstacle: Option<Obstacle>,
}

/// Why an object cannot be preloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// No dynamic loader runs.
    Static,
    /// The program is of another word size or byte order than the object.
    Foreign,
    /// Its ELF headers say nothing that could be relied on.
    Unreadable,
    /// It gains privileges when executed, and the loader then ignores `LD_PRELOAD` (ld.so(8), secure-execution mode).
    Privileged,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Static => "it is statically linked",
            Self::Foreign => "it is built for another architecture",
            Self::Unreadable => "its ELF headers cannot be read",
            Self::Privileged => "it is setuid, setgid or has capabilities",
        })
    }
}

/// The ELF header and the interpreter line stand within this many bytes: the kernel reads no more of them (`BINPRM_BUF_SIZE`,
/// execve(2)).
const HEAD: u64 = 256;

/// The bytes of the larger ELF header, that of 64-bit files (elf(5)).
const HEADER: usize = 64;

/// The kernel takes no larger table of program headers (`load_elf_phdrs` in its fs/binfmt_elf.c). It may stand anywhere.
const MOST_SEGMENTS: usize = 64 << 10;

/// Interpreters of interpreters that the kernel follows (execve(2)).
const DEPTH: usize = 5;

/// Looks at the file `command`. `resolve` finds a program by name as execvp(3) does.
pub fn inspect(command: &Path, resolve: &dyn Fn(&OsStr) -> Option<PathBuf>) -> io::Result<Finding> {
    let mut program = command.to_owned();
    for _ in 0..DEPTH {
        let mut head = Vec::new();
        let file = File::open(&program)?;
        let metadata = file.metadata()?;
        (&file).take(HEAD).read_to_end(&mut head)?;
        if let Some(next) = interpreter(&head, resolve) {
            program = next;
            continue;
        }
        if head.starts_with(b"\x7fELF") && head.len() < HEADER {
            return Err(io::Error::from_raw_os_error(libc::ENOEXEC));
        }
        let table = |at, len| {
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes, at).ok().map(|()| bytes)
        };
        let obstacle = match elf_obstacle(&head, table) {
            // Neither ELF nor `#!`: a shell runs it.
            None if !head.starts_with(b"\x7fELF") && program.as_path() != Path::new("/bin/sh") => {
                program = PathBuf::from("/bin/sh");
                continue;
            }
            None if gains_privileges(&program, &metadata) => Some(Obstacle::Privileged),
            found => found,
        };
        return Ok(Finding { program, obstacle });
    }
    Ok(Finding {
        program,
        obstacle: None,
    })
}

/// The program that a `#!` line starts; through `env` the one that it names.
fn interpreter(head: &[u8], resolve: &dyn Fn(&OsStr) -> Option<PathBuf>) -> Option<PathBuf> {
    let line = head.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let mut words = line
        .split(|b| matches!(b, b' ' | b'\t'))
        .filter(|w| !w.is_empty());
    let program = Path::new(OsStr::from_bytes(words.next()?));
    if program.file_name() != Some(OsStr::new("env")) {
        return Some(program.to_owned());
    }
    let named = words.find(|w| !w.starts_with(b"-") && !w.contains(&b'='));
    Some(
        named
            .and_then(|name| resolve(OsStr::from_bytes(name)))
            .unwrap_or_else(|| program.to_owned()),
    )
}

/// Why nothing can be preloaded into the ELF file that begins with `head`; `read` gives so many bytes at a place of it.
fn elf_obstacle(head: &[u8], read: impl FnOnce(u64, usize) -> Option<Vec<u8>>) -> Option<Obstacle> {
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let (Some(program), Some(object)) = (header(head), header(super::object::OBJECT)) else {
        return Some(Obstacle::Unreadable);
    };
    let native = |h: &FileHeader<AnyEndian>| (h.class, h.endianness, h.e_machine);
    if native(&program) != native(&object) {
        return Some(Obstacle::Foreign);
    }
    match has_loader(&program, read) {
        None => Some(Obstacle::Unreadable),
        Some(false) => Some(Obstacle::Static),
        Some(true) => None,
    }
}

fn header(head: &[u8]) -> Option<FileHeader<AnyEndian>> {
    // The parser indexes into what it is given.
    let head = head.get(..HEADER)?;
    let ident = parse_ident(head).ok()?;
    FileHeader::parse_tail(ident, &head[EI_NIDENT..]).ok()
}

/// Whether a file asks for a dynamic loader.
fn has_loader(
    header: &FileHeader<AnyEndian>,
    read: impl FnOnce(u64, usize) -> Option<Vec<u8>>,
) -> Option<bool> {
    let len = usize::from(header.e_phentsize) * usize::from(header.e_phnum);
    if len > MOST_SEGMENTS {
        return None;
    }
    let bytes = read(header.e_phoff, len)?;
    let table = SegmentTable::new(header.endianness, header.class, &bytes);
    Some(table.iter().any(|segment| segment.p_type == PT_INTERP))
}

fn gains_privileges(path: &Path, metadata: &Metadata) -> bool {
    let (uid, gid) = (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    );
    let setuid = metadata.mode() & 0o4000 != 0 && metadata.uid() != uid;
    let setgid = metadata.mode() & 0o2010 == 0o2010 && metadata.gid() != gid;
    // Root gains nothing by file capabilities.
    setuid || setgid || (uid != 0 && crate::sys::fd::has_attribute(path, c"security.capability"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use elf::abi::EI_CLASS;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn nothing(_: &OsStr) -> Option<PathBuf> {
        None
    }

    #[test]
    fn a_dynamic_program_has_no_obstacle() {
        let found = inspect(&std::env::current_exe().unwrap(), &nothing).unwrap();
        assert_eq!(found.obstacle, None);
    }

    #[test]
    fn the_interpreter_line_is_followed() {
        let resolve = |name: &OsStr| Some(Path::new("/found").join(name));
        let cases: [(&[u8], &str); 5] = [
            (b"#!/bin/sh\n", "/bin/sh"),
            (b"#! /usr/bin/perl -w\n", "/usr/bin/perl"),
            (b"#!/usr/bin/env python3\n", "/found/python3"),
            (b"#!/usr/bin/env -S A=b python3 -u\n", "/found/python3"),
            (b"#!/usr/bin/env", "/usr/bin/env"),
        ];
        for (head, want) in cases {
            assert_eq!(
                interpreter(head, &resolve),
                Some(PathBuf::from(want)),
                "{}",
                head.escape_ascii()
            );
        }
        assert_eq!(interpreter(b"# !/bin/sh", &resolve), None);
    }

    fn obstacle(file: &[u8]) -> Option<Obstacle> {
        elf_obstacle(file, |at, len| {
            let rest = file.get(usize::try_from(at).ok()?..)?;
            rest.get(..len).map(<[u8]>::to_vec)
        })
    }

    #[test]
    fn the_object_itself_is_native_and_has_no_interpreter() {
        let object = super::super::object::OBJECT;
        let changed = |at: usize, bits: u8| {
            let mut other = object.to_vec();
            other[at] ^= bits;
            other
        };
        assert_eq!(obstacle(object), Some(Obstacle::Static));
        assert_eq!(obstacle(&changed(EI_CLASS, 3)), Some(Obstacle::Foreign));
        let machine = 18;
        assert_eq!(obstacle(&changed(machine, 0x55)), Some(Obstacle::Foreign));
    }

    #[test]
    fn program_headers_may_stand_anywhere_in_a_file() {
        let program = fs::read(std::env::current_exe().unwrap()).unwrap();
        let place = 32..40;
        let at = |bytes: &[u8]| u64::from_le_bytes(bytes[place.clone()].try_into().unwrap());
        let table = at(&program) as usize;
        let mut moved = program.clone();
        moved.extend_from_slice(&program[table..table + 4096]);
        moved[place.clone()].copy_from_slice(&(program.len() as u64).to_le_bytes());
        assert_eq!(obstacle(&moved), None);
        for nowhere in [moved.len() as u64, u64::MAX] {
            moved[place.clone()].copy_from_slice(&nowhere.to_le_bytes());
            assert_eq!(obstacle(&moved), Some(Obstacle::Unreadable));
        }
    }

    #[test]
    fn setuid_to_oneself_gains_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        fs::copy(std::env::current_exe().unwrap(), &path).unwrap();
        let meta = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            fs::metadata(&path).unwrap()
        };
        assert!(!gains_privileges(&path, &meta(0o4755)));
        assert!(!gains_privileges(&path, &meta(0o755)));
    }
}
