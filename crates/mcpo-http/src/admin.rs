//! `/admin`: what operators see and order. Here it may be told what failed in full, with addresses
//! and commands, since whoever comes in has shown the key or sits at this machine; secrets are
//! not part of that.

mod cache;
mod counters;
pub(crate) mod entry;
pub(crate) mod guard;
mod login;
mod servers;
mod validate;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use http_body::Body;
use mcpo_policy::pipeline::Pipeline;
use mcpo_upstream::directory::{Directory, Upstream};
use mcpo_upstream::journal::ENTRIES_MAX;
use mcpo_upstream::order::Order;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::time::Instant;

use crate::access::Gate;
use crate::answer::{Answer, json};
use crate::body::Bodies;
use crate::insight::{Insight, private};
use crate::problem::Problem;
use crate::query::Query;
use crate::shown::Shown;

/// Nothing that is asked here has a body; what a careless script sends along fits.
const BODY_BYTES_MAX: usize = 16 << 10;

/// How long an order may take: a keeper takes it within a millisecond unless something is badly
/// wrong.
const ORDER_TIME_MAX: Duration = Duration::from_secs(10);

/// How many entries of the journal are shown where nobody says.
const ENTRIES_DEFAULT: u64 = 100;

/// Answers operators.
#[derive(Debug)]
pub(crate) struct Admin {
    directory: Arc<Directory>,
    pipeline: Arc<Pipeline>,
    insight: Arc<Insight>,
    /// For which paths browsers show a login.
    cookie_path: String,
    /// Their own, so that no flood of calls takes their room.
    bodies: Bodies,
}

/// What a path under `/admin/` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Ask<'p> {
    Servers,
    Server(Cow<'p, str>),
    Order(Cow<'p, str>, Cow<'p, str>),
    Validate,
    Journal,
    Events,
    Picture,
    Live,
    Cache,
    Login,
    Logout,
}

// === impl Admin ===

impl Admin {
    /// Behind that root path, if there is one.
    pub(crate) fn new(
        directory: Arc<Directory>,
        pipeline: Arc<Pipeline>,
        insight: Arc<Insight>,
        root_path: &str,
    ) -> Self {
        let cookie_path = if root_path.is_empty() { "/" } else { root_path }.to_owned();
        let bodies = Bodies::new(BODY_BYTES_MAX);
        Self { directory, pipeline, insight, cookie_path, bodies }
    }

    /// Answers a request for what is at `path`, which stands behind `/admin/`.
    ///
    /// Cancel-safe: an order that was given is carried out.
    pub(crate) async fn answer<B>(
        &self,
        gate: &Gate,
        path: &str,
        (parts, body): (&Parts, B),
        peer: IpAddr,
    ) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let told = self.answered(gate, path, (parts, body), peer).await;
        private(told.unwrap_or_else(|problem| problem.answer()))
    }

    async fn answered<B>(
        &self,
        gate: &Gate,
        path: &str,
        (parts, body): (&Parts, B),
        peer: IpAddr,
    ) -> Result<Answer, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let ask = Ask::find(path);
        match ask {
            Some(Ask::Login | Ask::Logout) => login::admit(gate, parts, peer)?,
            Some(_) | None => guard::admit(gate, parts, peer)?,
        }
        let ask = ask.ok_or(Problem::NotFound)?;
        ask.check(&parts.method)?;
        let read = self.bodies.read(&parts.headers, body).await?;
        let sent = parts.uri.query();
        let snapshot = Arc::clone(&self.directory.load());
        match ask {
            Ask::Servers => {
                Query::read(sent, &[])?;
                Ok(json(&servers::all(&snapshot, &self.directory.journal().counters())))
            }
            Ask::Server(name) => {
                Query::read(sent, &[])?;
                Ok(json(&self.shown(&self.upstream(&name)?)))
            }
            Ask::Order(name, order) => {
                Query::read(sent, &[])?;
                Ok(json(&self.order(&name, &order).await?))
            }
            Ask::Validate => {
                let query = Query::read(sent, &["timeout"])?;
                let time = query.seconds("timeout", validate::VALIDATE_TIME_MAX)?;
                let time = time.unwrap_or(validate::VALIDATE_TIME_DEFAULT);
                Ok(json(&validate::all(snapshot.upstreams(), time).await))
            }
            Ask::Journal => {
                Ok(json(&self.journal(&Query::read(sent, &["after", "server", "limit"])?)?))
            }
            Ask::Events => self.insight.events(sent).await,
            Ask::Picture => {
                Query::read(sent, &[])?;
                self.insight.picture()
            }
            Ask::Live => self.insight.live(parts, gate.login_of(Shown::from(parts))),
            Ask::Cache if Shown::from(parts).only_looks() => {
                Query::read(sent, &[])?;
                Ok(json(&cache::reading(&self.pipeline.gauge().cache())))
            }
            Ask::Cache => Ok(json(&cache::purge(&self.pipeline, &snapshot, sent)?)),
            Ask::Login => login::begin(gate, parts, &read.bytes, &self.cookie_path),
            Ask::Logout => Ok(login::end(gate, parts, &self.cookie_path)),
        }
    }

    fn upstream(&self, name: &str) -> Result<Upstream, Problem> {
        let no_such = || Problem::NoSuchServer { server: name.to_owned() };
        self.directory.load().upstream(name).cloned().ok_or_else(no_such)
    }

    fn shown(&self, upstream: &Upstream) -> Value {
        servers::one(upstream, &self.directory.journal().counters())
    }

    /// Gives an order, and shows how the server is then.
    async fn order(&self, name: &str, order: &str) -> Result<Value, Problem> {
        let upstream = self.upstream(name)?;
        let known = Order::from_name(order).filter(|order| ORDERS.contains(order));
        let order = known.ok_or_else(|| Problem::NoSuchOrder { order: order.to_owned() })?;
        let given = upstream.order(order, Instant::now() + ORDER_TIME_MAX).await;
        given.map_err(|error| Problem::OrderNotDone { server: name.to_owned(), error })?;
        Ok(self.shown(&self.upstream(name)?))
    }

    /// Entries, oldest first: those after a number, or the newest where none is said.
    fn journal(&self, query: &Query) -> Result<Value, Problem> {
        let (after, server) = (query.number("after")?, query.text("server"));
        let limit = query.number("limit")?.unwrap_or(ENTRIES_DEFAULT);
        let limit = usize::try_from(limit).unwrap_or(ENTRIES_MAX).min(ENTRIES_MAX);
        let journal = self.directory.journal();
        // Read before the entries: what comes in between is told twice rather than never.
        let last = journal.last_seq();
        let most = if after.is_some() { limit } else { ENTRIES_MAX };
        let entries = journal.entries(after.unwrap_or(0), server, most);
        let shown = &entries[entries.len().saturating_sub(limit)..];
        let newest = shown.last().map(|entry| entry.seq);
        let next = if shown.len() == limit { newest } else { newest.max(Some(last)) };
        let counters = journal.counters();
        Ok(serde_json::json!({
            "entries": shown
                .iter()
                .map(entry::entry)
                .collect::<Vec<_>>(),
            "next_after": next.or(after).unwrap_or(0),
            "counters": match server {
                Some(server) => counters::of_upstream(&counters, server),
                None => counters::of_all(&counters),
            },
        }))
    }
}

/// What one server can be ordered.
pub(crate) const ORDERS: [Order; 5] =
    [Order::Reconnect, Order::Hold, Order::Release, Order::Drain, Order::Reset];

// === impl Ask ===

impl<'p> Ask<'p> {
    fn find(path: &'p str) -> Option<Self> {
        let pieces: Vec<&str> = path.split('/').collect();
        let decoded = |piece: &'p str| percent_decode_str(piece).decode_utf8().ok();
        match pieces[..] {
            ["servers"] => Some(Self::Servers),
            ["servers", name] if !name.is_empty() => Some(Self::Server(decoded(name)?)),
            ["servers", name, order] if !name.is_empty() => {
                Some(Self::Order(decoded(name)?, decoded(order)?))
            }
            ["validate"] => Some(Self::Validate),
            ["journal"] => Some(Self::Journal),
            ["events"] => Some(Self::Events),
            ["picture"] => Some(Self::Picture),
            ["live"] => Some(Self::Live),
            ["cache"] => Some(Self::Cache),
            ["login"] => Some(Self::Login),
            ["logout"] => Some(Self::Logout),
            _ => None,
        }
    }

    fn check(&self, method: &Method) -> Result<(), Problem> {
        let (allowed, allow): (&[Method], _) = match self {
            Self::Servers
            | Self::Server(_)
            | Self::Journal
            | Self::Events
            | Self::Picture
            | Self::Live => (&[Method::GET, Method::HEAD], "GET, HEAD"),
            Self::Cache => {
                let allowed = &[Method::GET, Method::HEAD, Method::POST, Method::DELETE];
                (allowed, "GET, HEAD, POST, DELETE")
            }
            Self::Order(..) | Self::Validate | Self::Login | Self::Logout => {
                (&[Method::POST], "POST")
            }
        };
        if allowed.contains(method) {
            return Ok(());
        }
        Err(Problem::MethodNotAllowed { allow })
    }
}

#[cfg(test)]
mod tests;
