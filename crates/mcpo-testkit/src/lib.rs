//! What the tests and the benchmark stand on, never shipped: upstreams that do what a script says
//! over every transport and both eras, a journal of what they ran, a started mcpo with a scratch
//! directory around it (`World`), a small HTTP client, and a load generator.

mod child;
mod client;
mod control;
mod engine;
pub mod faults;
mod http;
mod journal;
pub mod load;
mod play;
mod proxy;
mod reply;
mod scratch;
mod script;
mod stdio;
mod trouble;
mod world;

pub use child::ScriptedChild;
pub use client::{Reply, Request};
pub use control::Control;
pub use http::HttpUpstream;
pub use journal::{Entry, Journal, What, now_ns};
pub use proxy::{Cut, FaultProxy, Requests, Slice, Weather};
pub use scratch::Scratch;
pub use script::{Era, HttpStep, LostSession, ReplyAs, Script, Step, tool};
pub use stdio::{ScriptedStdio, scripted_main, scripted_path};
pub use trouble::{On, Trouble};
pub use world::{World, WorldBuilder};
