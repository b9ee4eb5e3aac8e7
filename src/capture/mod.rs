//! A pipe for each process: the object that is preloaded, the datagrams it sends, and what cannot be captured so.

pub mod environment;
pub mod gate;
pub mod holders;
pub mod loadable;
pub mod object;
pub mod wire;
