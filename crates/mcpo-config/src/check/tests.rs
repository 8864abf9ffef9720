//! From typed to checked, each feature with its cases.

mod files;
mod load;
mod monitoring;
mod secrets;
mod settings;
mod treatment;

use std::time::Duration;

use super::{Inputs, check};
use crate::config::{Config, Mode};
use crate::environment::Environment;
use crate::flags::Flags;
use crate::problem::{Place, Problems, Severity};
use crate::secret::Secret;
use crate::server::{Endpoint, Http, HttpKind, Stdio};
use crate::source::Source;

/// Checks flags and variables, with a file where there is one.
fn checked(
    flags: &Flags,
    variables: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Config, Problems> {
    let file = file.map(|text| Ok(Source::new("config.json", text)));
    check(Inputs { flags, environment: Environment::of(variables), dotenv: None, file })
}

fn checked_file(text: &str) -> Result<Config, Problems> {
    checked(&Flags::default(), &[], Some(text))
}

fn command(words: &[&str]) -> Flags {
    Flags { command: words.iter().map(|word| (*word).to_owned()).collect(), ..Flags::default() }
}

fn stdio(config: &Config, index: usize) -> &Stdio {
    match &config.servers[index].endpoint {
        Endpoint::Stdio(stdio) => stdio,
        Endpoint::Http(http) => panic!("expected a command, found {http:?}"),
    }
}

fn http(config: &Config, index: usize) -> &Http {
    match &config.servers[index].endpoint {
        Endpoint::Http(http) => http,
        Endpoint::Stdio(stdio) => panic!("expected a URL, found {stdio:?}"),
    }
}

/// The messages of all errors.
fn errors(result: &Result<Config, Problems>) -> Vec<&str> {
    let problems = result.as_ref().expect_err("it should be refused");
    let errors = problems.all.iter().filter(|problem| problem.severity == Severity::Error);
    errors.map(|problem| problem.message.as_str()).collect()
}

#[test]
fn a_command_after_the_dashes_is_the_only_server() {
    let config = checked(&command(&["uvx", "mcp-server-time", "--", "x"]), &[], None).unwrap();
    assert_eq!(config.mode, Mode::Single);
    assert_eq!(config.servers.len(), 1);
    assert_eq!(stdio(&config, 0).command, "uvx");
    assert_eq!(stdio(&config, 0).args, ["mcp-server-time", "--", "x"]);
    assert_eq!(config.warnings, []);
}

#[test]
fn a_url_after_the_dashes_is_reached_as_the_type_says() {
    for (server_type, expected) in [
        (None, HttpKind::Streamable),
        (Some("sse"), HttpKind::Sse),
        (Some("streamable-http"), HttpKind::Streamable),
        (Some("streamable_http"), HttpKind::Streamable),
        (Some("streamablehttp"), HttpKind::Streamable),
    ] {
        let server_type = server_type.map(str::to_owned);
        let flags = Flags { server_type, ..command(&["http://127.0.0.1:8001/mcp"]) };
        let config = checked(&flags, &[], None).unwrap();
        assert_eq!(http(&config, 0).kind, expected, "{:?}", flags.server_type);
    }
}

#[test]
fn headers_come_as_json_or_as_lines() {
    let headers = vec![
        Secret::new(r#"{"X-Team": "blue", "Authorization": "Bearer a:b"}"#),
        Secret::new("X-One:  1 "),
        Secret::new("Accept: text/html"),
    ];
    let flags = Flags { headers, ..command(&["https://example.com/mcp"]) };
    let config = checked(&flags, &[], None).unwrap();
    let map = http(&config, 0).header_map();
    assert_eq!(map.len(), 3);
    assert_eq!(map["x-team"], "blue");
    assert_eq!(map["authorization"], "Bearer a:b");
    assert!(map["authorization"].is_sensitive());
    assert_eq!(map["x-one"], "1");
    assert_eq!(
        config.warnings[0].message,
        "header `accept` is left out: mcpo sets it as the protocol needs it"
    );
}

#[test]
fn a_wrong_single_server_is_refused_with_a_cure() {
    let with_header =
        |text: &str| Flags { headers: vec![Secret::new(text)], ..command(&["http://h/"]) };
    let with_type =
        |text: &str, words: &[&str]| Flags { server_type: Some(text.to_owned()), ..command(words) };
    for (flags, message) in [
        (Flags::default(), "no MCP server is given"),
        (command(&[""]), "the command after `--` is empty"),
        (
            with_type("sse", &["npx"]),
            "the URL after `--` does not start with `http://` or `https://`",
        ),
        (
            with_type("stdio", &["http://h/"]),
            "`stdio` starts a command, but a URL stands after `--`",
        ),
        (with_type("websocket", &["http://h/"]), "`websocket` is not a type of server"),
        (command(&["http://h/", "--port", "1"]), "2 more arguments stand after the URL"),
        (
            with_header("nonsense"),
            "number 1 of the `--header` options is neither JSON nor `Key: Value`",
        ),
        (
            with_header("{\"a\": 1}"),
            "number 1 of the `--header` options is neither JSON nor `Key: Value`",
        ),
        (
            with_header("b d: x"),
            "header \"b d\" is no name of a header: letters, digits and `-` only",
        ),
        (
            Flags {
                config: Some("x".to_owned()),
                env: vec![Secret::new("novalue")],
                ..command(&["x"])
            },
            "number 1 of the `--env` options is not `NAME=value`",
        ),
    ] {
        let result = checked(&flags, &[], None);
        assert_eq!(errors(&result), [message]);
        assert!(
            result.unwrap_err().all[0].cure.is_some() || message.starts_with("header"),
            "{message}"
        );
    }
}

#[test]
fn a_file_and_a_command_exclude_each_other() {
    let result =
        checked(&command(&["uvx"]), &[], Some(r#"{"mcpServers": {"a": {"command": "x"}}}"#));
    assert_eq!(errors(&result), ["both a configuration file and a command are given"]);
}

#[test]
fn children_inherit_all_but_our_own_variables() {
    let variables =
        [("PATH", "/bin"), ("MCPO_API_KEY", "k"), ("FOO", "process"), ("BAR", "process")];
    let flags =
        Flags { env: vec![Secret::new("FOO=flag=x"), Secret::new("EMPTY=")], ..command(&["x"]) };
    let dotenv = Source::new(".env", "FOO=file\nBAR=file\nBAZ=\"${FOO}\"\n");
    let inputs = Inputs {
        flags: &flags,
        environment: Environment::of(&variables),
        dotenv: Some(Ok(dotenv)),
        file: None,
    };
    let config = check(inputs).unwrap();
    let environment = &stdio(&config, 0).environment;
    let pairs: Vec<_> = environment
        .iter()
        .map(|(name, value)| (name.to_str().unwrap(), value.to_str().unwrap()))
        .collect();
    let expected = [
        ("BAR", "process"),
        ("BAZ", "process"),
        ("EMPTY", ""),
        ("FOO", "flag=x"),
        ("PATH", "/bin"),
    ];
    assert_eq!(pairs, expected);
    assert_eq!(config.access.api_key, Some(Secret::new("k")));
}

#[test]
fn what_a_server_inherits_can_be_narrowed() {
    let variables =
        [("PATH", "/bin"), ("HOME", "/h"), ("TOKEN", "t"), ("OTHER", "o"), ("MCPO_X", "x")];
    let names = |file: &str| {
        let config = checked(&Flags::default(), &variables, Some(file)).unwrap();
        let environment = stdio(&config, 0).environment.clone();
        environment.iter().map(|(name, _)| name.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let server = |more: &str| {
        format!(r#"{{"mcpServers": {{"a": {{"command": "x", "env": {{"OWN": "1"}}, {more}}}}}}}"#)
    };
    assert_eq!(names(&server(r#""inheritEnv": true"#)), ["HOME", "OTHER", "OWN", "PATH", "TOKEN"]);
    assert_eq!(names(&server(r#""inheritEnv": false"#)), ["HOME", "OWN", "PATH"]);
    assert_eq!(
        names(&server(r#""inheritEnv": ["TOKEN", "MCPO_X"]"#)),
        ["HOME", "OWN", "PATH", "TOKEN"]
    );
}

#[test]
fn what_is_not_built_is_said() {
    let flags = Flags {
        ssl_certfile: Some("c".to_owned()),
        ssl_keyfile: Some("k".to_owned()),
        ..command(&["x"])
    };
    let problems = checked(&flags, &[], None).unwrap_err();
    let told: Vec<_> =
        problems.all.iter().map(|problem| (problem.severity, problem.place.clone())).collect();
    assert_eq!(
        told,
        [
            (Severity::Error, Place::Flag("--ssl-certfile")),
            (Severity::Error, Place::Flag("--ssl-keyfile")),
        ]
    );
}

#[test]
fn a_broken_line_of_the_env_file_is_told_without_its_text() {
    let flags = command(&["x"]);
    let dotenv = Some(Ok(Source::new(".env", "A=1\nhunter2\n")));
    let result =
        check(Inputs { flags: &flags, environment: Environment::of(&[]), dotenv, file: None });
    assert_eq!(
        result.unwrap_err().to_string(),
        ".env:2:1: no `=` on this line (write `NAME=value`, or start the line with `#`)"
    );
}

#[test]
fn a_full_file_becomes_what_it_says() {
    let config = checked_file(include_str!("tests/full.jsonc")).unwrap();
    assert_eq!(config.mode, Mode::Many);
    let names: Vec<_> = config.servers.iter().map(|server| server.name.as_str()).collect();
    assert_eq!(names, ["time", "näher dran", "search", "old", "desktop"]);
    let time = &config.servers[0];
    assert_eq!(time.timeout, Some(Duration::from_millis(2500)));
    assert_eq!(time.era, crate::server::Era::Legacy);
    assert!(!time.catalog.trust_annotations);
    assert_eq!(time.catalog.disabled_tools, ["convert_time"]);
    assert_eq!(stdio(&config, 0).args, ["mcp-server-time"]);
    assert_eq!(stdio(&config, 0).cwd.as_deref(), Some(std::path::Path::new("/tmp")));
    assert_eq!(config.servers[1].name.segment(), "n%C3%A4her%20dran");
    assert_eq!(http(&config, 2).kind, HttpKind::Streamable);
    assert_eq!(http(&config, 2).header_map()["authorization"], "Bearer abc");
    assert_eq!(http(&config, 3).kind, HttpKind::Sse);
    assert_eq!(config.servers[4].catalog.disabled_tools, ["a"]);
    assert_eq!(config.warnings, []);
}
