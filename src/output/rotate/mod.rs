//! Rotation: a log is moved aside between two records; what was moved aside is packed and removed in the background.

pub mod family;
pub mod names;
pub mod period;
pub mod plan;
