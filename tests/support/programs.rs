//! The C programs of tests/programs, compiled when they are first needed.

use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a program is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    /// Against the system's C library.
    Shared,
    /// Against nothing: no object can be preloaded into it.
    Static,
    /// Against musl, as a shared library.
    Musl,
}

impl Linked {
    fn compiler(self) -> &'static str {
        if self == Self::Musl { "musl-gcc" } else { "cc" }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Shared => "",
            Self::Static => "-static",
            Self::Musl => "-musl",
        }
    }
}

/// The path of a program, compiled if its source is newer. Several tests may ask at once: a lock on the folder orders them.
#[track_caller]
pub fn program(name: &str, linked: Linked) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = root.join("target/test-programs");
    fs::create_dir_all(&made).expect("target/ can be written");
    let lock = File::create(made.join("lock")).expect("target/ can be written");
    let _lock = Flock::lock(lock, FlockArg::LockExclusive)
        .map_err(|(_, error)| error)
        .expect("a lock");
    let program = made.join(format!("{name}{}", linked.suffix()));
    if !is_fresh(&program, &root.join("tests/programs")) {
        compile(
            &root.join(format!("tests/programs/{name}.c")),
            &program,
            linked,
        );
    }
    program
}

fn is_fresh(program: &Path, sources: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    let Some(made) = modified(program) else {
        return false;
    };
    let mut sources = fs::read_dir(sources).expect("tests/programs").flatten();
    sources.all(|source| modified(&source.path()).is_some_and(|time| time < made))
}

fn compile(source: &Path, program: &Path, linked: Linked) {
    // A program that runs cannot be written to; a new one in its place can be.
    let fresh = program.with_extension("new");
    let mut command = Command::new(linked.compiler());
    command
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&fresh)
        .arg(source);
    if linked == Linked::Static {
        command.arg("-static");
    }
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{} is needed: {error}", linked.compiler()));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(fresh, program).expect("target/ can be written");
}
