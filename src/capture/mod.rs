//! A pipe for each process: the object that is preloaded, the datagrams it sends, and what cannot be captured so.

pub mod object;
pub mod wire;
