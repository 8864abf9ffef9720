//! What a call passes on its way to an upstream.

mod attempt;
pub mod idempotency;
pub mod pipeline;

#[cfg(test)]
mod play;
