//! The exposition, and all that is made from the registry of metrics.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod fixture;
mod made;
mod promql;
mod read;
mod text;
