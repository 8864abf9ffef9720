//! An active look at upstreams that are configured: how far one comes on the way to their tools.
//! Each look has a session of its own; nothing that runs is touched.

mod links;
mod road;

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::time::Duration;

use mcpo_config::{Endpoint, Era, Server};
use mcpo_core::catalog::{Catalog, ToolDefinition};
use mcpo_core::fault::Fault;
use mcpo_mcp::endpoint;
use mcpo_mcp::error::{Cause, RequestError};
use mcpo_mcp::session::{self, ConnectOptions, Connected, Session};
use mcpo_upstream::classify::fault_of;
use mcpo_upstream::supervisor::SupervisorOptions;
use serde_json::Value;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use super::Facts;
use super::case::Case;
use road::Road;

pub(super) use links::{broken_links, chain_words};

/// The way to one upstream's tools, link by link.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chain {
    /// What was looked at, in order, in words: `dns ok`, `tcp refused`. All but the last one hold;
    /// the last one does if there is no fault.
    pub links: Vec<String>,
    /// Why the last link is broken; `None` where all hold.
    pub fault: Option<Fault>,
    /// How its process ended, where it did: `exit code 1`.
    pub status: Option<String>,
    /// The last lines of its stderr, without secrets.
    pub last_words: Option<String>,
    /// How many tools it offers, where they were asked for.
    pub tools: Option<usize>,
    /// What is wrong with declarations of tools: the tool, and what.
    pub flaws: Vec<(String, String)>,
    /// Names in the configuration that stand for no tool.
    pub unknown_names: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// So many upstreams are looked at at once.
pub const LOOKS_AT_ONCE_MAX: usize = 16;

/// An HTTP server that has not shaken hands by then is told to be silent: it is three times as long
/// as the slowest handshake that public servers were seen to need.
pub const HTTP_LOOK_MAX: Duration = Duration::from_secs(10);

/// An answer is made this long before the deadline, so that what was seen is told and not cut off.
const ANSWER_MARGIN: Duration = Duration::from_millis(150);
/// How long an ending child has after its stdin closed, and again after SIGTERM: it was started to
/// be looked at, and holds no work.
const GRACE: Duration = Duration::from_millis(500);
/// How long ending a session in good order may hold up an answer.
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// So many flaws of one upstream are told.
const FLAWS_MAX: usize = 32;

/// Looks at one upstream, until the deadline at the latest: a command is started as a child of its
/// own, an HTTP server is connected to, and both are asked for their tools.
///
/// Cancel-safe: dropping it leaves neither a process nor a connection behind.
pub async fn look(server: &Server, deadline: Instant) -> Chain {
    let started = Instant::now();
    let by = deadline.checked_sub(ANSWER_MARGIN).unwrap_or(deadline);
    let chain = match &server.endpoint {
        Endpoint::Stdio(_) => look_through(server, by).await,
        Endpoint::Http(http) => {
            let by = by.min(started + HTTP_LOOK_MAX);
            let (road, chain) = tokio::join!(road::road(&http.url, by), look_through(server, by));
            chain.seen_on(server, &road)
        }
    };
    Chain { took: started.elapsed(), ..chain }
}

/// Looks at many, [`LOOKS_AT_ONCE_MAX`] at once, until the deadline at the latest; gives what was
/// seen by name. Where there are more, those that hang leave time for the others. Those for which
/// there was no time are left out.
///
/// Cancel-safe, as [`look`].
pub async fn look_all(wanted: Vec<Server>, deadline: Instant) -> BTreeMap<String, Chain> {
    let mut chains = BTreeMap::new();
    let mut wanted = wanted.into_iter();
    let mut looks = JoinSet::new();
    loop {
        while looks.len() < LOOKS_AT_ONCE_MAX
            && let Some(server) = wanted.next()
        {
            let by = share_of(deadline, wanted.len() + 1);
            looks.spawn(async move { (server.name.to_string(), look(&server, by).await) });
        }
        match timeout_at(deadline, looks.join_next()).await {
            Ok(Some(Ok((name, chain)))) => drop(chains.insert(name, chain)),
            // A look that panicked says nothing; the others do.
            Ok(Some(Err(_))) => {}
            Ok(None) | Err(_) => break,
        }
    }
    chains
}

/// When a look ends at the latest that begins now, so that as many as wait, with it, all get one.
fn share_of(deadline: Instant, waiting: usize) -> Instant {
    let rounds = waiting.div_ceil(LOOKS_AT_ONCE_MAX).max(1);
    let now = Instant::now();
    now + deadline.saturating_duration_since(now) / u32::try_from(rounds).unwrap_or(u32::MAX)
}

/// Which upstreams are worth a look while mcpo runs: those that are reached over HTTP and cannot be
/// called, or fail of late, but for those that an operator holds. Of a command the journal knows how
/// its last start went: a second process could fight the first over a port or a file.
#[must_use]
pub fn wanted(facts: &Facts) -> Vec<Server> {
    let cases: Vec<Case<'_>> = facts.cases();
    let known: HashMap<&str, &Case<'_>> = cases.iter().map(|case| (case.name, case)).collect();
    let is_worth = |server: &&Server| match &server.endpoint {
        Endpoint::Stdio(_) => false,
        Endpoint::Http(_) => {
            known.get(server.name.as_str()).is_none_or(|case| case.is_worth_a_look())
        }
    };
    facts.servers.iter().filter(is_worth).cloned().collect()
}

/// Connects, asks for the tools, and ends the session again.
async fn look_through(server: &Server, by: Instant) -> Chain {
    let options = ConnectOptions {
        client_name: env!("CARGO_PKG_NAME").to_owned(),
        client_version: env!("CARGO_PKG_VERSION").to_owned(),
        era: match server.era {
            Era::Auto => endpoint::Era::Auto,
            Era::Legacy => endpoint::Era::Legacy,
            Era::Modern => endpoint::Era::Modern,
        },
        deadline: by,
        grace: GRACE,
    };
    // Without a launcher the child dies with the session, which is dropped with this look.
    let endpoint = SupervisorOptions::default().endpoint(server);
    let Connected { session, driver } = match session::connect(&endpoint, &options).await {
        Ok(connected) => connected,
        Err(cause) => return Chain::broken(server, &cause),
    };
    let mut driver = pin!(driver.run());
    let listed = tokio::select! {
        cause = &mut driver => Err(RequestError::maybe_sent(cause)),
        listed = session.list_tools(by) => listed,
    };
    let chain = match listed {
        Ok(tools) => Chain::whole(server, &session, tools).await,
        Err(error) => Chain { last_words: session.last_words(), ..Chain::silent(server, &error) },
    };
    session.close();
    // In good order if there is time; dropping the driver does the rest.
    let _ended = timeout_at(by.min(Instant::now() + CLOSE_MAX), driver).await;
    chain
}

// === impl Chain ===

impl Chain {
    /// Whether all links hold.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.fault.is_none()
    }

    /// No session came about.
    fn broken(server: &Server, cause: &Cause) -> Self {
        let (status, last_words) = match cause {
            Cause::Exited { status, stderr } => (Some(status.clone()), Some(stderr.clone())),
            Cause::Silent { last_words } => (None, Some(last_words.clone())),
            Cause::Start { .. }
            | Cause::Connect { .. }
            | Cause::Broken(_)
            | Cause::Deadline
            | Cause::Status { .. }
            | Cause::Malformed(_)
            | Cause::TooLarge { .. }
            | Cause::Unsupported(_)
            | Cause::Refused { .. }
            | Cause::Full { .. }
            | Cause::Closed => (None, None),
        };
        let fault = fault_of(cause);
        let links = broken_links(server, &fault, status.as_deref());
        Self { links, fault: Some(fault), status, last_words, ..Self::default() }
    }

    /// There was a session, and no list of tools.
    fn silent(server: &Server, error: &RequestError) -> Self {
        let fault = fault_of(&error.cause);
        let mut links = links::connected(server);
        links.push(format!("tools: {}", chain_words(fault.kind)));
        Self { links, fault: Some(fault), ..Self::default() }
    }

    /// All links hold.
    async fn whole(server: &Server, session: &Session, tools: Vec<Value>) -> Self {
        let mut links = links::connected(server);
        links.push(format!("tools ok ({})", tools.len()));
        let (identity, policy) = (session.identity().clone(), server.catalog.clone());
        let read = spawn_blocking(move || {
            let definitions = tools.iter().filter_map(ToolDefinition::from_json).collect();
            Catalog::new(identity, definitions, &policy)
        });
        let catalog = read.await.expect("reading a catalog does not panic");
        let flaws = catalog.tools().iter().flat_map(|tool| {
            tool.notes.iter().map(|note| (tool.definition.name.clone(), note.clone()))
        });
        Self {
            links,
            tools: Some(catalog.tools().len()),
            flaws: flaws.take(FLAWS_MAX).collect(),
            unknown_names: catalog.unknown_names().to_vec(),
            ..Self::default()
        }
    }

    /// The same with what was seen of the way there: a deadline says nothing of where time was lost.
    fn seen_on(mut self, server: &Server, road: &Road) -> Self {
        if let Some(fault) = self.fault.as_mut()
            && road.explains(fault)
        {
            self.links = broken_links(server, fault, None);
        }
        self
    }
}

#[cfg(test)]
mod tests;
