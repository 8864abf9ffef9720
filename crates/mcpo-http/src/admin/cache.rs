//! How the cache stands, and the order to forget what is in it.

use mcpo_policy::cache::{CacheReading, Purge, ServerCacheReading};
use mcpo_policy::pipeline::Pipeline;
use mcpo_upstream::directory::{Snapshot, Upstream};
use serde_json::{Map, Value, json};

use crate::problem::Problem;
use crate::query::Query;

/// All of it, in the words of `/metrics`.
pub(super) fn reading(cache: &CacheReading) -> Value {
    let servers: Map<String, Value> =
        cache.servers.iter().map(|server| (server.upstream.clone(), one(server))).collect();
    json!({
        "enabled": cache.enabled,
        "entries": cache.entries,
        "bytes": cache.bytes,
        "max_entries": cache.entries_max,
        "max_bytes": cache.bytes_max,
        "servers": servers,
    })
}

fn one(server: &ServerCacheReading) -> Value {
    json!({
        "hits": server.hits,
        "misses": server.misses,
        "stale": server.stale,
        "bypassed": server.bypassed,
        "coalesced": server.coalesced,
        "evictions": server.evictions,
        "expirations": server.expirations,
        "purged": server.purged,
        "refreshes": server.refreshes,
        "entries": server.entries,
        "bytes": server.bytes,
    })
}

/// Forgets the answers of all tools, of one server's, or of one tool.
pub(super) fn purge(
    pipeline: &Pipeline,
    snapshot: &Snapshot,
    sent: Option<&str>,
) -> Result<Value, Problem> {
    let query = Query::read(sent, &["server", "tool"])?;
    let which = Purge { upstream: query.text("server"), tool: query.text("tool") };
    check(snapshot, which)?;
    Ok(json!({ "purged": pipeline.purge(which) }))
}

/// A misspelt name would forget nothing and look as if there had been nothing to forget.
fn check(snapshot: &Snapshot, which: Purge<'_>) -> Result<(), Problem> {
    let Purge { upstream, tool } = which;
    let Some(server) = upstream else {
        let why = || "`tool` needs `server`: tools of several servers may share a name".to_owned();
        return if tool.is_some() { Err(Problem::BadQuery { why: why() }) } else { Ok(()) };
    };
    let no_such = || Problem::NoSuchServer { server: server.to_owned() };
    let upstream = snapshot.upstream(server).ok_or_else(no_such)?;
    match tool {
        Some(tool) if !may_have(upstream, tool) => {
            Err(Problem::NoSuchTool { server: server.to_owned(), tool: tool.to_owned() })
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether the server has such a tool, as far as is known.
fn may_have(upstream: &Upstream, tool: &str) -> bool {
    upstream.view.catalog.as_ref().is_none_or(|catalog| catalog.tool(tool).is_some())
}
