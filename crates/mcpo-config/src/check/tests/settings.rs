//! Options and the variables that stand for them.

use std::time::Duration;

use super::{checked, command, errors};
use crate::config::{Config, Limits, LogFormat, LogLevel, Recovery};
use crate::flags::Flags;
use crate::monitoring::AlertRule;
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
fn recovery_is_set_by_variables() {
    let config = with(|_| {}).unwrap();
    assert_eq!(config.recovery, Recovery::default());
    assert!(config.recovery.enabled);
    let config = with_variables(&[
        ("MCPO_ERROR_RECOVERY_ENABLED", "false"),
        ("MCPO_MAX_RECOVERY_ATTEMPTS", "10"),
        ("MCPO_PROBE_INTERVAL", "2.5"),
    ]);
    let probe_every = Some(Duration::from_millis(2500));
    let recovery = Recovery { enabled: false, attempts_max: 10, probe_every };
    assert_eq!(config.unwrap().recovery, recovery);
    let config = with_variables(&[("MCPO_PROBE_INTERVAL", "0")]).unwrap();
    assert_eq!(config.recovery.probe_every, None);
}

#[test]
fn recovery_is_refused_out_of_its_bounds() {
    for (name, value, message) in [
        ("MCPO_MAX_RECOVERY_ATTEMPTS", "0", "`0` must be between 1 and 10"),
        ("MCPO_MAX_RECOVERY_ATTEMPTS", "11", "`11` must be between 1 and 10"),
        ("MCPO_MAX_RECOVERY_ATTEMPTS", "2.5", "`2.5` is not a whole number"),
        ("MCPO_MAX_RECOVERY_ATTEMPTS", "-1", "`-1` must be between 1 and 10"),
        (
            "MCPO_MAX_RECOVERY_ATTEMPTS",
            "99999999999999999999999",
            "`99999999999999999999999` must be between 1 and 10",
        ),
        ("MCPO_PROBE_INTERVAL", "-1", "`-1` must not be negative"),
        ("MCPO_PROBE_INTERVAL", "x", "`x` is not a number of seconds such as 30 or 0.5"),
        ("MCPO_ERROR_RECOVERY_ENABLED", "maybe", "`maybe` is neither on nor off"),
        ("MCPO_HOT_RELOAD", "2", "`2` is neither on nor off"),
        ("MCPO_POOL_MIN_CONNECTIONS", "0", "`0` must be between 1 and 64"),
        ("MCPO_POOL_MAX_CONNECTIONS", "65", "`65` must be between 1 and 64"),
    ] {
        let result = with_variables(&[(name, value)]);
        assert_eq!(errors(&result), [message], "{name}={value}");
        assert_eq!(result.unwrap_err().all[0].place, Place::Variable(name.to_owned()));
    }
}

#[test]
fn the_pools_of_all_servers_are_set_by_variables() {
    let pool = |variables: &[(&str, &str)], words: &[&str]| {
        let config = checked(&command(words), variables, None).unwrap();
        (config.servers[0].pool.min, config.servers[0].pool.max)
    };
    let (min, max) = (("MCPO_POOL_MIN_CONNECTIONS", "2"), ("MCPO_POOL_MAX_CONNECTIONS", "3"));
    for (variables, of_command, of_url) in [
        (&[][..], (1, 1), (1, 4)),
        (&[min][..], (2, 2), (2, 4)),
        (&[max][..], (1, 3), (1, 3)),
        (&[min, max][..], (2, 3), (2, 3)),
    ] {
        assert_eq!(pool(variables, &["x"]), of_command, "{variables:?}");
        assert_eq!(pool(variables, &["http://h/"]), of_url, "{variables:?}");
    }
    let (min, max) = (("MCPO_POOL_MIN_CONNECTIONS", "5"), ("MCPO_POOL_MAX_CONNECTIONS", "3"));
    let result = with_variables(&[min, max]);
    assert_eq!(errors(&result), ["a pool of at least 5 and at most 3 cannot be"]);
    let cure = result.unwrap_err().all[0].cure.clone().unwrap();
    assert_eq!(cure, "lower MCPO_POOL_MIN_CONNECTIONS or raise MCPO_POOL_MAX_CONNECTIONS");
}

#[test]
fn hot_reload_wants_a_file() {
    let file = Some(r#"{"mcpServers": {"a": {"command": "x"}}}"#);
    let flag = Flags { hot_reload: true, ..Flags::default() };
    let variables = [("MCPO_HOT_RELOAD", "yes")];
    for (flags, given, expected) in [
        (&flag, &[][..], true),
        (&Flags::default(), &variables[..], true),
        (&Flags::default(), &[("MCPO_HOT_RELOAD", "off")][..], false),
        (&flag, &[("MCPO_HOT_RELOAD", "off")][..], true),
    ] {
        let config = checked(flags, given, file).unwrap();
        assert_eq!((config.hot_reload, config.warnings), (expected, vec![]), "{given:?}");
    }
    let message = "there is no configuration file to follow";
    let config = with_variables(&variables).unwrap();
    assert!(!config.hot_reload);
    assert_eq!(config.warnings[0].message, message);
    assert_eq!(config.warnings[0].place, Place::Variable("MCPO_HOT_RELOAD".to_owned()));
    let config = with(|flags| flags.hot_reload = true).unwrap();
    assert_eq!(config.warnings[0].place, Place::Flag("--hot-reload"));
}

#[test]
fn what_needs_a_restart_is_named() {
    let old = with(|_| {}).unwrap();
    assert_eq!(old.restart_needed_for(&old), Vec::<&str>::new());
    let mut new = old.clone();
    new.servers.clear();
    assert_eq!(old.restart_needed_for(&new), Vec::<&str>::new());
    new.listen.port = 1;
    new.limits.body_bytes_max = 1;
    assert_eq!(old.restart_needed_for(&new), ["host and port", "limits"]);
    let mut new = old.clone();
    new.monitoring.slo_objective = 0.5;
    new.monitoring.alerts.rules.push(("held".to_owned(), AlertRule::default()));
    assert_eq!(old.restart_needed_for(&new), Vec::<&str>::new());
    new.monitoring.interval *= 2;
    assert_eq!(old.restart_needed_for(&new), ["monitoring"]);
}

#[test]
fn a_misspelt_variable_is_warned_of() {
    let config = with_variables(&[("MCPO_APIKEY", "x"), ("MCPO_BUILD", "7")]).unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert_eq!(config.warnings[0].cure.as_deref(), Some("did you mean `MCPO_API_KEY`?"));
}
