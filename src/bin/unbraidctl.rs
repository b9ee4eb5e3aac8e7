//! The program `unbraidctl`.

use std::process::exit;

fn main() {
    exit(unbraid::ctl::run(std::env::args_os(), &|name| {
        std::env::var_os(name)
    }))
}
