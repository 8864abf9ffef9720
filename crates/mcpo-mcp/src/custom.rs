//! A transport of one's own: whoever embeds this room, or plays an upstream in memory, says how a
//! session is made ([`Dial`]) and how its requests are carried ([`Wire`]). A
//! [`Session`](crate::session::Session) over it behaves like one over a process or HTTP.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mcpo_core::catalog::ServerIdentity;
use mcpo_core::trace::TraceContext;
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::answer::Answer;
use crate::error::{Cause, RequestError};
use crate::session::{Call, ConnectOptions};

/// What a transport of one's own gives: a future that borrows nothing.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Makes sessions with one upstream.
pub trait Dial: Debug + Send + Sync {
    /// Makes one session. The future is dropped at the deadline of the handshake and must leave
    /// nothing behind then.
    fn dial(&self) -> BoxFuture<Result<Custom, Cause>>;
    /// Whether each call has a connection of its own, so that one that breaks says nothing of the
    /// session.
    fn has_connection_per_call(&self) -> bool {
        false
    }
}

/// A session that was made.
pub struct Custom {
    /// Who the upstream says it is.
    pub identity: ServerIdentity,
    /// For requests.
    pub wire: Arc<dyn Wire>,
    /// Ends when the session does, with the reason: [`Cause::Closed`] after [`Wire::close`].
    pub ended: BoxFuture<Cause>,
}

/// Carries the requests of one session. Dropping a request's future cancels it.
pub trait Wire: Debug + Send + Sync {
    /// Calls a tool; `arguments` is one JSON object as the caller wrote it, and empty stands for
    /// `{}`. An answer after the deadline is not heard; an error says whether the upstream can
    /// have seen the request, and one that does not come before the deadline counts as one that
    /// it may have seen. The trace that the call belongs to, if any, is the wire's to hand on.
    fn call(
        &self,
        name: &str,
        arguments: &[u8],
        deadline: Instant,
        trace: Option<&TraceContext>,
    ) -> BoxFuture<Result<Answer, RequestError>>;
    /// All of `tools/list`, each entry as it came.
    fn list(&self, deadline: Instant) -> BoxFuture<Result<Vec<Value>, RequestError>>;
    /// Asks for a sign of life.
    fn probe(&self, deadline: Instant) -> BoxFuture<Result<(), RequestError>>;
    /// Changes each time the upstream says that its tools changed.
    fn tools_changed(&self) -> watch::Receiver<u64>;
    /// Ends the session in good order; returns at once, and may be called again. No request is
    /// taken from then on, and those under way may still be answered.
    fn close(&self);
}

/// For requests; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    wire: Arc<dyn Wire>,
    closed: Arc<Notify>,
}

/// Waits for the end of the session; dropping it closes the session.
pub(crate) struct Driver {
    wire: Arc<dyn Wire>,
    ended: BoxFuture<Cause>,
    closed: Arc<Notify>,
    grace: Duration,
}

/// Makes a session, within the deadline.
pub(crate) async fn connect(
    dial: &Arc<dyn Dial>,
    options: &ConnectOptions,
) -> Result<(Handle, Driver, ServerIdentity), Cause> {
    let dialled = timeout_at(options.deadline, dial.dial()).await;
    let Custom { identity, wire, ended } = dialled.unwrap_or(Err(Cause::Deadline))?;
    let closed = Arc::new(Notify::new());
    let handle = Handle { wire: Arc::clone(&wire), closed: Arc::clone(&closed) };
    Ok((handle, Driver { wire, ended, closed, grace: options.grace }, identity))
}

// === impl Handle ===

impl Handle {
    pub(crate) async fn call_tool(
        &self,
        &Call { name, arguments, deadline, trace }: &Call<'_>,
    ) -> Result<Answer, RequestError> {
        in_time(deadline, self.wire.call(name, arguments, deadline, trace)).await
    }

    pub(crate) async fn list_tools(&self, deadline: Instant) -> Result<Vec<Value>, RequestError> {
        in_time(deadline, self.wire.list(deadline)).await
    }

    pub(crate) async fn probe(&self, deadline: Instant) -> Result<(), RequestError> {
        in_time(deadline, self.wire.probe(deadline)).await
    }

    pub(crate) fn tools_changed(&self) -> watch::Receiver<u64> {
        self.wire.tools_changed()
    }

    pub(crate) fn close(&self) {
        self.wire.close();
        self.closed.notify_one();
    }
}

/// What the wire itself says at the deadline counts.
async fn in_time<T>(
    deadline: Instant,
    request: BoxFuture<Result<T, RequestError>>,
) -> Result<T, RequestError> {
    let late = |_| Err(RequestError::maybe_sent(Cause::Deadline));
    timeout_at(deadline, request).await.unwrap_or_else(late)
}

// === impl Driver ===

impl Driver {
    /// See [`session::Driver::run`](crate::session::Driver::run). One that was closed and does not
    /// end is given up after the two graces that a child would have.
    pub(crate) async fn run(mut self) -> Cause {
        let closed = Arc::clone(&self.closed);
        tokio::select! {
            biased;
            cause = &mut self.ended => return cause,
            () = closed.notified() => {}
        }
        timeout(self.grace * 2, &mut self.ended).await.unwrap_or(Cause::Closed)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.wire.close();
    }
}

impl Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("wire", &self.wire).finish_non_exhaustive()
    }
}

impl Debug for Custom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Custom").field("wire", &self.wire).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
