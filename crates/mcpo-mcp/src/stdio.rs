//! A child process that speaks on its stdin and stdout.

use mcpo_core::catalog::ServerIdentity;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::endpoint;
use crate::error::{Cause, RequestError};
use crate::session::ConnectOptions;

/// What the handshake gives.
#[derive(Debug)]
pub(crate) struct StdioConnected {
    pub(crate) handle: Handle,
    pub(crate) driver: Driver,
    pub(crate) identity: ServerIdentity,
}

/// For requests; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Handle {}

/// Owns the child.
#[derive(Debug)]
pub(crate) struct Driver {}

pub(crate) async fn connect(
    _endpoint: &endpoint::Stdio,
    _options: &ConnectOptions,
) -> Result<StdioConnected, Cause> {
    Err(Cause::Unsupported("stdio upstreams".to_owned()))
}

impl Handle {
    pub(crate) async fn call_tool(
        &self,
        _name: &str,
        _arguments: &[u8],
        _deadline: Instant,
    ) -> Result<Answer, RequestError> {
        Err(RequestError::not_sent(Cause::Closed))
    }

    pub(crate) async fn list_tools(&self, _deadline: Instant) -> Result<Vec<Value>, RequestError> {
        Err(RequestError::not_sent(Cause::Closed))
    }

    pub(crate) async fn probe(&self, _deadline: Instant) -> Result<(), RequestError> {
        Err(RequestError::not_sent(Cause::Closed))
    }

    pub(crate) fn tools_changed(&self) -> watch::Receiver<u64> {
        watch::Sender::new(0).subscribe()
    }

    pub(crate) fn last_words(&self) -> String {
        String::new()
    }

    pub(crate) fn close(&self) {}
}

impl Driver {
    pub(crate) async fn run(self) -> Cause {
        Cause::Closed
    }
}
