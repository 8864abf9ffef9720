//! What is taken in hand at once, how often, and what is kept of it.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use mcpo_core::load::{CacheRule, CacheTimes, Rate, ServerCache, ServerLoad};

use super::{checked, checked_file, command, errors};
use crate::config::{CacheBounds, Config, Load};
use crate::server::Server;

fn with(variables: &[(&str, &str)]) -> Config {
    checked(&command(&["x"]), variables, None).expect("it is right")
}

fn server(keys: &str) -> Server {
    let text = format!(r#"{{"mcpServers": {{"s": {{"command": "x", {keys}}}}}}}"#);
    checked_file(&text).expect("it is right").servers.remove(0)
}

fn wrong(keys: &str) -> Vec<String> {
    let text = format!(r#"{{"mcpServers": {{"s": {{"command": "x", {keys}}}}}}}"#);
    errors(&checked_file(&text)).into_iter().map(str::to_owned).collect()
}

fn count(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("it is not zero")
}

fn rate(calls: u32, seconds: u64, burst: u32) -> Rate {
    let number = |number| NonZeroU32::new(number).expect("it is not zero");
    Rate { calls: number(calls), per: Duration::from_secs(seconds), burst: number(burst) }
}

#[test]
fn nothing_said_is_the_default_and_nothing_is_kept() {
    let config = with(&[]);
    assert_eq!(config.load, Load::default());
    assert_eq!(config.servers[0].load, ServerLoad::default());
    assert_eq!(config.servers[0].catalog.cache, None);
    assert!(config.servers[0].catalog.coalesce);
    assert_eq!(config.warnings, []);
}

#[test]
fn variables_say_it_for_the_whole_and_for_every_server() {
    let config = with(&[
        ("MCPO_ADAPTIVE_LIMIT", "off"),
        ("MCPO_CACHE_DEFAULT_TTL", "60"),
        ("MCPO_CACHE_MAX_BYTES", "1MiB"),
        ("MCPO_CACHE_MAX_SIZE", "10"),
        ("MCPO_CACHE_TOOLS", "get_*, search ,"),
        ("MCPO_COALESCE", "no"),
        ("MCPO_IDENTITY_HEADER", "X-OpenWebUI-User-Id"),
        ("MCPO_MAX_CONCURRENT", "100"),
        ("MCPO_MAX_CONCURRENT_PER_IDENTITY", "5"),
        ("MCPO_MAX_CONNECTIONS", "20"),
        ("MCPO_OVERLOAD_GUARD", "false"),
        ("MCPO_RATE_LIMIT", "10/s burst 20"),
        ("MCPO_SERVER_MAX_CONCURRENT", "7"),
        ("MCPO_SERVER_RATE_LIMIT", "600/m"),
        ("MCPO_TOOL_RATE_LIMIT", "3/hour"),
    ]);
    assert_eq!(
        config.load,
        Load {
            max_concurrent: count(100),
            max_per_identity: Some(count(5)),
            identity_header: Some("x-openwebui-user-id".parse().expect("a header")),
            rate: Some(rate(10, 1, 20)),
            guard: false,
            max_connections: count(20),
            cache: CacheBounds { enabled: true, entries_max: count(10), bytes_max: count(1 << 20) },
        }
    );
    let Server { load, catalog, .. } = &config.servers[0];
    let usual = ServerLoad::default();
    let (max_concurrent, by_minute) = (count(7), Some(rate(600, 60, 600)));
    assert_eq!(*load, ServerLoad { max_concurrent, adaptive: false, rate: by_minute, ..usual });
    assert!(!catalog.coalesce);
    assert_eq!(catalog.rate, Some(rate(3, 3600, 3)));
    let tools = vec!["get_*".to_owned(), "search".to_owned()];
    let times = CacheTimes::of(Duration::from_mins(1));
    assert_eq!(catalog.cache, Some(ServerCache { times, tools }));
}

#[test]
fn a_server_and_a_tool_say_it_for_themselves() {
    let said = server(
        r#""maxConcurrent": 4, "maxWaiting": 0, "maxConcurrentPerIdentity": 2, "adaptiveLimit": false,
           "rateLimit": "5/s", "coalesce": false,
           "cache": {"ttl": 30, "staleIfError": 600, "staleWhileRevalidate": 5, "refresh": true, "tools": ["a*"]},
           "tools": {
               "a": {"readOnly": true, "coalesce": true, "maxConcurrent": 1, "rateLimit": "1/d", "cache": false},
               "b": {"cache": {"ttl": 1}},
               "c": {"cache": true}
           }"#,
    );
    assert_eq!(
        said.load,
        ServerLoad {
            max_concurrent: count(4),
            max_waiting: 0,
            adaptive: false,
            rate: Some(rate(5, 1, 5)),
            max_per_identity: Some(count(2)),
        }
    );
    let times = CacheTimes {
        ttl: Duration::from_secs(30),
        stale_while_revalidate: Duration::from_secs(5),
        stale_if_error: Duration::from_mins(10),
        refresh: true,
    };
    assert_eq!(said.catalog.cache, Some(ServerCache { times, tools: vec!["a*".to_owned()] }));
    assert!(!said.catalog.coalesce);
    let tools = &said.catalog.tools;
    assert_eq!((tools["a"].read_only, tools["a"].coalesce), (Some(true), Some(true)));
    assert_eq!(tools["a"].max_concurrent, Some(count(1)));
    assert_eq!(tools["a"].rate, Some(rate(1, 86_400, 1)));
    assert_eq!(tools["a"].cache, Some(CacheRule::Never));
    let second = CacheTimes::of(Duration::from_secs(1));
    assert_eq!(tools["b"].cache, Some(CacheRule::Keep(second)));
    assert_eq!(tools["c"].cache, Some(CacheRule::Keep(CacheTimes::of(CacheBounds::TTL))));
}

#[test]
fn a_server_may_take_itself_out_of_what_a_variable_says_of_all() {
    let file = r#"{"mcpServers": {
        "kept": {"command": "x"},
        "not": {"command": "x", "cache": false, "coalesce": true}
    }}"#;
    let variables = [("MCPO_CACHE_TOOLS", "*"), ("MCPO_COALESCE", "off")];
    let config = checked(&crate::flags::Flags::default(), &variables, Some(file)).expect("right");
    let [kept, not] = &config.servers[..] else { panic!("there are two") };
    assert!(kept.catalog.cache.is_some() && !kept.catalog.coalesce);
    assert!(kept.catalog.cache_as_told);
    assert!(not.catalog.cache.is_none() && not.catalog.coalesce && !not.catalog.cache_as_told);
}

#[test]
fn what_is_wrong_is_told_with_its_cure() {
    let not_a_rate = "is not a rate such as `10/s`, `600/m` or `10/s burst 50`";
    for (keys, expected) in [
        (r#""maxConcurrent": 0"#, "`0` must be between 1 and 1000000".to_owned()),
        (r#""maxConcurrent": "4""#, "expected a number, found a string".to_owned()),
        (r#""maxWaiting": -1"#, "`-1` must be between 0 and 1000000".to_owned()),
        (r#""maxWaiting": 1.5"#, "`1.5` is not a whole number".to_owned()),
        (r#""rateLimit": "10""#, format!("`10` {not_a_rate}")),
        (r#""rateLimit": "10/fortnight""#, format!("`10/fortnight` {not_a_rate}")),
        (r#""rateLimit": "10/s bust 5""#, format!("`10/s bust 5` {not_a_rate}")),
        (r#""rateLimit": "0/s""#, "`0/s` must be between 1 and 1000000".to_owned()),
        (r#""rateLimit": 10"#, "expected a string, found a number".to_owned()),
        (r#""cache": 60"#, "expected `true`, `false` or an object, found a number".to_owned()),
        (r#""cache": {"ttl": 0}"#, "`0` must be more than 0 seconds".to_owned()),
        (r#""cache": {"tl": 1}"#, "unknown key `tl`".to_owned()),
        (r#""cache": {"tools": "a"}"#, "expected a list, found a string".to_owned()),
        (r#""tools": {"a": {"rateLimit": "x"}}"#, format!("`x` {not_a_rate}")),
    ] {
        assert_eq!(wrong(keys), [expected], "{keys}");
    }
    for (keys, is_quoted) in [
        (r#""maxConcurrent": "4""#, true),
        (r#""coalesce": "true""#, true),
        (r#""cache": {"ttl": "5m"}"#, false),
        (r#""cache": {"ttl": "inf"}"#, false),
        (r#""cache": {"ttl": "1.5"}"#, true),
        (r#""coalesce": "no""#, false),
    ] {
        let text = format!(r#"{{"mcpServers": {{"s": {{"command": "x", {keys}}}}}}}"#);
        let problems = checked_file(&text).expect_err("it is wrong").all;
        let cure = is_quoted.then_some("take the quotes away");
        assert_eq!(problems[0].cure.as_deref(), cure, "{keys}");
    }
    let told = checked(&command(&["x"]), &[("MCPO_RATE_LIMIT", "much")], None);
    assert_eq!(errors(&told), [format!("`much` {not_a_rate}")]);
    let told = checked(&command(&["x"]), &[("MCPO_IDENTITY_HEADER", "a b")], None);
    assert_eq!(errors(&told), ["`a b` is no name of a header: letters, digits and `-` only"]);
}
