//! Whether an object can be preloaded into a program: by its ELF headers, its mode bits and its `#!` line.

use elf::abi::{EI_CLASS, EI_DATA, EI_NIDENT, PT_INTERP};
use elf::endian::AnyEndian;
use elf::file::{FileHeader, parse_ident};
use elf::segment::SegmentTable;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
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
    /// It gains privileges when executed, and the loader then ignores `LD_PRELOAD` (ld.so(8), secure-execution mode).
    Privileged,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Static => "it is statically linked",
            Self::Foreign => "it is built for another architecture",
            Self::Privileged => "it is setuid, setgid or has capabilities",
        })
    }
}

/// The headers and the interpreter line stand within this many bytes; the kernel reads 256 for `#!` (execve(2)).
const HEAD: u64 = 4096;

/// The bytes of the larger ELF header, that of 64-bit files (elf(5)).
const HEADER: usize = 64;

/// Interpreters of interpreters that the kernel follows (execve(2)).
const DEPTH: usize = 5;

/// Looks at the file `command`. `resolve` finds a program by name as execvp(3) does.
pub fn inspect(command: &Path, resolve: &dyn Fn(&OsStr) -> Option<PathBuf>) -> io::Result<Finding> {
    let mut program = command.to_owned();
    for _ in 0..DEPTH {
        let mut head = Vec::new();
        let file = File::open(&program)?;
        let metadata = file.metadata()?;
        file.take(HEAD).read_to_end(&mut head)?;
        if let Some(next) = interpreter(&head, resolve) {
            program = next;
            continue;
        }
        if head.starts_with(b"\x7fELF") && head.len() < HEADER {
            return Err(io::Error::from_raw_os_error(libc::ENOEXEC));
        }
        let obstacle = match elf_obstacle(&head) {
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

fn elf_obstacle(head: &[u8]) -> Option<Obstacle> {
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let (Some(program), Some(object)) = (Header::read(head), Header::read(super::object::OBJECT))
    else {
        return Some(Obstacle::Foreign);
    };
    if program.native != object.native {
        return Some(Obstacle::Foreign);
    }
    (!program.dynamic).then_some(Obstacle::Static)
}

/// What of an ELF file decides.
struct Header {
    /// Class, byte order and machine (elf(5)).
    native: (u8, u8, u16),
    /// Whether a dynamic loader is asked for.
    dynamic: bool,
}

impl Header {
    /// From the first bytes of a file, which hold the program headers but not the section headers.
    fn read(head: &[u8]) -> Option<Self> {
        // The parser indexes into what it is given.
        if head.len() < HEADER {
            return None;
        }
        let ident = parse_ident::<AnyEndian>(head).ok()?;
        let header = FileHeader::parse_tail(ident, head.get(EI_NIDENT..)?).ok()?;
        let start = header.e_phoff as usize;
        let len = usize::from(header.e_phentsize) * usize::from(header.e_phnum);
        let table = SegmentTable::new(
            header.endianness,
            header.class,
            head.get(start..start + len)?,
        );
        let dynamic = table.iter().any(|segment| segment.p_type == PT_INTERP);
        Some(Self {
            native: (*head.get(EI_CLASS)?, *head.get(EI_DATA)?, header.e_machine),
            dynamic,
        })
    }
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

    #[test]
    fn the_object_itself_is_native_and_has_no_interpreter() {
        assert_eq!(
            elf_obstacle(super::super::object::OBJECT),
            Some(Obstacle::Static)
        );
        let mut other = super::super::object::OBJECT.to_vec();
        other[4] ^= 3;
        assert_eq!(elf_obstacle(&other), Some(Obstacle::Foreign));
        let mut machine = super::super::object::OBJECT.to_vec();
        machine[18] ^= 0x55;
        assert_eq!(elf_obstacle(&machine), Some(Obstacle::Foreign));
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
