//! The system calls that no library offers safely. With `src/preload/`, the only room where `unsafe` may stand.
#![allow(unsafe_code)]

pub mod credentials;
pub mod fd;
pub mod file;
mod own_pid;
pub mod receive;
pub mod signals;
pub mod spawn;
pub mod wait;
pub mod write;
