//! What is told must not give secrets away, whatever is wrong.

use super::{checked, checked_file, command};
use crate::flags::Flags;
use crate::secret::Secret;

/// Stands in every place where a secret may stand.
const SECRET: &str = "hunter2";

#[test]
fn no_problem_of_a_file_shows_a_secret() {
    for text in [
        r#"{"mcpServers": {"s": {"comand": "hunter2", "env": {"A": "hunter2", "B": 5}}}}"#,
        r#"{"mcpServers": {"s": {"command": "x", "evn": {"A": "hunter2"}}}}"#,
        r#"{"mcpServers": {"s": {"command": "x", "args": ["--token", "hunter2", 5], "zzz": 1}}}"#,
        r#"{"mcpServers": {"s": {"command": "x", "env": "hunter2"}}}"#,
        r#"{"mcpServers": {"s": {"command": "x", "env": ["hunter2"]}}}"#,
        r#"{"mcpServers": {"s": {"command": "x", "args": "hunter2"}}}"#,
        r#"{"mcpServers": {"s": {"url": "httpx://u:hunter2@h/?k=hunter2"}}}"#,
        r#"{"mcpServers": {"s": {"url": "http://h:hunter2/"}}}"#,
        r#"{"mcpServers": {"s": {"url": "http://h/", "headers": {"A": "hunter2\n"}}}}"#,
        r#"{"mcpServers": {"s": {"url": "http://h/", "headers": "hunter2"}}}"#,
        r#"{"mcpServers": {"s": {"url": "http://h/", "oauth": {"client_secret": "hunter2"}}}}"#,
        r#"{"mcpServers": {"s": "hunter2"}}"#,
        r#"{"mcpServers": "hunter2"}"#,
        r#"{"mcpServers": {"s": {"command": "http://u:hunter2@h/"}}}"#,
        r#"{"mcpServers": {"s": {"command": "npx --token hunter2"}}}"#,
        r#"{"mcpServers": {"s": {"command": "x", "env": {"A": hunter2}}}}"#,
        r#"{"mcpServers": {"s": {"command": "x", "env": {"A": 'hunter2'}}}}"#,
        r#"{"mcpServers": {"s": {"command": "x", "env": {"A": "hunter2}}}}"#,
        r#"{"mcpServers": {"s": {"command": "x", "env": {"A": "hunter2" "B": 1}}}}"#,
        "{\"mcpServers\": {\"s\": {\"command\": 1 /* hunter2 */, // hunter2\n}}}",
    ] {
        let told = match checked_file(text) {
            Ok(config) => {
                assert!(!config.warnings.is_empty(), "{text}");
                format!("{:?}", config.warnings)
            }
            Err(problems) => format!("{problems:?} {problems}"),
        };
        assert!(!told.contains(SECRET), "{text}\n{told}");
    }
}

#[test]
fn no_problem_of_the_command_line_shows_a_secret() {
    let secret = || vec![Secret::new("hunter2")];
    for flags in [
        Flags { api_key: Some(Secret::new("hunter2\n")), ..command(&["x"]) },
        Flags { api_key: Some(Secret::new("hunter2é")), ..command(&["x"]) },
        Flags { env: secret(), ..command(&["x"]) },
        Flags { headers: secret(), ..command(&["http://h/"]) },
        Flags { headers: vec![Secret::new("A: \u{7}hunter2")], ..command(&["http://h/"]) },
        command(&["http://h:hunter2/"]),
        command(&["http://h/", "hunter2"]),
    ] {
        let problems = checked(&flags, &[], None).unwrap_err();
        assert!(!format!("{problems:?} {problems}").contains(SECRET), "{problems}");
        // What stands after `--` is shown by every process list; the rest of the options is not.
        let options = Flags { command: Vec::new(), ..flags };
        assert!(!format!("{options:?}").contains(SECRET), "{options:?}");
    }
}

#[test]
fn the_configuration_itself_does_not_show_secrets() {
    let text = r#"{"mcpServers": {
        "a": {"command": "x", "args": ["hunter2"], "env": {"A": "hunter2"}},
        "b": {"url": "http://u:hunter2@h/?k=hunter2", "headers": {"A": "hunter2"}}}}"#;
    let flags = Flags { api_key: Some(Secret::new(SECRET)), ..Flags::default() };
    let config = checked(&flags, &[("TOKEN", SECRET)], Some(text)).unwrap();
    assert!(!format!("{config:?}").contains(SECRET));
}
