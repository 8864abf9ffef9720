//! The summary of a good configuration.

use std::ffi::OsString;

use anstream::adapter::strip_str;
use mcpo_config::{ChildEnvironment, Config, Endpoint, Flags, Secret, Stdio};

use super::{program, summary};

fn config(command: &[&str]) -> Config {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    let flags = Flags { command, api_key: Some(Secret::new("hunter2")), ..Flags::default() };
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
    ");
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
