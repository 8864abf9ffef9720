//! Keeps upstreams alive: one keeper task per upstream makes its sessions, watches them, and makes
//! them again; what runs now is published as immutable snapshots that the call path reads without a
//! lock.

mod bell;
pub mod classify;
pub mod clock;
pub mod directory;
pub mod gate;
pub mod headcount;
pub mod journal;
mod keeper;
mod live;
pub mod meter;
pub mod order;
pub mod rooms;
mod settings;
mod sleep;
pub mod supervisor;

#[cfg(test)]
mod play;
