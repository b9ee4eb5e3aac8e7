//! The control plane: one server, its signals, its end.
//!
//! [`control`] is the loop; what it decides is decided in [`machine`] (phases and deadlines) and [`family`] (upgrades), both pure.

pub mod command;
pub mod control;
pub mod family;
pub mod machine;
pub mod registry;
pub mod signals;
pub mod task;
pub mod tree;
