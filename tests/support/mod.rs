//! What the tests share: starting unbraid, watching processes, reading logs, counting records.

// Each test file uses its part of this.
#![allow(dead_code, unreachable_pub)]

pub mod assembly;
pub mod ctl;
pub mod daemon;
pub mod events;
pub mod fastcgi;
pub mod gunicorn;
pub mod http;
pub mod load;
pub mod log;
pub mod pipes;
pub mod proc;
pub mod programs;
pub mod python;
pub mod receiver;
pub mod rotated;
pub mod site;
pub mod unbraid;
pub mod verify;
pub mod wait;
