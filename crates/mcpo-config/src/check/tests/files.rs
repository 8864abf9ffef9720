//! What is wrong or odd with files, and how it is told.

use super::{checked, checked_file, errors, http};
use crate::flags::Flags;
use crate::server::HttpKind;

/// Every problem as one line.
fn told(text: &str) -> String {
    match checked_file(text) {
        Ok(config) => {
            config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
        Err(problems) => problems.to_string(),
    }
}

fn told_of_server(keys: &str) -> String {
    told(&format!(r#"{{"mcpServers": {{"s": {{{keys}}}}}}}"#))
}

#[test]
fn every_problem_of_a_file_is_told_at_once() {
    insta::assert_snapshot!(told(include_str!("broken.jsonc")));
}

#[test]
fn a_file_without_servers_is_refused_with_an_example() {
    for (text, message) in [
        ("", "the file is empty"),
        ("// nothing\n", "the file is empty"),
        ("{}", "there is no `mcpServers` in the file"),
        (r#"{"mcpServers": null}"#, "there is no `mcpServers` in the file"),
        (r#"{"mcpServers": {}}"#, "no server is configured"),
        ("[]", "expected an object, found a list"),
        (r#"{"mcpServers": [1]}"#, "expected an object, found a list"),
        (
            r#"{"mcpServers": {"a": {"command": "x", "disabled": true}}}"#,
            "every server is disabled",
        ),
    ] {
        assert_eq!(errors(&checked_file(text)), [message], "{text}");
    }
    assert!(
        told(r#"{"servers": {}}"#).contains("rename `servers` (VS Code's word) to `mcpServers`")
    );
}

#[test]
fn a_slip_in_the_syntax_does_not_hide_the_other_problems() {
    let text = "{\"mcpServers\": {\"a\": {\"command\": 1}\n \"b\": {\"command\": \"x\", \"timeout\": -1}}}";
    assert_eq!(
        errors(&checked_file(text)),
        [
            "expected a string, found a number",
            "not valid JSON: expected comma",
            "`-1` must not be negative"
        ]
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_file() {
    let config = checked_file("\u{feff}{\"mcpServers\": {\"a\": {\"command\": \"x\"}}}").unwrap();
    assert_eq!(config.servers.len(), 1);
}

#[test]
fn depth_has_a_bound() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(errors(&checked_file(&deep)).len(), 1);
}

#[test]
fn keys_of_other_programs_are_warned_of_and_misspelt_ones_refused() {
    assert_eq!(
        told_of_server(r#""command": "x", "autoApprove": []"#),
        "config.json:1:39: mcpServers.s.autoApprove: `autoApprove` is a setting of Cline and does nothing here"
    );
    for (written, meant) in [
        ("comand", "command"),
        ("arg", "args"),
        ("disabledtools", "disabledTools"),
        ("inherit_env", "inheritEnv"),
        ("time_out", "timeout"),
        ("header", "headers"),
    ] {
        let told = told_of_server(&format!(r#""command": "x", "{written}": 1"#));
        assert!(
            told.contains(&format!("unknown key `{written}` (did you mean `{meant}`?)")),
            "{told}"
        );
    }
    let warned = told_of_server(r#""command": "x", "colour": 1, "//": "comment", "_x": 1"#);
    assert!(warned.contains("unknown key `colour` does nothing"), "{warned}");
    assert_eq!(warned.lines().count(), 1, "{warned}");
    assert!(told(r#"{"mcpservers": {}}"#).contains("did you mean `mcpServers`?"));
}

#[test]
fn a_misspelt_command_is_not_also_said_to_be_missing() {
    assert_eq!(told_of_server(r#""comand": "x""#).lines().count(), 1);
}

#[test]
fn a_server_is_reached_in_one_way_only() {
    for (keys, message) in [
        ("", "it has neither `command` nor `url`"),
        (r#""command": null"#, "it has neither `command` nor `url`"),
        (r#""command": "x", "url": "http://h/""#, "both `command` and `url` are set"),
        (
            r#""command": "x", "type": "sse""#,
            "a `command` is started over stdio, but `type` says otherwise",
        ),
        (
            r#""url": "http://h/", "type": "stdio""#,
            "a server of type `stdio` is started by `command`, not reached by `url`",
        ),
        (r#""url": "http://h/", "type": "ws""#, "`ws` is not a type of server"),
        (r#""url": "ftp://h/""#, "the URL does not start with `http://` or `https://`"),
        (r#""url": "h/x""#, "the URL does not start with `http://` or `https://`"),
        (r#""command": "http://h/""#, "this is a URL, not a command"),
        (r#""command": " ""#, "the command is empty"),
        (r#""url": "http://h/", "oauth": {}"#, "OAuth towards a server is not supported yet"),
    ] {
        let result = checked_file(&format!(r#"{{"mcpServers": {{"s": {{{keys}}}}}}}"#));
        assert_eq!(errors(&result), [message], "{keys}");
    }
}

#[test]
fn types_are_known_by_the_words_of_all_programs() {
    for (word, kind) in [
        ("sse", HttpKind::Sse),
        ("SSE", HttpKind::Sse),
        ("streamable-http", HttpKind::Streamable),
        ("streamable_http", HttpKind::Streamable),
        ("streamableHttp", HttpKind::Streamable),
        ("http", HttpKind::Streamable),
    ] {
        let text =
            format!(r#"{{"mcpServers": {{"s": {{"type": "{word}", "url": "http://h/"}}}}}}"#);
        assert_eq!(http(&checked_file(&text).unwrap(), 0).kind, kind, "{word}");
    }
}

#[test]
fn names_that_cannot_be_a_path_are_refused() {
    for (name, message) in [
        ("", "a server's name is empty"),
        ("a/b", "a server's name holds a slash"),
        ("..", "a server's name is `.` or `..`"),
        (" a", "a server's name starts or ends with a blank"),
        ("a\\u0007", "a server's name holds a control character"),
        ("metrics", "`metrics` is a path of mcpo itself, so no server can have this name"),
    ] {
        let result =
            checked_file(&format!(r#"{{"mcpServers": {{"{name}": {{"command": "x"}}}}}}"#));
        assert_eq!(errors(&result), [message], "{name}");
    }
    let prefixed = Flags { path_prefix: Some("tools".to_owned()), ..Flags::default() };
    checked(&prefixed, &[], Some(r#"{"mcpServers": {"metrics": {"command": "x"}}}"#)).unwrap();
}

#[test]
fn a_disabled_server_is_left_out_and_not_checked() {
    let config = checked_file(
        r#"{"mcpServers": {"a": {"command": 5, "disabled": true}, "b": {"command": "x"}}}"#,
    )
    .unwrap();
    assert_eq!(config.servers.len(), 1);
    assert_eq!(config.warnings[0].message, "`a` is disabled and not served");
}

#[test]
fn a_timeout_is_counted_in_seconds_and_has_a_bound() {
    for (timeout, message) in [
        ("0", "`0` must be more than 0 seconds"),
        ("60000", "`60000` is longer than the longest timeout, 3600 s (`--max-tool-timeout`)"),
        (
            "1e400",
            "`1e400` is more than a day (86400 s); it is counted in seconds, not milliseconds",
        ),
        ("\"30\"", "expected a number, found a string"),
    ] {
        let text =
            format!(r#"{{"mcpServers": {{"s": {{"command": "x", "timeout": {timeout}}}}}}}"#);
        assert_eq!(errors(&checked_file(&text)), [message], "{timeout}");
    }
}

#[test]
fn what_will_not_be_done_is_warned_of() {
    for (keys, message) in [
        (
            r#""command": "npx -y foo""#,
            "the command holds blanks and is taken as the name of one program",
        ),
        (r#""command": "x", "env": {"K": "${TOKEN}"}"#, "`${TOKEN}` is passed on as it stands"),
        (
            r#""command": "x", "headers": {}"#,
            "`headers` does nothing for a server that is started by `command`",
        ),
        (
            r#""url": "http://h/", "args": []"#,
            "`args` does nothing for a server that is reached by `url`",
        ),
        (
            r#""url": "http://h/", "client_header_forwarding": {"enabled": true}"#,
            "forwarding headers of requests is not supported yet and does nothing",
        ),
        (
            r#""url": "http://h/", "headers": {"Content-Type": "application/json"}"#,
            "header `content-type` is left out: mcpo sets it as the protocol needs it",
        ),
    ] {
        let config = checked_file(&format!(r#"{{"mcpServers": {{"s": {{{keys}}}}}}}"#)).unwrap();
        let messages: Vec<_> = config.warnings.iter().map(|warning| &warning.message).collect();
        assert_eq!(messages, [message], "{keys}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[\\PC\n\t\"{}\\[\\]:,/*]{0,200}") {
        let _ = checked_file(&text);
    }

    #[test]
    fn any_small_break_of_a_file_is_read_or_refused(at in 0usize..800, cut in 0usize..4, put in "[\"{}\\[\\],:é/\\\\]{0,2}") {
        let mut text: Vec<char> = include_str!("full.jsonc").chars().collect();
        let at = at.min(text.len());
        let end = (at + cut).min(text.len());
        text.splice(at..end, put.chars());
        let _ = checked_file(&text.into_iter().collect::<String>());
    }
}
