//! What the benchmark's programs share.

pub mod echo;
pub mod workers;
