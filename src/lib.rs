//! unbraid: a process supervisor that gives every forked process its own output pipe.
//!
//! The program is `src/main.rs`; this library holds its parts, so that the pure ones are tested without processes and
//! without time. Where a thing lives:
//!
//! | module | what | pure |
//! |---|---|---|
//! | [`cli`], [`config`] | arguments, environment, config file → [`config::Config`]; all validation | |
//! | [`record`] | bytes → lines → records | yes |
//! | [`output`] | records → formats → destinations | formats and filters |
//! | [`sys`] | the system calls that nix lacks | |
//!
//! No interface of this library is stable; the program's command line is.

pub mod cli;
pub mod config;
pub mod output;
pub mod record;
pub mod sys;
