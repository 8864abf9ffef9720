//! Everything but the servers: options, each with the variable that can stand for it.

pub(crate) mod load;
mod monitoring;
mod otlp;
pub(crate) mod recovery;

use std::time::Duration;

use crate::check::{keys, values};
use crate::config::{Access, Limits, Listen, Load, Log, LogFormat, LogLevel, Recovery, Site};
use crate::environment::{Environment, OURS};
use crate::flags::Flags;
use crate::monitoring::Monitoring;
use crate::problem::{Place, Problem};
use crate::report::Report;
use crate::secret::Secret;

use load::ServerDefaults;
use recovery::{HotReload, PoolSaid};

/// Everything but the servers.
pub(crate) struct Settings {
    pub(crate) listen: Listen,
    pub(crate) access: Access,
    pub(crate) site: Site,
    pub(crate) limits: Limits,
    pub(crate) recovery: Recovery,
    pub(crate) load: Load,
    /// What holds for servers that say nothing of their own.
    pub(crate) server: ServerDefaults,
    /// Without what the file says of it.
    pub(crate) monitoring: Monitoring,
    /// Whether changes of the file are to be followed, and where that was asked for.
    pub(crate) hot_reload: HotReload,
    /// Sizes of the pools of servers that say nothing of their own.
    pub(crate) pool: PoolSaid,
    pub(crate) log: Log,
}

/// Variables that stand for an option, for telling a misspelt one.
const VARIABLES: [&str; 39] = [
    "MCPO_ADAPTIVE_LIMIT",
    "MCPO_API_KEY",
    "MCPO_CACHE_DEFAULT_TTL",
    "MCPO_CACHE_ENABLED",
    "MCPO_CACHE_MAX_BYTES",
    "MCPO_CACHE_MAX_SIZE",
    "MCPO_CACHE_TOOLS",
    "MCPO_COALESCE",
    "MCPO_CONFIG",
    "MCPO_CORS_ALLOW_ORIGINS",
    "MCPO_DRAIN_TIMEOUT",
    "MCPO_ERROR_RECOVERY_ENABLED",
    "MCPO_HOST",
    "MCPO_HOT_RELOAD",
    "MCPO_IDENTITY_HEADER",
    "MCPO_LOG_FORMAT",
    "MCPO_MAX_BODY_SIZE",
    "MCPO_MAX_CONCURRENT",
    "MCPO_MAX_CONCURRENT_PER_IDENTITY",
    "MCPO_MAX_CONNECTIONS",
    "MCPO_MAX_RECOVERY_ATTEMPTS",
    "MCPO_MAX_TOOL_TIMEOUT",
    "MCPO_MONITOR_ENABLED",
    "MCPO_MONITOR_INTERVAL",
    "MCPO_NO_STATE",
    "MCPO_OVERLOAD_GUARD",
    "MCPO_PATH_PREFIX",
    "MCPO_POOL_MAX_CONNECTIONS",
    "MCPO_POOL_MIN_CONNECTIONS",
    "MCPO_PORT",
    "MCPO_PROBE_INTERVAL",
    "MCPO_RATE_LIMIT",
    "MCPO_ROOT_PATH",
    "MCPO_SERVER_MAX_CONCURRENT",
    "MCPO_SERVER_RATE_LIMIT",
    "MCPO_STATE_DIR",
    "MCPO_STRICT_AUTH",
    "MCPO_TOOL_RATE_LIMIT",
    "MCPO_TOOL_TIMEOUT",
];

/// A value with the place that it came from.
struct Typed {
    text: String,
    place: Place,
}

/// An option's value unless it is empty.
pub(super) fn given(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|text| !text.is_empty())
}

/// Checks all settings; where one is wrong its default stands, and the report has the problem.
pub(super) fn check(flags: &Flags, environment: &Environment, report: &mut Report) -> Settings {
    let mut reader = Reader { environment, report };
    let settings = Settings {
        listen: reader.listen(flags),
        access: reader.access(flags),
        site: reader.site(flags),
        limits: reader.limits(flags),
        recovery: reader.recovery(),
        load: reader.load(),
        server: reader.server_defaults(),
        monitoring: reader.monitoring(flags),
        hot_reload: reader.hot_reload(flags),
        pool: reader.pool(),
        log: reader.log(flags),
    };
    reader.misspelt_variables();
    settings
}

struct Reader<'a> {
    environment: &'a Environment,
    report: &'a mut Report,
}

// === impl Reader ===

impl Reader<'_> {
    /// The option as typed, else its variable.
    fn typed(&self, value: Option<&String>, flag: &'static str, variable: &str) -> Option<Typed> {
        if let Some(text) = value {
            return Some(Typed { text: text.clone(), place: Place::Flag(flag) });
        }
        self.variable(variable)
    }

    fn variable(&self, variable: &str) -> Option<Typed> {
        let text = self.environment.get(variable)?;
        Some(Typed { text, place: Place::Variable(variable.to_owned()) })
    }

    fn error(&mut self, place: Place, message: impl Into<String>, cure: &str) {
        self.report.push(Problem::error(place, message).cure(cure));
    }

    fn listen(&mut self, flags: &Flags) -> Listen {
        Listen { host: self.host(flags), port: self.port(flags) }
    }

    fn host(&mut self, flags: &Flags) -> String {
        let everywhere = || "0.0.0.0".to_owned();
        let Some(typed) = self.typed(flags.host.as_ref(), "--host", "MCPO_HOST") else {
            return everywhere();
        };
        let text = typed.text.trim();
        let host = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let is_name = url::Host::parse(host).is_ok() && !host.contains([':', '/', '%']);
        if is_address || is_name {
            return host.to_owned();
        }
        let cure = "an address or name without scheme and port, such as 127.0.0.1, 0.0.0.0 or ::";
        self.error(typed.place, format!("`{text}` is not a host to listen on"), cure);
        everywhere()
    }

    fn port(&mut self, flags: &Flags) -> u16 {
        const PORT: u16 = 8000;
        let Some(typed) = self.typed(flags.port.as_ref(), "--port", "MCPO_PORT") else {
            return PORT;
        };
        // Kubernetes sets this for a Service of the name `mcpo`; it does not mean us.
        if typed.place == Place::Variable("MCPO_PORT".to_owned())
            && typed.text.starts_with("tcp://")
        {
            return PORT;
        }
        typed.text.trim().parse().unwrap_or_else(|_| {
            let message = format!("`{}` is not a port", typed.text);
            self.error(
                typed.place,
                message,
                "a whole number from 1 to 65535, or 0 for any free port",
            );
            PORT
        })
    }

    fn access(&mut self, flags: &Flags) -> Access {
        let api_key = self.api_key(flags);
        let strict = flags.strict_auth || self.switch("MCPO_STRICT_AUTH") == Some(true);
        if strict && api_key.is_none() {
            let problem = Problem::warning(
                Place::Flag("--strict-auth"),
                "without a key nothing is protected",
            );
            self.report.push(problem.cure("set `--api-key KEY` or the variable MCPO_API_KEY"));
        }
        Access { api_key, strict, cors_origins: self.cors_origins(flags) }
    }

    fn api_key(&mut self, flags: &Flags) -> Option<Secret> {
        let (key, place) = match &flags.api_key {
            Some(key) => (key.clone(), Place::Flag("--api-key")),
            None => {
                let place = Place::Variable("MCPO_API_KEY".to_owned());
                match self.environment.get("MCPO_API_KEY") {
                    Some(key) => (Secret::new(key), place),
                    None if self.environment.has("MCPO_API_KEY") => (Secret::new(""), place),
                    None => return None,
                }
            }
        };
        let text = key.expose();
        if text.is_empty() {
            self.error(
                place,
                "the key is empty, which would let everybody in",
                "set a key, or leave it out altogether",
            );
        } else if text.trim() != text || text.chars().any(char::is_control) {
            let message =
                "the key has blanks at its ends or a line break, so no request could ever show it";
            self.error(
                place,
                message,
                "remove them; `$(cat FILE)` in a shell drops the last line break",
            );
        } else if !text.is_ascii() {
            self.error(
                place,
                "the key holds characters beyond ASCII, which no header can carry",
                "use ASCII only",
            );
        }
        Some(key)
    }

    /// A variable that is on or off; `None` where it is neither or not set.
    fn switch(&mut self, variable: &str) -> Option<bool> {
        let text = self.environment.get(variable)?;
        match text.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Some(true),
            "0" | "false" | "no" | "off" => Some(false),
            _ => {
                let place = Place::Variable(variable.to_owned());
                self.error(place, format!("`{text}` is neither on nor off"), "`true` or `false`");
                None
            }
        }
    }

    fn cors_origins(&mut self, flags: &Flags) -> Vec<String> {
        let (given, place) = if flags.cors_allow_origins.is_empty() {
            let variable = "MCPO_CORS_ALLOW_ORIGINS";
            let text = self.environment.get(variable).unwrap_or_else(|| "*".to_owned());
            (vec![text], Place::Variable(variable.to_owned()))
        } else {
            (flags.cors_allow_origins.clone(), Place::Flag("--cors-allow-origins"))
        };
        let mut origins = Vec::new();
        for text in given
            .iter()
            .flat_map(|text| text.split(','))
            .map(str::trim)
            .filter(|text| !text.is_empty())
        {
            match origin(text) {
                Some(origin) => origins.push(origin),
                None => {
                    let message = format!("`{text}` is not an origin");
                    let cure = "`*`, or scheme, host and port without a path, such as https://chat.example.com";
                    self.error(place.clone(), message, cure);
                }
            }
        }
        if origins.is_empty() { vec!["*".to_owned()] } else { origins }
    }

    fn site(&mut self, flags: &Flags) -> Site {
        let owned = |value: &Option<String>| given(value.as_ref()).map(str::to_owned);
        let root_path = self.typed(flags.root_path.as_ref(), "--root-path", "MCPO_ROOT_PATH");
        let path_prefix =
            self.typed(flags.path_prefix.as_ref(), "--path-prefix", "MCPO_PATH_PREFIX");
        let prefix = self.path(path_prefix);
        Site {
            name: owned(&flags.name),
            description: owned(&flags.description),
            version: owned(&flags.version),
            root_path: self.path(root_path),
            path_prefix: format!("{prefix}/"),
        }
    }

    /// A path with a slash in front and none behind; the root is empty.
    fn path(&mut self, typed: Option<Typed>) -> String {
        let Some(typed) = typed else { return String::new() };
        let trimmed = typed.text.trim_matches('/');
        let is_segment = |segment: &str| {
            let plain =
                |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&byte);
            !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(plain)
        };
        if trimmed.is_empty() {
            return String::new();
        }
        if trimmed.split('/').all(is_segment) {
            return format!("/{trimmed}");
        }
        let cure = "a path such as /api/mcp: no host, query, blanks or empty parts; percent-encode other characters";
        self.error(typed.place, format!("`{}` is not a path", typed.text), cure);
        String::new()
    }

    fn limits(&mut self, flags: &Flags) -> Limits {
        let defaults = Limits::default();
        let tool = self.typed(flags.tool_timeout.as_ref(), "--tool-timeout", "MCPO_TOOL_TIMEOUT");
        let tool_place = tool.as_ref().map(|typed| typed.place.clone());
        let tool_timeout = self.seconds(tool).unwrap_or(defaults.tool_timeout);
        let longest = self.typed(
            flags.max_tool_timeout.as_ref(),
            "--max-tool-timeout",
            "MCPO_MAX_TOOL_TIMEOUT",
        );
        let max_tool_timeout = self.seconds(longest).unwrap_or(defaults.max_tool_timeout);
        if tool_timeout > max_tool_timeout {
            let place = tool_place.unwrap_or(Place::Flag("--max-tool-timeout"));
            let (tool, longest) = (tool_timeout.as_secs_f64(), max_tool_timeout.as_secs_f64());
            let message =
                format!("a tool's timeout of {tool} s is longer than the longest, {longest} s");
            self.error(place, message, "lower `--tool-timeout` or raise `--max-tool-timeout`");
        }
        let connect =
            self.typed(flags.connect_timeout.as_ref(), "--connect-timeout", "CONNECTION_TIMEOUT");
        let drain =
            self.typed(flags.drain_timeout.as_ref(), "--drain-timeout", "MCPO_DRAIN_TIMEOUT");
        let body =
            self.typed(flags.max_body_size.as_ref(), "--max-body-size", "MCPO_MAX_BODY_SIZE");
        Limits {
            tool_timeout,
            max_tool_timeout,
            body_bytes_max: self.value(body, values::bytes).unwrap_or(defaults.body_bytes_max),
            connect_timeout: self.seconds(connect),
            drain_timeout: self
                .value(drain, values::seconds_or_zero)
                .unwrap_or(defaults.drain_timeout),
        }
    }

    fn seconds(&mut self, typed: Option<Typed>) -> Option<Duration> {
        self.value(typed, values::seconds)
    }

    fn value<T>(&mut self, typed: Option<Typed>, read: fn(&str) -> Result<T, String>) -> Option<T> {
        let Typed { text, place } = typed?;
        let wrong = match read(&text) {
            Ok(value) => return Some(value),
            Err(wrong) => wrong,
        };
        self.report.push(Problem::error(place, format!("`{text}` {wrong}")));
        None
    }

    fn log(&mut self, flags: &Flags) -> Log {
        Log { level: self.log_level(flags), format: self.log_format(flags) }
    }

    fn log_level(&mut self, flags: &Flags) -> LogLevel {
        let Some(typed) = self.typed(flags.log_level.as_ref(), "--log-level", "LOG_LEVEL") else {
            return LogLevel::default();
        };
        match typed.text.trim().to_ascii_uppercase().as_str() {
            "DEBUG" => return LogLevel::Debug,
            "INFO" => return LogLevel::Info,
            "WARNING" | "WARN" => return LogLevel::Warning,
            "ERROR" => return LogLevel::Error,
            "CRITICAL" | "FATAL" => return LogLevel::Critical,
            _ => {}
        }
        let message = format!("`{}` is not a level of the log", typed.text);
        let cure = "one of DEBUG, INFO, WARNING, ERROR, CRITICAL";
        // Other programs read LOG_LEVEL, too, and know other words.
        let problem = match typed.place {
            place @ Place::Variable(_) => Problem::warning(place, message + "; INFO is used"),
            place @ (Place::Flag(_)
            | Place::File { .. }
            | Place::WholeFile(_)
            | Place::CommandLine) => Problem::error(place, message),
        };
        self.report.push(problem.cure(cure));
        LogLevel::default()
    }

    fn log_format(&mut self, flags: &Flags) -> LogFormat {
        let Some(typed) = self.typed(flags.log_format.as_ref(), "--log-format", "MCPO_LOG_FORMAT")
        else {
            return LogFormat::default();
        };
        match typed.text.trim().to_ascii_lowercase().as_str() {
            "auto" => LogFormat::Auto,
            "pretty" => LogFormat::Pretty,
            "json" => LogFormat::Json,
            _ => {
                let message = format!("`{}` is not a format of the log", typed.text);
                self.error(typed.place, message, "one of `auto`, `pretty`, `json`");
                LogFormat::default()
            }
        }
    }

    /// Warns of variables that look like a slip of one of ours. Others with our prefix may belong
    /// to anybody (images, Kubernetes).
    fn misspelt_variables(&mut self) {
        for name in self.environment.names().filter(|name| name.starts_with(OURS)) {
            if VARIABLES.contains(&name) {
                continue;
            }
            if let Some(ours) = keys::closest(name, &VARIABLES) {
                let place = Place::Variable(name.to_owned());
                let problem = Problem::warning(
                    place,
                    format!("`{name}` is not a setting of mcpo and does nothing"),
                );
                self.report.push(problem.cure(format!("did you mean `{ours}`?")));
            }
        }
    }
}

/// An origin as browsers send it: no slash at the end.
fn origin(text: &str) -> Option<String> {
    if text == "*" || text == "null" {
        return Some(text.to_owned());
    }
    let text = text.strip_suffix('/').unwrap_or(text);
    let (_, host) = text.split_once("://")?;
    let url = url::Url::parse(text).ok()?;
    let is_bare = !host.is_empty() && !host.contains(['/', '?', '#', '@', '*']);
    is_bare.then(|| {
        if url.has_host() && url.origin().is_tuple() {
            url.origin().ascii_serialization()
        } else {
            text.to_owned()
        }
    })
}
