//! What a request comes back with: the result as raw JSON, or the upstream's own error.

use bytes::Bytes;

use crate::error::RpcError;

/// The upstream's answer to one request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The `result`, raw: one JSON value, byte for byte as the upstream wrote it. A slice of the
    /// message that it came in, not a copy.
    Result(Bytes),
    /// A JSON-RPC error.
    Error(RpcError),
}
