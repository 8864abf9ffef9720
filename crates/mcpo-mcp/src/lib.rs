//! The MCP wire, from the side of the one who calls: JSON-RPC frames with raw pass-through, both
//! protocol eras, three transports. Knows nothing of pools, retries or HTTP servers.

pub mod answer;
mod by_id;
mod conversation;
pub mod custom;
pub mod endpoint;
pub mod error;
pub mod frame;
#[doc(hidden)]
pub mod fuzzing;
pub mod guard;
mod http;
mod inbound;
pub mod launcher;
pub mod loopback;
mod multiplex;
mod protocol;
pub mod redact;
pub mod session;
mod stdio;
mod transport;
