//! The `mcpo` program.
fn main() {}
