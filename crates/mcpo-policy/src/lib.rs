//! What a call passes on its way to an upstream.

mod admission;
mod attempt;
pub mod cache;
mod carrier;
mod coalesce;
pub mod guard;
pub mod idempotency;
pub mod pipeline;
mod question;
pub mod rate;
mod scatter;

#[cfg(test)]
mod play;
