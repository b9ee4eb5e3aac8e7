//! Rotation: a log is moved aside between two records; what was moved aside is packed and removed in the background.
//!
//! The data plane moves files aside (`aside`) when their size or the clock (`period`) says so, or when asked. All else is
//! done by a thread of its own (`keeper`), which reads the folders (`listing`), makes a `plan` and carries it out
//! (`steps`, `pack`).

pub(super) mod aside;
pub mod family;
pub(super) mod keeper;
mod listing;
pub mod names;
mod pack;
pub mod period;
pub mod plan;
mod steps;
