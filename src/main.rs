//! The program `unbraid`.

use std::io::Write;
use std::process::exit;
use unbraid::capture::object;
use unbraid::cli::{UsageError, parse};
use unbraid::config::Action;
use unbraid::{check, run};

fn main() {
    // `exit`, not a return: a data plane that hangs on a destination must not be waited for.
    exit(
        match parse(std::env::args_os(), &|name| std::env::var_os(name)) {
            Ok(action) => act(&action),
            Err(error) => usage(&error),
        },
    )
}

fn act(action: &Action) -> i32 {
    match action {
        Action::Run(config) => {
            run::run(config).unwrap_or_else(|error| failed(error.status(), &error))
        }
        Action::Check(config) => {
            check::check(config).unwrap_or_else(|error| failed(error.status(), &error))
        }
        Action::InstallPreload(path) => match object::install(path) {
            Ok(_) => 0,
            Err(error) => failed(
                125,
                &format!(
                    "cannot write {}: {}",
                    path.display(),
                    unbraid::cause(&error)
                ),
            ),
        },
        Action::Print(text) => print(text),
    }
}

fn failed(status: i32, error: &dyn std::fmt::Display) -> i32 {
    // Where standard error is closed, the status alone tells.
    let _ = writeln!(std::io::stderr(), "unbraid: {error}");
    status
}

fn usage(error: &UsageError) -> i32 {
    let written = if error.to_stdout {
        print(error.text.as_bytes())
    } else {
        0
    };
    if !error.to_stdout {
        let _ = std::io::stderr().write_all(error.text.as_bytes());
    }
    error.status.max(written)
}

fn print(text: &[u8]) -> i32 {
    match std::io::stdout()
        .write_all(text)
        .and_then(|()| std::io::stdout().flush())
    {
        Ok(()) => 0,
        Err(error) => failed(
            125,
            &format!("cannot write to stdout: {}", unbraid::cause(&error)),
        ),
    }
}
