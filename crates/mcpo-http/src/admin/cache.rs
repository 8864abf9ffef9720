//! How the cache stands, and the order to forget what is in it.

use mcpo_policy::cache::{CacheReading, Purge, ServerCacheReading};
use mcpo_policy::pipeline::Pipeline;
use mcpo_upstream::directory::{Snapshot, Upstream};
use serde_json::{Map, Value, json};

use crate::problem::Problem;
use crate::query::Query;

/// All of it, in the words of `/metrics`; here it is also told where nothing is measured.
pub(super) fn reading(cache: &CacheReading) -> Value {
    let mut shown = Map::from_iter([("enabled".to_owned(), cache.enabled.into())]);
    shown.extend(counts(&sum(cache)));
    let servers: Map<String, Value> = cache
        .servers
        .iter()
        .map(|server| (server.upstream.clone(), counts(server).into()))
        .collect();
    shown.insert("max_entries".to_owned(), cache.entries_max.into());
    shown.insert("max_bytes".to_owned(), cache.bytes_max.into());
    shown.insert("servers".to_owned(), servers.into());
    shown.into()
}

fn counts(of: &ServerCacheReading) -> Map<String, Value> {
    let used = of.hits + of.stale;
    let asked = used + of.misses;
    let hit_rate = if asked == 0 { 0.0 } else { used as f64 / asked as f64 };
    let shown: [(&str, Value); 12] = [
        ("hits", of.hits.into()),
        ("misses", of.misses.into()),
        ("stale", of.stale.into()),
        ("bypassed", of.bypassed.into()),
        ("coalesced", of.coalesced.into()),
        ("evictions", of.evictions.into()),
        ("expirations", of.expirations.into()),
        ("purged", of.purged.into()),
        ("refreshes", of.refreshes.into()),
        ("hit_rate", hit_rate.into()),
        ("entries", of.entries.into()),
        ("bytes", of.bytes.into()),
    ];
    shown.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// All servers together; what is kept now is counted where it is kept.
fn sum(cache: &CacheReading) -> ServerCacheReading {
    let total = |of: fn(&ServerCacheReading) -> u64| cache.servers.iter().map(of).sum();
    ServerCacheReading {
        upstream: String::new(),
        hits: total(|one| one.hits),
        misses: total(|one| one.misses),
        stale: total(|one| one.stale),
        bypassed: total(|one| one.bypassed),
        coalesced: total(|one| one.coalesced),
        evictions: total(|one| one.evictions),
        expirations: total(|one| one.expirations),
        purged: total(|one| one.purged),
        refreshes: total(|one| one.refreshes),
        entries: cache.entries,
        bytes: cache.bytes,
    }
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
