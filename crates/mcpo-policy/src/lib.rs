//! What a call passes on its way to an upstream.

pub mod attempt;
pub mod pipeline;
