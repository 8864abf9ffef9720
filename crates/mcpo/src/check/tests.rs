//! The summary of a good configuration.

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use anstream::adapter::strip_str;
use mcpo_config::{CacheBounds, ChildEnvironment, Config, Endpoint, Flags, Load, Secret, Stdio};
use mcpo_core::load::Rate;

use super::{load, program, summary};

fn config(command: &[&str]) -> Config {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    let flags = Flags {
        command,
        api_key: Some(Secret::new("hunter2")),
        no_state: true,
        ..Flags::default()
    };
    Config::load(&flags).expect("the options are right")
}

#[test]
fn the_summary_says_what_is_served_and_nothing_secret() {
    let summary = summary(&config(&["no-such-program", "--token", "hunter2"]));
    insta::assert_snapshot!(strip_str(&summary), @"
    ok: 1 server

      /  stdio  no-such-program with 2 arguments  not found on this machine

      listens on   http://0.0.0.0:8000
      key          needed for calls
      timeout      60 s a call
      load         10000 calls at once
      cache        1000 answers at most, 64.0 MiB
      recovery     3 attempts a call, silent sessions probed every 30 s
      history      in memory
    ");
}

#[test]
fn the_summary_says_how_servers_of_a_file_are_treated() {
    let scratch = mcpo_testkit::Scratch::new().expect("a scratch directory");
    let text = r#"{"mcpServers": {
        "a": {"command": "/bin/sh", "pool": {"min": 2, "max": 2}, "disabledTools": ["x", "y"]},
        "b": {"url": "http://h/", "timeout": 2.5, "pool": {"max": 8}, "tools": {"z": {"retry": false}}},
        "c": {"url": "http://h/"},
        "d": {"url": "http://h/", "maxConcurrent": 1, "rateLimit": "50/m", "maxConcurrentPerIdentity": 3,
              "cache": {"ttl": 1.5, "tools": ["get_*", "x"]}}
    }}"#;
    let file = scratch.write("servers.json", text).expect("a file");
    let config = Some(file.to_str().expect("a path").to_owned());
    let flags = Flags { config, hot_reload: true, no_state: true, ..Flags::default() };
    let summary = summary(&Config::load(&flags).expect("the file is right"));
    insta::assert_snapshot!(strip_str(&summary), @"
    ok: 4 servers

      /a  stdio  /bin/sh, 2 sessions, 2 tools disabled
      /b  sse    http://h/, 2.5 s a call, 1 to 8 sessions, 1 tool treated specially
      /c  sse    http://h/
      /d  sse    http://h/, 1 call at once, 3 calls at once of a caller, 50 calls in 60 s, answers of get_*, x kept for 1.5 s

      listens on   http://0.0.0.0:8000
      key          none, everybody may call
      timeout      60 s a call
      load         10000 calls at once
      cache        1000 answers at most, 64.0 MiB
      recovery     3 attempts a call, silent sessions probed every 30 s
      history      in memory
      reload       when the file changes, and at SIGHUP
    ");
}

#[test]
fn the_summary_says_for_whom_a_bound_of_the_whole_is() {
    let calls = NonZeroU32::new(600).expect("it is not zero");
    let rate = Some(Rate { calls, per: Duration::from_mins(1), burst: calls });
    let all =
        Load { rate, guard: false, max_per_identity: NonZeroUsize::new(3), ..Load::default() };
    assert_eq!(
        load::in_hand(&all),
        "10000 calls at once, 3 calls at once for all callers together, \
         600 calls in 60 s for all callers together, no guard of the processor"
    );
    let header = Some("x-user".parse().expect("a header"));
    let each = Load { rate, identity_header: header, ..Load::default() };
    assert_eq!(load::in_hand(&each), "10000 calls at once, 600 calls in 60 s for each x-user");
    let off = CacheBounds { enabled: false, ..CacheBounds::default() };
    assert_eq!(load::cache(off), "off, no answer is kept");
}

#[test]
fn a_program_is_looked_up_as_the_child_would() {
    let found = |command: &str, path: &str| {
        let environment = ChildEnvironment::new([(OsString::from("PATH"), OsString::from(path))]);
        program(&Stdio { command: command.to_owned(), args: vec![], environment, cwd: None })
            .is_some()
    };
    assert!(found("sh", "/nowhere:/bin"));
    assert!(!found("sh", "/nowhere"));
    assert!(found("/bin/sh", ""));
    assert!(!found("/bin", ""));
    assert!(!found("/etc/passwd", ""));
}

#[test]
fn a_server_elsewhere_shows_without_what_may_be_secret() {
    let config = config(&["https://user:hunter2@example.com/mcp?key=hunter2"]);
    assert!(matches!(config.servers[0].endpoint, Endpoint::Http(_)));
    let summary = summary(&config);
    assert!(summary.contains("https://example.com/mcp?..."), "{summary}");
    assert!(!summary.contains("hunter2"), "{summary}");
}
