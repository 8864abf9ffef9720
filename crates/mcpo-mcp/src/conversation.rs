//! MCP over a multiplexed stream: the handshakes, the requests and the subscription that stdio
//! and HTTP+SSE have in common.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::answer::Answer;
use crate::error::{Cause, RequestError};
use crate::frame::METHOD_NOT_FOUND;
use crate::multiplex::{Manner, Multiplexer, Request};
use crate::protocol::{self, Dialect, Discovery, Introduction, Pager, in_quotes, trace_members};
use crate::session::{Call, ConnectOptions};

/// A subscription is asked for anew at least this often: an upstream that forgot it is found out.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// First rest before a subscription that ended is asked for again; doubles up to the next one.
const LISTEN_AGAIN_MIN: Duration = Duration::from_secs(1);
/// See [`LISTEN_AGAIN_MIN`].
const LISTEN_AGAIN_MAX: Duration = Duration::from_secs(60);

/// A stream with the dialect that is spoken on it; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Conversation {
    multiplexer: Multiplexer,
    dialect: Dialect,
    introduction: Introduction,
}

impl Conversation {
    /// Shakes hands in the legacy era: `initialize`, then `notifications/initialized`.
    ///
    /// # Errors
    /// No answer, or one that is not an agreement.
    pub(crate) async fn initialize(
        multiplexer: Multiplexer,
        options: &ConnectOptions,
    ) -> Result<Self, RequestError> {
        const METHOD: &str = "initialize";
        let params = protocol::initialize_params(options);
        let request = Request {
            method: METHOD,
            params: &[params.as_bytes()],
            deadline: options.deadline,
            manner: Manner::Handshake,
        };
        let result = protocol::expect_result(METHOD, multiplexer.request(request).await?)?;
        let introduction = protocol::read_initialize(&result).map_err(RequestError::maybe_sent)?;
        multiplexer.notify("notifications/initialized", &[], options.deadline).await?;
        Ok(Self { multiplexer, dialect: Dialect::Legacy, introduction })
    }

    /// Opens the modern era with `server/discover`.
    ///
    /// # Errors
    /// No answer, an error, or no modern version ([`Cause::Unsupported`]).
    pub(crate) async fn discover(
        multiplexer: Multiplexer,
        options: &ConnectOptions,
    ) -> Result<Self, RequestError> {
        const METHOD: &str = "server/discover";
        let dialect = Dialect::modern(options);
        let request = Request {
            method: METHOD,
            params: &dialect.no_params(),
            deadline: options.deadline,
            manner: Manner::Call,
        };
        let result = protocol::expect_result(METHOD, multiplexer.request(request).await?)?;
        match protocol::read_discover(&result).map_err(RequestError::maybe_sent)? {
            Discovery::Modern(introduction) => Ok(Self { multiplexer, dialect, introduction }),
            Discovery::LegacyOnly => {
                let cause = Cause::Unsupported(format!(
                    "the upstream does not list version {}",
                    protocol::MODERN
                ));
                Err(RequestError::maybe_sent(cause))
            }
        }
    }

    pub(crate) fn introduction(&self) -> &Introduction {
        &self.introduction
    }

    pub(crate) fn multiplexer(&self) -> &Multiplexer {
        &self.multiplexer
    }

    /// See [`Session::call_tool`](crate::session::Session::call_tool).
    pub(crate) async fn call_tool(
        &self,
        &Call { name, arguments, deadline, trace }: &Call<'_>,
    ) -> Result<Answer, RequestError> {
        let name = in_quotes(name);
        let trace = trace.map(trace_members);
        let params = self.dialect.call_tool(&name, arguments, trace.as_deref());
        let answer = self.ask("tools/call", &params, deadline).await?;
        if let Answer::Result(result) = &answer {
            self.dialect.check_result(result).map_err(RequestError::maybe_sent)?;
        }
        Ok(answer)
    }

    /// See [`Session::list_tools`](crate::session::Session::list_tools).
    pub(crate) async fn list_tools(&self, deadline: Instant) -> Result<Vec<Value>, RequestError> {
        const METHOD: &str = "tools/list";
        let mut pager = Pager::default();
        while let Some(params) = pager.next_params(&self.dialect) {
            let answer = self.ask(METHOD, &params, deadline).await?;
            match &answer {
                // An upstream that declares no tools and does not know the method has none.
                Answer::Error(error)
                    if error.code == METHOD_NOT_FOUND && !self.introduction.has_tools =>
                {
                    break;
                }
                Answer::Error(_) | Answer::Result(_) => {}
            }
            pager
                .take(&protocol::expect_result(METHOD, answer)?)
                .map_err(RequestError::maybe_sent)?;
        }
        let (tools, unreadable) = pager.into_tools();
        if unreadable > 0 {
            tracing::warn!(unreadable, "tools that cannot be read are left out");
        }
        Ok(tools)
    }

    /// See [`Session::probe`](crate::session::Session::probe).
    pub(crate) async fn probe(&self, deadline: Instant) -> Result<(), RequestError> {
        let params = self.dialect.no_params();
        self.ask(self.dialect.probe_method(), &params, deadline).await.map(|_answer| ())
    }

    /// See [`Session::tools_changed`](crate::session::Session::tools_changed).
    pub(crate) fn tools_changed(&self) -> watch::Receiver<u64> {
        self.multiplexer.tools_changed()
    }

    /// Hears of changed tools for as long as it is polled: in the modern era over a subscription
    /// that is opened again whenever it ends, in the legacy era without doing anything. Never ends.
    ///
    /// Cancel-safe: dropping it ends the subscription.
    pub(crate) async fn listen(&self) {
        let subscribes =
            matches!(self.dialect, Dialect::Modern { .. }) && self.introduction.tells_tools_changed;
        if subscribes {
            self.keep_subscribed().await;
        }
        std::future::pending::<()>().await;
    }

    /// Ends when the upstream says that it has no subscriptions, or when the session has ended.
    async fn keep_subscribed(&self) {
        let mut rest = LISTEN_AGAIN_MIN;
        loop {
            let opened = Instant::now();
            let request = Request {
                method: "subscriptions/listen",
                params: &self.dialect.listen(),
                deadline: opened + LISTEN_TIMEOUT,
                manner: Manner::Lasting,
            };
            match self.multiplexer.request(request).await {
                Ok(Answer::Error(error)) if error.code == METHOD_NOT_FOUND => return,
                Ok(answer) => tracing::debug!(?answer, "the subscription ended"),
                Err(error) if matches!(error.cause, Cause::Closed) => return,
                Err(error) => tracing::debug!(%error, "the subscription ended"),
            }
            rest = if opened.elapsed() > LISTEN_AGAIN_MAX {
                LISTEN_AGAIN_MIN
            } else {
                (rest * 2).min(LISTEN_AGAIN_MAX)
            };
            sleep(rest).await;
            // What changed in between was told to nobody.
            self.multiplexer.suppose_tools_changed();
        }
    }

    async fn ask(
        &self,
        method: &'static str,
        params: &[&[u8]],
        deadline: Instant,
    ) -> Result<Answer, RequestError> {
        self.multiplexer.request(Request { method, params, deadline, manner: Manner::Call }).await
    }
}

#[cfg(test)]
mod tests;
