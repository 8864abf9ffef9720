use clap::Parser;
use serde_json::json;

use mcpo_http::Told;

use super::*;
use crate::cli::{Cli, Command};

fn plain(styled: &str) -> String {
    anstream::adapter::strip_str(styled).to_string()
}

fn options(words: &str) -> Result<Options, clap::Error> {
    let cli = Cli::try_parse_from(["mcpo", "admin"].into_iter().chain(words.split(' ')))?;
    match cli.command {
        Some(Command::Admin(options)) => Ok(options),
        other => panic!("{other:?}"),
    }
}

#[test]
fn options_stand_before_or_behind_what_is_asked() {
    for words in
        ["--url http://h -k key --json hold a", "hold a --json --api-key key --url http://h"]
    {
        let options = options(words).unwrap();
        assert_eq!(options.which.url.as_deref(), Some("http://h"));
        assert_eq!(options.which.api_key, Some(mcpo_config::Secret::new("key")));
        assert!(options.json && matches!(options.ask, Ask::Hold { name } if name == "a"));
    }
    for wrong in
        ["", "hold", "servers a", "melt a", "cache a", "purge a b c", "validate --timeout soon"]
    {
        assert!(options(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn servers_stand_in_columns_with_their_trouble() {
    let answer = json!({"servers": [
        {"name": "time", "state": "ready", "since_seconds": 200, "tools": 2,
         "pool": {"max": 4, "draining": 1},
         "sessions": [{"in_flight": 2, "doubted": false}, {"in_flight": 1, "doubted": true}],
         "withheld": [{"in_flight": 4, "doubted": true}],
         "breaker": {"state": "closed"}},
        {"name": "a long name", "state": "resting", "since_seconds": 5, "retry_in_seconds": 3,
         "fault": {"code": "unreachable", "reason": "it cannot be reached", "detail": "refused\u{1b}[2J"},
         "sessions": [], "pool": {"max": 1}, "breaker": {"state": "open"}},
    ]});
    let expected = "\
SERVER       STATE    SINCE  SESSIONS                   IN FLIGHT  BREAKER  TOOLS  TROUBLE
time         ready    3m     2/4 (1 doubted, 1 ending)  7          closed   2
a long name  resting  5s     0/1                        0          open     -      unreachable: refused [2J; tried again in 3s
";
    assert_eq!(plain(&table::servers(&answer)), expected);
    assert_eq!(table::servers(&json!({})), "no servers\n");
}

#[test]
fn the_cache_stands_in_one_line_and_a_row_for_each_server() {
    let answer = json!({"enabled": true, "entries": 4, "max_entries": 1000, "bytes": 635,
    "max_bytes": 67_108_864, "servers": {
        "search": {"entries": 4, "bytes": 635, "hit_rate": 0.75, "hits": 5, "stale": 1,
            "misses": 2, "bypassed": 1, "coalesced": 3, "evictions": 0, "expirations": 7, "purged": 2},
        "time": {"entries": 0, "bytes": 0, "hit_rate": 0.0, "hits": 0, "stale": 0, "misses": 0,
            "bypassed": 0, "coalesced": 9, "evictions": 0, "expirations": 0, "purged": 0},
    }});
    let expected = "\
4 of 1000 answers, 635 B of 64.0 MiB
SERVER  ANSWERS  SIZE   HIT RATE  HITS  STALE  MISSES  BYPASSED  SHARED  EVICTED  EXPIRED  PURGED
search  4        635 B  75 %      5     1      2       1         3       0        7        2
time    0        0 B    -         0     0      0       0         9       0        0        0
";
    assert_eq!(plain(&table::cache(&answer)), expected);
    let off = json!({"enabled": false, "servers": {}});
    let expected = "\
off: no answer is kept (MCPO_CACHE_ENABLED)
no call has asked for what may be kept or shared
";
    assert_eq!(plain(&table::cache(&off)), expected);
    assert_eq!(table::purged(&json!({"purged": 1})), "forgot 1 answer\n");
    assert_eq!(table::purged(&json!({"purged": 0})), "forgot 0 answers\n");
}

#[test]
fn an_entry_is_one_line_with_its_fields() {
    let entry = json!({"at": "2026-01-02T03:04:05.678Z", "server": "time", "event": "session_lost",
        "level": "warn", "fields": {"fault": "disconnected", "retry_in_ms": 500}});
    assert_eq!(
        plain(&table::entry(&entry)),
        "2026-01-02T03:04:05.678Z  time          session_lost  fault=disconnected  retry_in_ms=500\n"
    );
}

#[test]
fn a_journal_stands_in_columns_and_says_when_it_is_empty() {
    let entry = |server: Value| json!({"at": "T", "server": server, "event": "e", "fields": {}});
    let all = [entry(json!("a name that is long")), entry(json!("one")), entry(Value::Null)];
    let expected = "\
T  a name that is long  e
T  one                  e
T                       e
";
    assert_eq!(plain(&table::journal(&json!({ "entries": all }))), expected);
    assert_eq!(table::journal(&json!({"entries": []})), "no entries\n");
}

#[test]
fn a_refusal_is_told_with_its_cure() {
    let remote = Remote::new("http://h:1", None).unwrap();
    let told = |status, body: &'static str| {
        taken(&remote, Ok(Told { status, body: body.as_bytes().into() })).unwrap_err()
    };
    assert!(told(401, r#"{"detail":"Missing"}"#).contains("--api-key"));
    assert_eq!(
        told(403, r#"{"detail":"Invalid API key"}"#),
        "mcpo at http://h:1 refuses: Invalid API key"
    );
    assert!(told(404, r#"{"detail":"Not Found"}"#).contains("no mcpo with /admin"));
    assert!(told(200, "<html>").contains("no mcpo with /admin"));
    assert_eq!(
        told(404, r#"{"detail":{"message":"there is no server 'x'"}}"#),
        "there is no server 'x'"
    );
}
