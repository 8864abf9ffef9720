//! An active look at upstreams that are configured: how far one comes on the way to their tools.

use std::collections::BTreeMap;
use std::time::Duration;

use mcpo_config::Server;
use mcpo_core::fault::Fault;
use tokio::time::Instant;

use crate::picture::Picture;

/// How far a look goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// No process is started: of a command only whether it is there. An HTTP server is connected to.
    Outside,
    /// All the way: the command is started and asked for its tools, as a child of its own.
    Through,
}

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

/// Looks at one upstream, until the deadline at the latest, with a session of its own that is ended
/// before the answer. Nothing that runs is touched.
///
/// Cancel-safe: dropping it leaves neither a process nor a connection behind.
pub async fn look(_server: &Server, _depth: Depth, _deadline: Instant) -> Chain {
    Chain::default()
}

/// Looks at many, [`LOOKS_AT_ONCE_MAX`] at once, until the deadline at the latest; gives what was
/// seen by name. Those for which there was no time are left out.
///
/// Cancel-safe, as [`look`].
pub async fn look_all(
    _wanted: Vec<(Server, Depth)>,
    _deadline: Instant,
) -> BTreeMap<String, Chain> {
    BTreeMap::new()
}

/// Which upstreams of a running mcpo are worth a look, and how deep: those that cannot be called or
/// fail of late, but for those that an operator holds.
#[must_use]
pub fn wanted(_picture: &Picture, _servers: &[Server]) -> Vec<(Server, Depth)> {
    Vec::new()
}
