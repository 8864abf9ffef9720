//! A child process that speaks on its stdin and stdout: starting it, finding out its era, and
//! keeping the session until the child ends or we end it.

mod command;
mod driver;
mod process;
mod reader;
mod stderr;
mod writer;

use std::sync::Arc;

use mcpo_core::catalog::ServerIdentity;
use tokio::sync::Notify;
use tokio::time::{timeout, timeout_at};

use crate::conversation::Conversation;
use crate::endpoint::{self, Era};
use crate::error::{Cause, RequestError};
use crate::protocol;
use crate::session::ConnectOptions;

pub(crate) use driver::Driver;
use driver::Sign;
use stderr::Tail;

/// What a handshake gives.
#[derive(Debug)]
pub(crate) struct StdioConnected {
    pub(crate) handle: Handle,
    pub(crate) driver: Driver,
    pub(crate) identity: ServerIdentity,
}

/// For requests; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    conversation: Conversation,
    tail: Arc<Tail>,
    close: Arc<Notify>,
    process_id: Option<u32>,
}

/// How a conversation is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    Initialize,
    Discover,
}

/// Starts the child and shakes hands. Where the era is to be found out, `initialize` comes first:
/// asking for a discovery first makes some upstreams refuse `initialize` for good, and others end.
/// One that refuses `initialize` or ends over it is started anew and asked for a discovery.
///
/// # Errors
/// Why there is no session. Where both openings fail, the first one's reason, unless the upstream
/// itself pointed to the second.
pub(crate) async fn connect(
    endpoint: &endpoint::Stdio,
    options: &ConnectOptions,
) -> Result<StdioConnected, Cause> {
    match options.era {
        Era::Legacy => attempt(endpoint, options, Opening::Initialize).await,
        Era::Modern => attempt(endpoint, options, Opening::Discover).await,
        Era::Auto => {
            let first = match attempt(endpoint, options, Opening::Initialize).await {
                Ok(connected) => return Ok(connected),
                Err(cause) => cause,
            };
            if !may_be_modern(&first) {
                return Err(first);
            }
            tracing::debug!(error = %first, "initialize failed, trying server/discover");
            attempt(endpoint, options, Opening::Discover)
                .await
                .map_err(|second| if says_modern(&first) { second } else { first })
        }
    }
}

async fn attempt(
    endpoint: &endpoint::Stdio,
    options: &ConnectOptions,
    opening: Opening,
) -> Result<StdioConnected, Cause> {
    let mut driver = Driver::start(endpoint, options.grace)?;
    let multiplexer = driver.multiplexer().clone();
    let handshake = async {
        match opening {
            Opening::Initialize => Conversation::initialize(multiplexer, options).await,
            Opening::Discover => Conversation::discover(multiplexer, options).await,
        }
    };
    let opened = tokio::select! {
        // An end that came together with an answer is an end.
        biased;
        sign = driver.lost() => return Err(bury(driver, sign, options).await),
        opened = handshake => opened,
    };
    match opened {
        Ok(conversation) => {
            let identity = conversation.introduction().identity.clone();
            let process_id = driver.process_id();
            let (tail, close) = driver.attach(conversation.clone());
            let handle = Handle { conversation, tail, close, process_id };
            Ok(StdioConnected { handle, driver, identity })
        }
        Err(error) => Err(why(driver, error, options).await),
    }
}

async fn bury(mut driver: Driver, sign: Sign, options: &ConnectOptions) -> Cause {
    timeout_at(options.deadline, driver.bury(sign)).await.unwrap_or(Cause::Deadline)
}

/// Ends a child with which no session came about.
async fn why(mut driver: Driver, error: RequestError, options: &ConnectOptions) -> Cause {
    if matches!(error.cause, Cause::Broken(_)) {
        // The pipe broke before the end of the process was noticed, which says more.
        if let Ok(sign) = timeout(driver::LAST_WORDS_TIMEOUT, driver.lost()).await {
            return bury(driver, sign, options).await;
        }
    }
    // In good order, within the deadline; dropping the driver does the rest.
    let _ = timeout_at(options.deadline, driver.close_down()).await;
    if matches!(error.cause, Cause::Deadline) { driver.silence() } else { error.cause }
}

/// Whether an upstream that failed `initialize` so may be one of the modern era only.
const fn may_be_modern(cause: &Cause) -> bool {
    match cause {
        Cause::Refused { .. } | Cause::Exited { .. } | Cause::Broken(_) | Cause::Unsupported(_) => {
            true
        }
        Cause::Start { .. }
        | Cause::Connect { .. }
        | Cause::Deadline
        | Cause::Silent { .. }
        | Cause::Status { .. }
        | Cause::Malformed(_)
        | Cause::TooLarge { .. }
        | Cause::Full { .. }
        | Cause::Closed => false,
    }
}

fn says_modern(cause: &Cause) -> bool {
    matches!(cause, Cause::Unsupported(_))
        || matches!(cause, Cause::Refused { error, .. } if protocol::offers_modern(error))
}

// === impl Handle ===

impl Handle {
    /// For requests.
    pub(crate) fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// See [`Session::last_words`](crate::session::Session::last_words).
    pub(crate) fn last_words(&self) -> String {
        self.tail.text()
    }

    /// See [`Session::process_id`](crate::session::Session::process_id).
    pub(crate) const fn process_id(&self) -> Option<u32> {
        self.process_id
    }

    /// See [`Session::close`](crate::session::Session::close).
    pub(crate) fn close(&self) {
        self.conversation.multiplexer().close();
        self.close.notify_one();
    }
}

#[cfg(test)]
mod tests;
