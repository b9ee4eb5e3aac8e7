//! The control plane: the server's instances, their signals, their ends.
//!
//! [`control`] is the loop. What it decides is decided elsewhere, purely: [`signal_map`] says what a signal means, [`machine`]
//! holds the phases and deadlines of one instance, [`restart`] when it comes again, [`family`] its upgrades, [`owners`] which
//! processes are its own, and [`ending`] the end of the program.
//!
//! Before it: [`command`], [`identity`] and [`place`], what runs, as whom, and where.

pub mod children;
pub mod command;
pub mod control;
pub mod disposition;
pub mod ending;
pub mod exits;
pub mod family;
pub mod identity;
pub mod launch;
pub mod machine;
pub mod own_pid_file;
pub mod owners;
pub mod pid_file;
pub mod place;
pub mod profile;
pub mod recognize;
pub mod registry;
pub mod remote;
pub mod restart;
pub mod rolling;
pub mod signal_map;
pub mod signals;
pub mod task;
pub mod tree;
