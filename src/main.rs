//! The program `unbraid`.

fn main() {}
