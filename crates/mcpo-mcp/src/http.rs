//! Streamable HTTP in both eras, and HTTP+SSE: finding out which one an upstream speaks, and one
//! handle and one driver for all.

mod agent;
mod base64;
pub(crate) mod bounds;
mod detect;
mod ear;
mod exchange;
mod legacy_sse;
mod line;
mod listen;
mod mirror;
mod peer;
mod pool;
mod refusal;
mod reply;
pub(crate) mod retry_after;
pub(crate) mod sse_stream;
mod streamable;
mod way;

use std::sync::Arc;

use mcpo_core::catalog::ServerIdentity;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::answer::Answer;
use crate::conversation::Conversation;
use crate::endpoint;
use crate::error::{Cause, RequestError};
use crate::session::{Call, ConnectOptions};

/// What the handshake gives.
#[derive(Debug)]
pub(crate) struct HttpConnected {
    pub(crate) handle: Handle,
    pub(crate) driver: Driver,
    pub(crate) identity: ServerIdentity,
}

/// For requests; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Handle {
    Streamable(Arc<streamable::Session>),
    Sse(Box<Conversation>),
}

/// Owns the connections and tasks behind a handle.
#[derive(Debug)]
pub(crate) enum Driver {
    Streamable(streamable::Driver),
    Sse(Box<legacy_sse::Driver>),
}

/// Finds out what the upstream speaks and shakes hands.
///
/// Cancel-safe: dropping it closes all connections.
///
/// # Errors
/// Why there is no session; at the deadline at the latest.
pub(crate) async fn connect(
    endpoint: &endpoint::Http,
    options: &ConnectOptions,
) -> Result<HttpConnected, Cause> {
    timeout_at(options.deadline, detect::connect(endpoint, options))
        .await
        .unwrap_or(Err(Cause::Deadline))
}

impl Handle {
    pub(crate) async fn call_tool(&self, call: &Call<'_>) -> Result<Answer, RequestError> {
        match self {
            Self::Streamable(session) => session.call_tool(call).await,
            Self::Sse(conversation) => conversation.call_tool(call).await,
        }
    }

    pub(crate) async fn list_tools(&self, deadline: Instant) -> Result<Vec<Value>, RequestError> {
        match self {
            Self::Streamable(session) => session.list_tools(deadline).await,
            Self::Sse(conversation) => conversation.list_tools(deadline).await,
        }
    }

    pub(crate) async fn probe(&self, deadline: Instant) -> Result<(), RequestError> {
        match self {
            Self::Streamable(session) => session.probe(deadline).await,
            Self::Sse(conversation) => conversation.probe(deadline).await,
        }
    }

    pub(crate) fn tools_changed(&self) -> watch::Receiver<u64> {
        match self {
            Self::Streamable(session) => session.tools_changed(),
            Self::Sse(conversation) => conversation.tools_changed(),
        }
    }

    pub(crate) fn close(&self) {
        match self {
            Self::Streamable(session) => session.close(),
            Self::Sse(conversation) => conversation.multiplexer().close(),
        }
    }
}

impl Driver {
    /// Runs until the session is lost or closed; dropping it ends everything at once.
    pub(crate) async fn run(self) -> Cause {
        match self {
            Self::Streamable(driver) => driver.run().await,
            Self::Sse(driver) => driver.run().await,
        }
    }
}

#[cfg(test)]
mod tests;
