//! Python, and programs written in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The interpreter itself, past any wrapper script on the PATH: a wrapper's own processes would be counted too.
pub fn interpreter() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let output = Command::new("python3")
            .args(["-c", "import sys; print(sys.executable)"])
            .output();
        let output = output.expect("python3 is needed");
        PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
    })
}

/// A folder of the tests.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

/// The arguments that run a program given as text. It can `from side import …` (tests/servers/side.py).
pub fn program(text: &str) -> Vec<std::ffi::OsString> {
    let prelude = format!(
        "import sys; sys.path.insert(0, '{}')\n",
        folder("servers").display()
    );
    vec![
        interpreter().into(),
        "-c".into(),
        format!("{prelude}{text}").into(),
    ]
}

/// The private environment with gunicorn, made once.
pub fn environment() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv");
        let made = Command::new("bash")
            .arg(folder("make-venv"))
            .arg(&place)
            .output()
            .expect("bash is needed");
        assert!(
            made.status.success(),
            "tests/make-venv: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        place
    })
}
