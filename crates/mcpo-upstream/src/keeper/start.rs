//! One attempt to make a session.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mcpo_mcp::endpoint::Era;
use mcpo_mcp::error::{Cause, RequestError};
use mcpo_mcp::session::{ConnectOptions, Connected, Session, connect};
use serde_json::Value;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use crate::settings::Settings;

/// Ends with a session, says why.
pub(super) type Running = Pin<Box<dyn Future<Output = Cause> + Send>>;

/// A session that was made, and the tools that it listed.
pub(super) struct Started {
    pub(super) session: Session,
    pub(super) running: Running,
    pub(super) tools: Vec<Value>,
    pub(super) took: Duration,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Started").field("session", &self.session).finish_non_exhaustive()
    }
}

/// Shakes hands and lists the tools.
///
/// Cancel-safe: a session that was made on the way is dropped, which ends it.
pub(super) async fn start(settings: Arc<Settings>, era: Era) -> Result<Started, Cause> {
    let began = Instant::now();
    let deadline = began + settings.handshake_timeout;
    let options = ConnectOptions {
        client_name: "mcpo".to_owned(),
        client_version: env!("CARGO_PKG_VERSION").to_owned(),
        era,
        deadline,
        grace: settings.close_grace,
    };
    // The MCP room knows no names: whose line a line of its is, the span says.
    let span = tracing::error_span!("session", upstream = settings.name);
    let connecting = connect(&settings.endpoint, &options).instrument(span.clone());
    let Connected { session, driver } = connecting.await?;
    let mut running: Running = Box::pin(driver.run().instrument(span.clone()));
    let listed = tokio::select! {
        biased;
        listed = session.list_tools(deadline).instrument(span) => listed,
        // Nothing is left that could be closed.
        cause = &mut running => return Err(cause),
    };
    match listed {
        Ok(tools) => Ok(Started { session, running, tools, took: began.elapsed() }),
        Err(RequestError { cause, .. }) => {
            session.close();
            // The cause that ended the session says more than the request that met it.
            let ended = timeout(settings.close_grace * 3, running).await;
            Err(match ended {
                Ok(deeper @ Cause::Exited { .. }) => deeper,
                Ok(_) | Err(_) => cause,
            })
        }
    }
}
