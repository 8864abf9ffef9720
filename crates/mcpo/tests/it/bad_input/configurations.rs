//! Command lines, files and variables that are wrong: what is told, where, and by which exit code.

use std::net::TcpListener;

use mcpo_testkit::Scratch;

use crate::program::{Ended, run, run_with};

/// Wrong usage or configuration: starting again does not help.
const USAGE: Option<i32> = Some(2);
/// It failed while running.
const FAILURE: Option<i32> = Some(1);

fn told(ended: &Ended, code: Option<i32>, words: &[&str]) {
    assert_eq!(ended.code, code, "{ended:?}");
    for word in words {
        assert!(ended.stderr.contains(word), "{word:?} is not told: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

/// A file, and what must be told of it.
async fn file(code: Option<i32>, text: impl AsRef<[u8]>, words: &[&str]) {
    let scratch = Scratch::new().unwrap();
    let path = scratch.path().join("servers.json");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    // A file that is wrong is wrong for `check` and for serving alike.
    let commands: &[&[&str]] = if code == USAGE {
        &[&["check", "--config", path], &["--config", path]]
    } else {
        &[&["check", "--config", path]]
    };
    for command in commands {
        told(&run(command).await, code, words);
    }
}

#[tokio::test]
async fn wrong_usage_is_told_and_ends_with_2() {
    let cases: [(&[&str], &[&str]); 12] = [
        (&[], &["no MCP server is given", "after `--`"]),
        (&["--"], &["no MCP server is given"]),
        (&["uvx", "mcp-server-time"], &["mcpo [OPTIONS] -- uvx"]),
        (&["--prot", "1", "--", "sh"], &["--prot", "--port"]),
        (&["--port", "http", "--", "sh"], &["`http` is not a port", "--port"]),
        (&["--port", "70000", "--", "sh"], &["`70000` is not a port"]),
        (&["--type", "pipe", "--", "sh"], &["`pipe` is not a type", "streamable-http"]),
        (&["--type", "sse", "--", "not a url"], &["the URL after `--`"]),
        (&["--config", "/no/such/file"], &["cannot read the configuration file", "/no/such/file"]),
        (&["--env", "NOTHING", "--", "sh"], &["is not `NAME=value`"]),
        (&["--header", "nothing", "--", "http://h/"], &["neither JSON nor `Key: Value`"]),
        (&["--log-level", "loud", "--", "sh"], &["`loud` is not a level", "DEBUG, INFO"]),
    ];
    for (arguments, words) in cases {
        told(&run(arguments).await, USAGE, words);
    }
    told(
        &run_with(&["--", "sh"], &[("MCPO_PORT", "x")]).await,
        USAGE,
        &["MCPO_PORT", "not a port"],
    );
}

#[tokio::test]
async fn a_broken_file_is_told_with_its_place() {
    let at = "servers.json";
    file(USAGE, "", &[at]).await;
    file(USAGE, "{\"mcpServers\": {", &[at]).await;
    file(USAGE, "{\n  \"mcpServers\": nonsense\n}", &["servers.json:2:"]).await;
    file(USAGE, "[]", &[at]).await;
    file(USAGE, "{}", &["mcpServers"]).await;
    file(USAGE, b"\xff\xfe{\0}\0", &["not UTF-8"]).await;
    file(USAGE, r#"{"mcpServers": []}"#, &[at]).await;
    file(USAGE, r#"{"mcpServers": {"a": 5}}"#, &[at, "mcpServers.a"]).await;
    file(USAGE, r#"{"mcpServers": {"a": {}}}"#, &[at, "mcpServers.a"]).await;
    file(USAGE, r#"{"mcpServers": {"a": {"command": 5}}}"#, &[at, "mcpServers.a.command"]).await;
    file(USAGE, r#"{"mcpServers": {"a": {"url": "ftp://h/"}}}"#, &[at, "mcpServers.a.url"]).await;
    file(
        USAGE,
        r#"{"mcpServers": {"a": {"command": "x", "url": "http://h/"}}}"#,
        &[at, "mcpServers.a"],
    )
    .await;
    let deep = "[".repeat(100_000);
    file(USAGE, deep, &[at]).await;
    let everything =
        r#"{"mcpServers": {"a": {"command": 5}, "b": {"type": "pipe", "url": "http://h"}}}"#;
    file(USAGE, everything, &["mcpServers.a.command", "mcpServers.b.type", "2 errors"]).await;
}

#[tokio::test]
async fn a_misspelt_key_is_an_error_and_a_foreign_one_a_warning() {
    let misspelt = r#"{"mcpServers": {"a": {"command": "sh", "disabledTool": ["x"]}}}"#;
    file(USAGE, misspelt, &["unknown key `disabledTool`", "did you mean `disabledTools`?"]).await;
    let misspelt = r#"{"mcpServer": {"a": {"command": "sh"}}}"#;
    file(USAGE, misspelt, &["unknown key `mcpServer`", "did you mean `mcpServers`?"]).await;
    let misspelt = r#"{"mcpServers": {"a": {"comand": "sh"}}}"#;
    file(USAGE, misspelt, &["did you mean `command`?"]).await;
    let foreign = r#"{"globalShortcut": "x", "mcpServers": {"a": {"command": "sh", "autoApprove": [], "alwaysAllow": []}}}"#;
    file(
        Some(0),
        foreign,
        &[
            "`globalShortcut` is a setting of Claude Desktop",
            "`autoApprove` is a setting of Cline",
            "`alwaysAllow`",
        ],
    )
    .await;
    file(
        Some(0),
        r#"{"mcpServers": {"a": {"command": "sh", "zebra": 1}}}"#,
        &["unknown key `zebra`"],
    )
    .await;
    let variable = run_with(&["check", "--", "sh"], &[("MCPO_API_KYE", "x")]).await;
    told(&variable, Some(0), &["MCPO_API_KYE", "did you mean `MCPO_API_KEY`?"]);
}

#[tokio::test]
async fn wrong_pools_tools_and_recovery_are_told_with_their_cures() {
    let server = |keys: &str| format!(r#"{{"mcpServers": {{"a": {{"command": "sh", {keys}}}}}}}"#);
    for (keys, words) in [
        (r#""pool": {"min": 0}"#, ["mcpServers.a.pool.min", "`0` must be between 1 and 64"]),
        (r#""pool": {"min": 3, "max": 2}"#, ["mcpServers.a.pool.min", "raise `max`"]),
        (r#""pool": {"maxx": 3}"#, ["unknown key `maxx`", "did you mean `max`?"]),
        (r#""pool": [1, 2]"#, ["mcpServers.a.pool", "expected an object, found a list"]),
        (r#""tools": {"t": {"idempotant": true}}"#, ["tools.t", "did you mean `idempotent`?"]),
        (r#""tools": {"t": {"timeout": -1}}"#, ["tools.t.timeout", "must not be negative"]),
        (r#""tools": {"t": 5}"#, ["mcpServers.a.tools.t", "expected an object, found a number"]),
        (r#""tools": "t""#, ["mcpServers.a.tools", "expected an object, found a string"]),
    ] {
        file(USAGE, server(keys), &words).await;
    }
    for (name, value, words) in [
        ("MCPO_MAX_RECOVERY_ATTEMPTS", "0", "must be between 1 and 10"),
        ("MCPO_PROBE_INTERVAL", "90000", "is more than a day"),
        ("MCPO_ERROR_RECOVERY_ENABLED", "nein", "neither on nor off"),
        ("MCPO_POOL_MAX_CONNECTIONS", "many", "is not a whole number"),
    ] {
        told(&run_with(&["--", "sh"], &[(name, value)]).await, USAGE, &[name, words]);
    }
    let both = [("MCPO_POOL_MIN_CONNECTIONS", "3"), ("MCPO_POOL_MAX_CONNECTIONS", "2")];
    let ended = run_with(&["check", "--", "sh"], &both).await;
    told(&ended, USAGE, &["a pool of at least 3 and at most 2", "MCPO_POOL_MIN_CONNECTIONS"]);
    let misspelt = run_with(&["check", "--", "sh"], &[("MCPO_PROBE_INTERVALL", "5")]).await;
    told(&misspelt, Some(0), &["did you mean `MCPO_PROBE_INTERVAL`?"]);
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_and_ends_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = run(&["--host", "127.0.0.1", "--port", &port, "--", "sh"]).await;
    told(&ended, FAILURE, &[&port, "another program has it", "--port"]);
    let ended = run(&["--host", "192.0.2.1", "--port", "0", "--", "sh"]).await;
    told(&ended, FAILURE, &["192.0.2.1", "no such address"]);
    let ended = run(&["--host", "no-such-host.invalid", "--port", "0", "--", "sh"]).await;
    told(&ended, FAILURE, &["no-such-host.invalid"]);
}

#[tokio::test]
async fn the_exit_codes_are_those_that_the_help_tells() {
    let help = run(&["--help"]).await;
    assert_eq!(help.code, Some(0));
    assert!(
        help.stdout
            .contains("0 done or stopped by a signal, 1 failed while running, 2 wrong usage"),
        "{}",
        help.stdout
    );
    let version = run(&["--version"]).await;
    assert_eq!((version.code, version.stdout.starts_with("mcpo ")), (Some(0), true), "{version:?}");
}
