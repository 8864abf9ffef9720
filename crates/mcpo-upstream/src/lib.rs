//! Keeps upstreams alive: one keeper task per upstream connects, watches, and connects again;
//! what runs now is published as immutable snapshots that the call path reads without a lock.

pub mod classify;
pub mod directory;
pub mod keeper;
pub mod record;
pub mod supervisor;
