//! The MCP wire, from the side of the one who calls: JSON-RPC frames with raw pass-through, both
//! protocol eras, three transports. Knows nothing of pools, retries or HTTP servers.

pub mod endpoint;
pub mod error;
pub mod frame;
pub mod answer;
mod inbound;
pub mod session;
