//! What a call passes on its way to an upstream.

mod admission;
mod attempt;
pub mod cache;
pub mod guard;
pub mod idempotency;
pub mod pipeline;
pub mod rate;

#[cfg(test)]
mod play;
