//! Tests of the whole: the real program, scripted upstreams, and the order of the house.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod admin;
mod bad_input;
mod compat;
mod diagnosis;
mod docs;
mod doctor;
mod faults;
mod fuzz_seeds;
mod life;
mod program;
mod recovery;
mod recovery_docs;
mod reload;
mod rows;
mod tidy;
