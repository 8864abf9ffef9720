//! Options and the variables that stand for them.

use std::time::Duration;

use super::{checked, command, errors};
use crate::config::{Config, Limits, LogFormat, LogLevel};
use crate::flags::Flags;
use crate::problem::{Place, Problems};
use crate::secret::Secret;

/// Checks with the options that `set` gives.
fn with(set: impl FnOnce(&mut Flags)) -> Result<Config, Problems> {
    let mut flags = command(&["x"]);
    set(&mut flags);
    checked(&flags, &[], None)
}

fn with_variables(variables: &[(&str, &str)]) -> Result<Config, Problems> {
    checked(&command(&["x"]), variables, None)
}

#[test]
fn without_options_the_defaults_stand() {
    let config = with(|_| {}).unwrap();
    assert_eq!((config.listen.host.as_str(), config.listen.port), ("0.0.0.0", 8000));
    assert_eq!(config.access.api_key, None);
    assert_eq!(config.access.cors_origins, ["*"]);
    assert_eq!((config.site.root_path.as_str(), config.site.path_prefix.as_str()), ("", "/"));
    assert_eq!(config.limits, Limits::default());
    assert_eq!((config.log.level, config.log.format), (LogLevel::Info, LogFormat::Auto));
}

#[test]
fn variables_stand_for_options_and_options_come_first() {
    let variables = [
        ("MCPO_HOST", "::1"),
        ("MCPO_PORT", "9000"),
        ("MCPO_API_KEY", "from variable"),
        ("MCPO_STRICT_AUTH", "true"),
        ("MCPO_CORS_ALLOW_ORIGINS", "https://a.example, http://b.example:8080/"),
        ("MCPO_TOOL_TIMEOUT", "1.5"),
        ("MCPO_MAX_BODY_SIZE", "1MiB"),
        ("MCPO_LOG_FORMAT", "json"),
        ("LOG_LEVEL", "debug"),
        ("CONNECTION_TIMEOUT", "10"),
    ];
    let config = with_variables(&variables).unwrap();
    assert_eq!((config.listen.host.as_str(), config.listen.port), ("::1", 9000));
    assert_eq!(config.access.api_key, Some(Secret::new("from variable")));
    assert!(config.access.strict);
    assert_eq!(config.access.cors_origins, ["https://a.example", "http://b.example:8080"]);
    assert_eq!(config.limits.tool_timeout, Duration::from_millis(1500));
    assert_eq!(config.limits.connect_timeout, Some(Duration::from_secs(10)));
    assert_eq!(config.limits.body_bytes_max, 1 << 20);
    assert_eq!((config.log.level, config.log.format), (LogLevel::Debug, LogFormat::Json));
    let mut flags = command(&["x"]);
    flags.port = Some("1".to_owned());
    flags.api_key = Some(Secret::new("from option"));
    let config = checked(&flags, &variables, None).unwrap();
    assert_eq!(config.listen.port, 1);
    assert_eq!(config.access.api_key, Some(Secret::new("from option")));
}

#[test]
fn nonsense_is_refused_where_it_stands() {
    let result = with(|flags| {
        flags.host = Some("http://0.0.0.0".to_owned());
        flags.port = Some("80000".to_owned());
        flags.tool_timeout = Some("NaN".to_owned());
        flags.max_tool_timeout = Some("-1".to_owned());
        flags.drain_timeout = Some("1d".to_owned());
        flags.connect_timeout = Some("0".to_owned());
        flags.max_body_size = Some("12 parsecs".to_owned());
        flags.root_path = Some("/a?b".to_owned());
        flags.path_prefix = Some("a//b".to_owned());
        flags.log_level = Some("loud".to_owned());
        flags.log_format = Some("xml".to_owned());
        flags.cors_allow_origins =
            vec!["chat.example.com".to_owned(), "https://*.example.com".to_owned()];
    });
    insta::assert_snapshot!(result.unwrap_err());
}

#[test]
fn no_timeout_of_a_tool_is_longer_than_the_longest() {
    let result = with(|flags| flags.tool_timeout = Some("7200".to_owned()));
    assert_eq!(errors(&result), ["a tool's timeout of 7200 s is longer than the longest, 3600 s"]);
    with(|flags| {
        flags.tool_timeout = Some("7200".to_owned());
        flags.max_tool_timeout = Some("7200".to_owned());
    })
    .unwrap();
}

#[test]
fn draining_may_take_no_time_at_all() {
    let config = with(|flags| flags.drain_timeout = Some("0".to_owned())).unwrap();
    assert_eq!(config.limits.drain_timeout, Duration::ZERO);
}

#[test]
fn an_empty_key_is_refused_instead_of_letting_everybody_in() {
    let message = "the key is empty, which would let everybody in";
    assert_eq!(errors(&with(|flags| flags.api_key = Some(Secret::new("")))), [message]);
    assert_eq!(errors(&with_variables(&[("MCPO_API_KEY", "")])), [message]);
}

#[test]
fn strict_without_a_key_is_warned_of() {
    let config = with(|flags| flags.strict_auth = true).unwrap();
    assert_eq!(config.warnings[0].message, "without a key nothing is protected");
}

#[test]
fn paths_are_brought_into_one_shape() {
    for (typed, root_path, path_prefix) in [
        ("", "", "/"),
        ("/", "", "/"),
        ("api", "/api", "/api/"),
        ("/api/", "/api", "/api/"),
        ("a/b", "/a/b", "/a/b/"),
    ] {
        let site = with(|flags| {
            flags.root_path = Some(typed.to_owned());
            flags.path_prefix = Some(typed.to_owned());
        })
        .unwrap()
        .site;
        assert_eq!(
            (site.root_path.as_str(), site.path_prefix.as_str()),
            (root_path, path_prefix),
            "{typed}"
        );
    }
}

#[test]
fn levels_are_known_in_any_case() {
    for (typed, level) in [
        ("debug", LogLevel::Debug),
        ("Info", LogLevel::Info),
        ("WARNING", LogLevel::Warning),
        ("warn", LogLevel::Warning),
        ("error", LogLevel::Error),
        ("critical", LogLevel::Critical),
    ] {
        assert_eq!(
            with(|flags| flags.log_level = Some(typed.to_owned())).unwrap().log.level,
            level
        );
    }
    // The variable is read by other programs, too: no reason not to start.
    let config = with_variables(&[("LOG_LEVEL", "trace")]).unwrap();
    assert_eq!(config.warnings[0].place, Place::Variable("LOG_LEVEL".to_owned()));
}

#[test]
fn what_kubernetes_sets_for_a_service_of_our_name_is_not_for_us() {
    let config = with_variables(&[
        ("MCPO_PORT", "tcp://10.0.0.1:8000"),
        ("MCPO_SERVICE_HOST", "10.0.0.1"),
        ("MCPO_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
    ])
    .unwrap();
    assert_eq!((config.listen.port, config.warnings), (8000, vec![]));
}

#[test]
fn a_misspelt_variable_is_warned_of() {
    let config = with_variables(&[("MCPO_APIKEY", "x"), ("MCPO_BUILD", "7")]).unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert_eq!(config.warnings[0].cure.as_deref(), Some("did you mean `MCPO_API_KEY`?"));
}
