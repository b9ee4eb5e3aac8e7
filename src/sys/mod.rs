//! The system calls that nix lacks. The only room beside the preload object where `unsafe` stands.

pub mod write;
