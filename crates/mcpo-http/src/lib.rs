//! The surface: what downstreams see. One route table made from the snapshot, tool calls,
//! documents, documentation pages, probes, access, and the one place where a status is chosen.

mod access;
mod admin;
mod answer;
mod assets;
mod body;
mod cache_control;
mod call;
mod cors;
mod dashboard;
mod documents;
mod head;
mod health;
mod idempotency_key;
mod identity;
mod insight;
mod json;
mod login;
mod pages;
mod pieces;
mod problem;
mod query;
mod rate_limit;
mod remote;
mod reply;
mod request_id;
mod route;
mod sent;
mod serve;
mod shown;
mod standing;
mod surface;
mod unescape;
mod viewers;
mod watched;

pub use answer::Content;
pub use remote::{JournalQuery, Remote, RemoteError, Told};
pub use serve::{ServeOptions, serve};
pub use surface::{Surface, SurfaceOptions};
