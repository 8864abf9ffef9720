//! The scripted upstreams do what their scripts say, over pipes and over sockets.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]
#![expect(clippy::needless_pass_by_value, reason = "`json!` at the call reads better")]

mod http;
mod load;
mod proxy;
mod stdio;
mod trouble;
