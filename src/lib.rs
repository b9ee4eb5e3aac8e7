//! unbraid: a process supervisor that gives every forked process its own output pipe.
//!
//! The program is `src/main.rs`; this library holds its parts, so that the pure ones are tested without processes and
//! without time. Where a thing lives:
//!
//! | where | what | pure |
//! |---|---|---|
//! | `cli`, `config` | arguments, environment, config file → `config::Config`; all validation | |
//! | `plan`, `run`, `check` | one call of the program: what is decided, the run, `--check` | |
//! | `capture` | the preloaded object's place, registrations, who shares a pipe | `wire`, `environment` |
//! | `src/preload/` | the object itself, compiled apart by `build.rs` | |
//! | `supervise` | the control plane: signals, children, deadlines, the control socket | `machine`, `family`, `conversation` |
//! | `data` | the data plane: pipes → records → destinations | `slots` |
//! | `ctl` | the program `unbraidctl` | `table` |
//! | `protocol` | what unbraid and `unbraidctl` say to each other | yes |
//! | `plane` | what the two planes say to each other | |
//! | `record` | bytes → lines → records; `machine`: which lines belong together; `logstart`: what a logger wrote; a module for each language | yes |
//! | `output` | records → formats → destinations; rotation | `spec`, `template`, `format`; `rotate::plan` and its like; of `network`: `peer`, `backlog`, `local`, `journal` |
//! | `units` | sizes and durations as the options take them | yes |
//! | `sys` | the system calls that no library offers safely | |
//!
//! No interface of this library is stable; the program's command line is.

pub mod capture;
pub mod check;
pub mod cli;
pub mod config;
pub mod ctl;
pub mod data;
pub mod output;
pub mod plan;
pub mod plane;
pub mod protocol;
pub mod record;
pub mod run;
pub mod supervise;
pub mod sys;
#[cfg(test)]
mod testing;
pub mod units;

/// The time of the system's clock, in µs since 1970-01-01T00:00:00Z; before that, 0.
pub fn wall_us() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64)
}

/// The cause of a failed call without the number that the standard library adds: `Permission denied`.
pub fn cause(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
