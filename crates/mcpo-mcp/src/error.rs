//! What can go wrong between us and one upstream, as facts. What it means for a call (may it be
//! sent again?) is decided elsewhere, from these facts alone.

use std::time::Duration;

use mcpo_core::fault::Stage;
use serde_json::value::RawValue;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct RequestError {
    /// Whether the upstream can have seen the request.
    pub sent: Sent,
    /// What happened.
    #[source]
    pub cause: Cause,
}

/// How far a request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Certainly no byte of it reached the upstream's hands.
    No,
    /// Some or all of it was written; the upstream may have acted.
    Maybe,
}

/// What happened to a request or to a whole session.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Cause {
    /// The command could not be started.
    #[error("start the command `{command}`: {reason}")]
    Start {
        /// The command as configured.
        command: String,
        /// The system's word for it.
        reason: String,
    },
    /// No connection was made.
    #[error("connect: {reason}")]
    Connect {
        /// How far it came.
        stage: Stage,
        /// What the system, or the other side, said.
        reason: String,
    },
    /// The child process ended.
    #[error("the process ended ({status})")]
    Exited {
        /// `exit code 1`, `signal 9`.
        status: String,
        /// The last lines that it wrote to stderr.
        stderr: String,
    },
    /// The stream or connection broke or ended before the answer came.
    #[error("the stream broke: {0}")]
    Broken(String),
    /// The deadline came first.
    #[error("no answer within the deadline")]
    Deadline,
    /// The deadline for the handshake came first; the child did write, but no answer.
    #[error("no answer within the deadline")]
    Silent {
        /// The last lines that it wrote to stderr, and those to stdout that were no messages.
        last_words: String,
    },
    /// An HTTP status that is not the answer to a request.
    #[error("HTTP status {status}")]
    Status {
        /// The status code.
        status: u16,
        /// `Retry-After`, as a length from now.
        retry_after: Option<Duration>,
        /// The start of the body, for the log and for telling what the status means.
        body: String,
        /// The JSON-RPC error in the body, when there is one (with or without an id).
        rpc: Option<RpcError>,
        /// Whether our request carried a session id.
        had_session: bool,
    },
    /// Something came that is not MCP.
    #[error("the answer is not MCP: {0}")]
    Malformed(String),
    /// A message, line or header over its bound.
    #[error("a message of more than {limit_bytes} bytes")]
    TooLarge {
        /// The bound that was passed.
        limit_bytes: usize,
    },
    /// The upstream asked for something that we do not support (a protocol version, input).
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// A JSON-RPC error as answer to a request that we make for ourselves (handshake, lists).
    #[error("the upstream answered {method} with {error}")]
    Refused {
        /// The method that was refused.
        method: &'static str,
        /// Its error.
        error: RpcError,
    },
    /// Too many requests wait for the upstream to read.
    #[error("{waiting} requests already wait to be written")]
    Full {
        /// How many.
        waiting: usize,
    },
    /// The session was closed by us.
    #[error("the session is closed")]
    Closed,
}

/// A JSON-RPC error, its `data` untouched.
#[derive(Debug, Clone, thiserror::Error)]
#[error("JSON-RPC error {code}: {message}")]
pub struct RpcError {
    /// The error's code.
    pub code: i64,
    /// Its message.
    pub message: String,
    /// Whatever came with it.
    pub data: Option<Box<RawValue>>,
}

impl RequestError {
    /// The request certainly did not get there.
    #[must_use]
    pub const fn not_sent(cause: Cause) -> Self {
        Self { sent: Sent::No, cause }
    }

    /// The request may have got there.
    #[must_use]
    pub const fn maybe_sent(cause: Cause) -> Self {
        Self { sent: Sent::Maybe, cause }
    }
}
