//! Compiles `src/preload/` into the object that the program embeds.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/preload");
    println!("cargo::rerun-if-changed=src/capture/wire.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let out = PathBuf::from(var("OUT_DIR")).join("unbraid-preload.so");
    // With +crt-static rustc drops a cdylib without a word: the file's absence is the only sign.
    let _ = std::fs::remove_file(&out);
    let status = compile(&out)
        .status()
        .unwrap_or_else(|e| panic!("cannot run rustc for src/preload/object.rs: {e}"));
    assert!(
        status.success(),
        "cannot compile src/preload/object.rs: {status}"
    );
    assert!(
        out.exists(),
        "rustc made no {}: is the target able to build a cdylib?",
        out.display()
    );
}

/// Own flags, never those of the program: the object is the same however the program is built.
fn compile(out: &Path) -> Command {
    let mut rustc = Command::new(var("RUSTC"));
    rustc
        .args([
            "--edition=2024",
            "--crate-type=cdylib",
            "--crate-name=unbraid_preload",
            "--target",
        ])
        .arg(var("TARGET"))
        .args([
            "-Copt-level=s",
            "-Cpanic=abort",
            "-Clto=fat",
            "-Ccodegen-units=1",
            "-Cstrip=symbols",
        ])
        .args([
            "-Ctarget-feature=-crt-static",
            "-Clink-arg=-nostdlib",
            "-Clink-arg=-nostartfiles",
        ])
        .args([
            "-Clink-arg=-Wl,--build-id=none",
            "-Clink-arg=-Wl,-z,now",
            "-Clink-arg=-Wl,-z,noexecstack",
        ])
        .arg("src/preload/object.rs")
        .arg("-o")
        .arg(out);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    rustc
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
