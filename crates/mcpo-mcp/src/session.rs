//! One conversation with one upstream: a cheap handle for requests, and a driver that owns the
//! tasks and the process or connections behind it.

use std::time::Duration;

use mcpo_core::catalog::ServerIdentity;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::endpoint::{Endpoint, Era};
use crate::error::{Cause, RequestError};

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Our name in `clientInfo`.
    pub client_name: String,
    /// Our version in `clientInfo`.
    pub client_version: String,
    /// Which era to speak.
    pub era: Era,
    /// When the handshake must be done.
    pub deadline: Instant,
    /// How long an ending child has after its stdin closed, and again after SIGTERM.
    pub grace: Duration,
}

/// What a successful handshake gives.
#[derive(Debug)]
pub struct Connected {
    /// For requests; cheap to clone.
    pub session: Session,
    /// Must be run: it ends when the session does.
    pub driver: Driver,
}

/// A handle to a live session.
#[derive(Debug, Clone)]
pub struct Session {}

/// Owns everything behind a session. Dropping it kills the child and closes the connections.
#[derive(Debug)]
pub struct Driver {}

/// Starts the child or opens the connection, finds out the era, and shakes hands.
///
/// Cancel-safe: dropping it leaves neither a process nor a task behind.
///
/// # Errors
/// Why there is no session; after the deadline at the latest.
pub async fn connect(_endpoint: &Endpoint, _options: &ConnectOptions) -> Result<Connected, Cause> {
    Err(Cause::Closed)
}

impl Session {
    /// Who the upstream says it is.
    #[must_use]
    pub fn identity(&self) -> &ServerIdentity {
        unreachable!("not connected")
    }

    /// Calls a tool. `arguments` is one JSON object and goes to the upstream byte for byte (only
    /// line breaks between tokens become blanks where the transport needs that).
    ///
    /// Dropping the future, and the deadline, cancel the request towards the upstream.
    ///
    /// # Errors
    /// No answer; the error says whether the upstream can have seen the request.
    pub async fn call_tool(&self, _name: &str, _arguments: &[u8], _deadline: Instant) -> Result<Answer, RequestError> {
        Err(RequestError::not_sent(Cause::Closed))
    }

    /// All pages of `tools/list`, each entry as it came.
    ///
    /// # Errors
    /// No answer, or an error as answer ([`Cause::Refused`]).
    pub async fn list_tools(&self, _deadline: Instant) -> Result<Vec<Value>, RequestError> {
        Err(RequestError::not_sent(Cause::Closed))
    }

    /// Asks for a sign of life: `ping`, or `server/discover` in the modern era.
    ///
    /// # Errors
    /// No answer. A JSON-RPC error counts as a sign of life.
    pub async fn probe(&self, _deadline: Instant) -> Result<(), RequestError> {
        Err(RequestError::not_sent(Cause::Closed))
    }

    /// Changes each time the upstream says that its tools changed.
    #[must_use]
    pub fn tools_changed(&self) -> watch::Receiver<u64> {
        unreachable!("not connected")
    }

    /// Asks the driver to end the session in good order; returns at once.
    pub fn close(&self) {}
}

impl Driver {
    /// Runs until the session has ended (by itself, or after [`Session::close`]) and nothing of it
    /// is left: child reaped, tasks joined, connections closed.
    ///
    /// Dropping the future kills the child and ends the tasks at once.
    pub async fn run(self) -> Cause {
        Cause::Closed
    }
}
