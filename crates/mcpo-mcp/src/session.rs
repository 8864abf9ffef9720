//! One conversation with one upstream: a cheap handle for requests, and a driver that owns the
//! tasks and the process or connections behind it.

use std::sync::Arc;
use std::time::Duration;

use mcpo_core::catalog::ServerIdentity;
use mcpo_core::trace::TraceContext;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::endpoint::{Endpoint, Era};
use crate::error::{Cause, RequestError};
use crate::protocol;
use crate::redact::Redactor;
use crate::transport;

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

/// The parts of a call; see [`Session::call_tool`]. The future of each function that a call passes
/// holds its arguments twice, so that these are lent.
pub(crate) struct Call<'a> {
    pub(crate) name: &'a str,
    pub(crate) arguments: &'a [u8],
    pub(crate) deadline: Instant,
    pub(crate) trace: Option<&'a TraceContext>,
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
pub struct Session {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    handle: transport::Handle,
    identity: ServerIdentity,
    redactor: Arc<Redactor>,
}

/// Owns everything behind a session. Dropping it kills the child and closes the connections.
#[derive(Debug)]
pub struct Driver {
    driver: transport::Driver,
    redactor: Arc<Redactor>,
}

/// Starts the child or opens the connection, finds out the era, and shakes hands.
///
/// Must be called on a thread that lives as long as the runtime (a worker, not a blocking one)
/// where a launcher ties the child's life to ours; see [`launcher`](crate::launcher).
///
/// Cancel-safe: dropping it leaves neither a process nor a task behind.
///
/// # Errors
/// Why there is no session; after the deadline at the latest. No cause, here or later, repeats a
/// secret of the endpoint.
pub async fn connect(endpoint: &Endpoint, options: &ConnectOptions) -> Result<Connected, Cause> {
    let redactor = Arc::new(Redactor::of(endpoint));
    let connected = transport::connect(endpoint, options).await;
    let transport::Connected { handle, driver, identity } =
        connected.map_err(|cause| redactor.redact_cause(cause))?;
    let shared = Shared { handle, identity, redactor: Arc::clone(&redactor) };
    Ok(Connected {
        session: Session { shared: Arc::new(shared) },
        driver: Driver { driver, redactor },
    })
}

impl Session {
    /// Who the upstream says it is.
    #[must_use]
    pub fn identity(&self) -> &ServerIdentity {
        &self.shared.identity
    }

    /// Which era is spoken: never [`Era::Auto`].
    #[must_use]
    pub fn era(&self) -> Era {
        if self.identity().protocol_version == protocol::MODERN { Era::Modern } else { Era::Legacy }
    }

    /// Calls a tool. `arguments` is one JSON object and goes to the upstream byte for byte (only
    /// line breaks between tokens become blanks where the transport needs that); empty stands
    /// for `{}`.
    ///
    /// A result is a slice of the message, and of the read buffer, that it came in: copy what is
    /// kept for long. A message of more than [`MESSAGE_BYTES_MAX`](crate::frame::MESSAGE_BYTES_MAX)
    /// is a failure ([`Cause::TooLarge`]).
    ///
    /// The trace that it belongs to, if any, goes along in `_meta` (MCP 2026-07-28, basic,
    /// "Distributed Tracing Conventions"; SEP-414), and over Streamable HTTP in headers as well.
    ///
    /// Cancel-safe: dropping the future, and the deadline, cancel the request towards the
    /// upstream; one that was not written yet never is.
    ///
    /// # Errors
    /// No answer; the error says whether the upstream can have seen the request.
    pub fn call_tool<'a>(
        &'a self,
        name: &'a str,
        arguments: &'a [u8],
        deadline: Instant,
        trace: Option<&'a TraceContext>,
    ) -> impl Future<Output = Result<Answer, RequestError>> + use<'a> {
        let call = Call { name, arguments, deadline, trace };
        async move {
            let answer = self.shared.handle.call_tool(&call).await;
            answer.map_err(|error| self.shared.told(error))
        }
    }

    /// All pages of `tools/list`, each entry as it came.
    ///
    /// Cancel-safe: dropping the future cancels the request that is on its way.
    ///
    /// # Errors
    /// No answer, or an error as answer ([`Cause::Refused`]).
    pub async fn list_tools(&self, deadline: Instant) -> Result<Vec<Value>, RequestError> {
        self.shared.handle.list_tools(deadline).await.map_err(|error| self.shared.told(error))
    }

    /// Asks for a sign of life: `ping`, or `server/discover` in the modern era.
    ///
    /// Cancel-safe: dropping the future cancels the request.
    ///
    /// # Errors
    /// No answer. A JSON-RPC error counts as a sign of life.
    pub async fn probe(&self, deadline: Instant) -> Result<(), RequestError> {
        self.shared.handle.probe(deadline).await.map_err(|error| self.shared.told(error))
    }

    /// Changes each time the upstream says that its tools changed.
    #[must_use]
    pub fn tools_changed(&self) -> watch::Receiver<u64> {
        self.shared.handle.tools_changed()
    }

    /// The last lines that the child wrote to stderr, without the secrets of its environment;
    /// `None` where there is no child.
    #[must_use]
    pub fn last_words(&self) -> Option<String> {
        self.shared.handle.last_words()
    }

    /// The id of the child that was started for the session, which leads its own process group;
    /// `None` where there is none. Once the child is gone the id may be another's.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.shared.handle.process_id()
    }

    /// Asks the driver to end the session in good order; returns at once. New requests are
    /// refused from now on, and those on their way may still be answered while the upstream ends.
    pub fn close(&self) {
        self.shared.handle.close();
    }
}

impl Shared {
    /// The error as others may read it.
    fn told(&self, RequestError { sent, cause }: RequestError) -> RequestError {
        RequestError { sent, cause: self.redactor.redact_cause(cause) }
    }
}

impl Driver {
    /// Runs until the session has ended (by itself, or after [`Session::close`]) and nothing of it
    /// is left: child reaped, tasks joined, connections closed. While nobody runs it, the loss of
    /// the upstream goes unnoticed.
    ///
    /// Cancel-safe: dropping the future kills the child and ends the tasks at once.
    pub async fn run(self) -> Cause {
        self.redactor.redact_cause(self.driver.run().await)
    }
}
