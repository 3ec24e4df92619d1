//! The `butler` command.

fn main() {}
