//! What a call passes on its way to an upstream.

mod attempt;
pub mod cache;
pub mod idempotency;
pub mod pipeline;
pub mod rate;

#[cfg(test)]
mod play;
