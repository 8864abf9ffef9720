//! The whole surface, with scripted upstreams behind it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod counted;
mod documents;
mod insight;
mod kept;
mod live;
mod load;
mod login;
mod long;
mod scene;
mod surface;
