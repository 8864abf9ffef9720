//! How servers and their tools are treated.

use std::time::Duration;

use mcpo_core::catalog::ToolPolicy;

use super::{checked, checked_file, errors};
use crate::config::Config;
use crate::flags::Flags;
use crate::problem::{Problem, Problems};
use crate::server::PoolSizes;

/// A server of a file with these keys.
fn server(keys: &str) -> Result<Config, Problems> {
    checked_file(&file(keys))
}

fn file(keys: &str) -> String {
    format!(r#"{{"mcpServers": {{"s": {{"command": "x", {keys}}}}}}}"#)
}

/// Every problem as one line, without its place in the line.
fn told(keys: &str) -> Vec<String> {
    let problems = match server(keys) {
        Ok(config) => config.warnings,
        Err(problems) => problems.all,
    };
    let line = |problem: &Problem| {
        problem.to_string().split_once(": mcpServers.s.").expect("a path").1.to_owned()
    };
    problems.iter().map(line).collect()
}

#[test]
fn a_pool_has_the_sizes_that_are_said_and_the_rest_gives_way() {
    let pool = |keys: &str, variables: &[(&str, &str)]| {
        let config = checked(&Flags::default(), variables, Some(&file(keys))).unwrap();
        (config.servers[0].pool.min, config.servers[0].pool.max)
    };
    let variables = [("MCPO_POOL_MIN_CONNECTIONS", "2"), ("MCPO_POOL_MAX_CONNECTIONS", "6")];
    assert_eq!(pool(r#""pool": {"min": 2, "max": 3}"#, &[]), (2, 3));
    assert_eq!(pool(r#""pool": {"min": 2}"#, &[]), (2, 2));
    assert_eq!(pool(r#""pool": {"max": 5}"#, &[]), (1, 5));
    assert_eq!(pool(r#""pool": {}"#, &[]), (1, 1));
    assert_eq!(pool(r#""pool": null"#, &variables), (2, 6));
    assert_eq!(pool(r#""pool": {"max": 1}"#, &variables), (1, 1));
    assert_eq!(pool(r#""pool": {"min": 9}"#, &variables), (9, 9));
    assert_eq!(pool(r#""pool": {"max": 64}"#, &[]), (1, PoolSizes::SESSIONS_MAX));
}

#[test]
fn a_wrong_pool_is_told_with_its_cure() {
    let cure = r#"(a number of sessions, as in `{"min": 1, "max": 4}`)"#;
    for (keys, expected) in [
        (
            r#""pool": {"min": 3, "max": 2}"#,
            vec![
                "pool.min: a pool of at least 3 and at most 2 cannot be (lower `min` or raise `max`)"
                    .to_owned(),
            ],
        ),
        (
            r#""pool": {"min": 0, "max": 65}"#,
            vec![
                format!("pool.min: `0` must be between 1 and 64 {cure}"),
                format!("pool.max: `65` must be between 1 and 64 {cure}"),
            ],
        ),
        (r#""pool": {"min": 1.5}"#, vec![format!("pool.min: `1.5` is not a whole number {cure}")]),
        (
            r#""pool": {"max": "4"}"#,
            vec!["pool.max: expected a number, found a string (take the quotes away)".to_owned()],
        ),
        (r#""pool": 4"#, vec!["pool: expected an object, found a number".to_owned()]),
        (
            r#""pool": {"maxx": 4}"#,
            vec!["pool.maxx: unknown key `maxx` (did you mean `max`?)".to_owned()],
        ),
        (
            r#""pool": {"idle": 4}"#,
            vec![
                "pool.idle: unknown key `idle` does nothing (known keys are `min`, `max`)"
                    .to_owned(),
            ],
        ),
        (
            r#""pools": {"max": 4}"#,
            vec!["pools: unknown key `pools` (did you mean `pool`?)".to_owned()],
        ),
    ] {
        assert_eq!(told(keys), expected, "{keys}");
    }
}

#[test]
fn tools_are_treated_as_is_said_of_each() {
    let config = server(
        r#""tools": {
            "a": {"idempotent": true, "timeout": 5},
            "b": {"idempotent": false, "retry": false},
            "c": {}, "_d": {"retry": true}, "_note": "a comment", "e": null
        }"#,
    )
    .unwrap();
    assert_eq!(config.warnings, []);
    let tools = &config.servers[0].catalog.tools;
    let usual = ToolPolicy::default();
    let timeout = Some(Duration::from_secs(5));
    assert_eq!(tools["a"], ToolPolicy { idempotent: Some(true), timeout, ..usual });
    assert_eq!(tools["b"], ToolPolicy { idempotent: Some(false), retry: false, ..usual });
    assert_eq!(tools["c"], usual);
    assert_eq!(tools.keys().collect::<Vec<_>>(), ["_d", "a", "b", "c"]);
}

#[test]
fn what_is_wrong_with_tools_is_told_all_at_once() {
    let result = server(
        r#""tools": {
            "a": {"idempotent": "yes", "retry": 1, "timeout": 0},
            "b": {"timeout": 3601},
            "c": {"idempotnet": true},
            "d": true
        }"#,
    );
    assert_eq!(
        errors(&result),
        [
            "expected `true` or `false`, found a string",
            "expected `true` or `false`, found a number",
            "`0` must be more than 0 seconds",
            "`3601` is longer than the longest timeout, 3600 s (`--max-tool-timeout`)",
            "unknown key `idempotnet`",
            "expected an object, found a boolean",
        ]
    );
    assert_eq!(
        told(r#""tools": {"c": {"idempotnet": true}}"#),
        ["tools.c.idempotnet: unknown key `idempotnet` (did you mean `idempotent`?)"]
    );
    assert_eq!(
        told(r#""tools": {"c": {"colour": 1}}"#),
        [
            "tools.c.colour: unknown key `colour` does nothing (known keys are `idempotent`, `retry`, \
             `timeout`, `readOnly`, `maxConcurrent`, `rateLimit`, `coalesce`, `cache`)"
        ]
    );
}

#[test]
fn tools_that_say_nothing_to_us_are_warned_of() {
    assert_eq!(
        told(r#""tools": ["*"]"#),
        ["tools: a list of `tools` is a setting of other programs and does nothing here \
          (to leave tools out, set `disabledTools`; `tools` says how single tools are treated)"]
    );
    assert_eq!(
        told(r#""disabledTools": ["a"], "tools": {"a": {"retry": false}}"#),
        [
            "tools.a: `a` is disabled, so what is said here is idle (remove it here or from `disabledTools`)"
        ]
    );
}
