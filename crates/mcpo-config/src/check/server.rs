//! One server of the configuration file.

use std::path::PathBuf;

use http::HeaderName;
use url::{ParseError, Url};

use crate::check::values::{self, Header};
use crate::check::{Around, keys, load, treatment};
use crate::field::{Field, Table};
use crate::report::Report;
use crate::secret::Secret;
use crate::server::{
    Endpoint, Era, Http, HttpKind, InheritEnv, NameError, PoolSizes, RESERVED_NAMES, Server,
    ServerName, Stdio,
};

/// What an entry of `mcpServers` comes to.
pub(super) enum Checked {
    Server(Box<Server>),
    /// The operator took it out; the report has a warning.
    Disabled,
    /// The report has the errors.
    Wrong,
}

/// Keys that mean something only for a command, and only for a URL.
const STDIO_KEYS: [&str; 4] = ["args", "env", "cwd", "inheritEnv"];
const HTTP_KEYS: [&str; 3] = ["headers", "client_header_forwarding", "oauth"];

/// Checks one entry.
pub(super) fn check(
    name: &str,
    field: &Field<'_>,
    around: &Around<'_>,
    report: &mut Report,
) -> Checked {
    let Some(table) = field.table(report) else { return Checked::Wrong };
    let disabled = table.get("disabled").and_then(|disabled| disabled.boolean(report));
    if disabled == Some(true) {
        report.push(field.key_warning(format!("`{name}` is disabled and not served")));
        return Checked::Disabled;
    }
    let meant = keys::report_unknown(&table, &keys::SERVER, report);
    let name = server_name(name, field, around, report);
    let kind = table.get("type").map(|kind| typed_kind(kind, report));
    // All parts are checked, whether they fit together or not, so that all problems are told.
    let child = child(&table, around, report);
    let headers = headers(&table, report);
    forwarding(&table, report);
    refuse_oauth(&table, report);
    let era = era(&table, report);
    let longest = around.settings.limits.max_tool_timeout;
    let timeout = treatment::timeout(&table, longest, report);
    let pool = treatment::pool(&table, report);
    let catalog = treatment::catalog(&table, around.settings, report);
    let load = load::of_server(&table, &around.settings.server, report);
    let endpoint = match reached(field, &table, kind, &meant, report) {
        Some(Reached::By(command)) => program(command, report)
            .map(|command| Endpoint::Stdio(Stdio { command: command.to_owned(), ..child })),
        Some(Reached::At(field, kind)) => {
            endpoint_url(field, report).map(|url| Endpoint::Http(Http { url, headers, kind }))
        }
        None => None,
    };
    let (Some(name), Some(endpoint)) = (name, endpoint) else { return Checked::Wrong };
    let pool = pool.over(default_pool(&endpoint, around));
    Checked::Server(Box::new(Server { name, endpoint, era, timeout, pool, catalog, load }))
}

/// The pool of a server that says nothing of its own.
pub(super) fn default_pool(endpoint: &Endpoint, around: &Around<'_>) -> PoolSizes {
    around.settings.pool.over(match endpoint {
        Endpoint::Stdio(_) => PoolSizes::STDIO,
        Endpoint::Http(_) => PoolSizes::HTTP,
    })
}

/// The transport of a word: `None` inside is a command.
pub(super) fn kind(text: &str) -> Option<Option<HttpKind>> {
    let folded: String = text.chars().filter(|char| !matches!(char, '-' | '_')).collect();
    match folded.to_ascii_lowercase().as_str() {
        "stdio" => Some(None),
        "sse" => Some(Some(HttpKind::Sse)),
        // `http` is the word of Claude Code and VS Code.
        "streamablehttp" | "http" => Some(Some(HttpKind::Streamable)),
        _ => None,
    }
}

/// An MCP endpoint, or what is wrong with it, to follow "the URL".
pub(super) fn url(text: &str) -> Result<Url, String> {
    const NO_SCHEME: &str = "does not start with `http://` or `https://`";
    match Url::parse(text.trim()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(_) | Err(ParseError::RelativeUrlWithoutBase) => Err(NO_SCHEME.to_owned()),
        Err(error) => Err(format!("is not valid: {error}")),
    }
}

/// What to say of a header that the transport sets itself.
pub(super) fn own_header(name: &str) -> String {
    format!("header `{name}` is left out: mcpo sets it as the protocol needs it")
}

fn server_name(
    name: &str,
    field: &Field<'_>,
    around: &Around<'_>,
    report: &mut Report,
) -> Option<ServerName> {
    let error = match ServerName::new(name) {
        Ok(_) if around.settings.site.path_prefix == "/" && RESERVED_NAMES.contains(&name) => {
            let problem = field.key_error(format!(
                "`{name}` is a path of mcpo itself, so no server can have this name"
            ));
            report.push(problem.cure(format!(
                "rename it, for example to `{name}-server`, or set `--path-prefix`"
            )));
            return None;
        }
        Ok(name) => return Some(name),
        Err(error) => error,
    };
    let cure = match error {
        NameError::Slash => {
            let last = name.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or("server");
            format!("the name becomes a part of the path; rename it, for example to `{last}`")
        }
        NameError::Empty => "give it a name, such as `time`".to_owned(),
        NameError::Dots | NameError::Control | NameError::Blank | NameError::TooLong => {
            "the name becomes a part of the path; use a short word, such as `time`".to_owned()
        }
    };
    report.push(field.key_error(error.to_string()).cure(cure));
    None
}

// === where it is ===

/// How a server is reached, as far as the keys say.
enum Reached<'t, 's> {
    By(&'t Field<'s>),
    At(&'t Field<'s>, HttpKind),
}

/// Which of `command` and `url` it is, and that `type` agrees. `kind` is `Some(None)` where `type`
/// is wrong; `meant` are the keys that others are slips of.
fn reached<'t, 's>(
    field: &Field<'s>,
    table: &'t Table<'s>,
    kind: Option<Option<Option<HttpKind>>>,
    meant: &[&str],
    report: &mut Report,
) -> Option<Reached<'t, 's>> {
    match (table.get("command"), table.get("url")) {
        (Some(_), Some(url)) => {
            let problem = url.key_error("both `command` and `url` are set");
            report.push(
                problem.cure("keep `command` to start a program, or `url` to reach one that runs"),
            );
            None
        }
        (None, None) if meant.iter().any(|key| matches!(*key, "command" | "url")) => None,
        (None, None) => {
            report.push(field.key_error("it has neither `command` nor `url`").cure(
                "set `command` (and `args`) to start a program, or `url` (and `type`) to reach one that runs",
            ));
            None
        }
        (Some(command), None) => {
            if let Some(Some(Some(_))) = kind {
                let problem = command
                    .key_error("a `command` is started over stdio, but `type` says otherwise");
                report.push(problem.cure("remove `type`, or set `url` instead of `command`"));
                return None;
            }
            warn_of_useless(table, &HTTP_KEYS, "a server that is started by `command`", report);
            Some(Reached::By(command))
        }
        (None, Some(url)) => {
            warn_of_useless(table, &STDIO_KEYS, "a server that is reached by `url`", report);
            match kind {
                // Without a type it is HTTP+SSE, as in Python's mcpo.
                None => Some(Reached::At(url, HttpKind::Sse)),
                Some(Some(Some(kind))) => Some(Reached::At(url, kind)),
                Some(Some(None)) => {
                    let problem = url.key_error(
                        "a server of type `stdio` is started by `command`, not reached by `url`",
                    );
                    report.push(
                        problem.cure("set `type` to `streamable-http` or `sse`, or set `command`"),
                    );
                    None
                }
                // The wrong type is told already; the URL can still be checked.
                Some(None) => endpoint_url(url, report).and(None),
            }
        }
    }
}

fn typed_kind(field: &Field<'_>, report: &mut Report) -> Option<Option<HttpKind>> {
    let text = field.text(report)?;
    let kind = kind(text);
    if kind.is_none() {
        let problem = field.error(format!("`{text}` is not a type of server"));
        report.push(problem.cure("one of `stdio`, `sse`, `streamable-http`"));
    }
    kind
}

fn warn_of_useless(table: &Table<'_>, useless: &[&str], of_what: &str, report: &mut Report) {
    for key in useless {
        if let Some(field) = table.get(key) {
            report.push(field.key_warning(format!("`{key}` does nothing for {of_what}")));
        }
    }
}

fn program<'s>(command: &Field<'s>, report: &mut Report) -> Option<&'s str> {
    let text = command.text(report)?;
    let wrong = if text.trim().is_empty() {
        "the command is empty"
    } else if text.contains('\0') {
        "the command holds a NUL character"
    } else if text.starts_with("http://") || text.starts_with("https://") {
        "this is a URL, not a command"
    } else {
        if let Some((first, _)) =
            text.split_once(' ').filter(|(first, _)| !first.contains(['/', '\\']))
        {
            let message = "the command holds blanks and is taken as the name of one program";
            let cure =
                format!(r#"if that is not meant: `"command": "{first}", "args": ["...", "..."]`"#);
            report.push(command.key_warning(message).cure(cure));
        }
        return Some(text);
    };
    let problem = command.hidden().error(wrong);
    report.push(problem.cure("name a program, such as `uvx`, or set `url` instead of `command`"));
    None
}

/// Everything of a child but its command.
fn child(table: &Table<'_>, around: &Around<'_>, report: &mut Report) -> Stdio {
    let args = table.get("args").and_then(|args| args.hidden().texts(report)).unwrap_or_default();
    let own = environment(table, report);
    let inherit = inherit_env(table, report);
    let cwd = table.get("cwd").and_then(|cwd| cwd.text(report)).filter(|cwd| !cwd.is_empty());
    Stdio {
        command: String::new(),
        args: args.into_iter().map(str::to_owned).collect(),
        environment: around.environment.for_child(&inherit, own),
        cwd: cwd.map(PathBuf::from),
    }
}

fn environment(table: &Table<'_>, report: &mut Report) -> Vec<(String, String)> {
    let variables = table.get("env").and_then(|env| env.hidden().table(report));
    let Some(variables) = variables else { return Vec::new() };
    let mut own = Vec::with_capacity(variables.fields.len());
    for (name, field) in &variables.fields {
        if field.value.as_string_lit().is_none() {
            let problem = field
                .error(format!("a variable's value must be a string, found {}", field.type_name()));
            report.push(problem.cure("put double quotes around it"));
            continue;
        }
        let Some(value) = field.text(report) else { continue };
        if !values::is_variable_name(name) || value.contains('\0') {
            report.push(
                field
                    .key_error("this cannot be a variable of an environment")
                    .cure("write `\"NAME\": \"value\"`"),
            );
            continue;
        }
        placeholder_warning(field, value, report);
        own.push((name.clone(), value.to_owned()));
    }
    own
}

fn inherit_env(table: &Table<'_>, report: &mut Report) -> InheritEnv {
    let Some(field) = table.get("inheritEnv") else { return InheritEnv::All };
    match (field.value.as_boolean_lit(), field.value.as_array()) {
        (Some(all), _) if all.value => InheritEnv::All,
        (Some(_), _) => InheritEnv::Named(Vec::new()),
        (None, Some(_)) => {
            let names = field.texts(report).unwrap_or_default();
            InheritEnv::Named(names.into_iter().map(str::to_owned).collect())
        }
        (None, None) => {
            let problem = field.error(format!(
                "expected `true`, `false` or a list of names, found {}",
                field.type_name()
            ));
            report.push(problem);
            InheritEnv::All
        }
    }
}

fn endpoint_url(field: &Field<'_>, report: &mut Report) -> Option<Url> {
    let field = field.hidden();
    let text = field.text(report)?;
    placeholder_warning(&field, text, report);
    match url(text) {
        Ok(url) => Some(url),
        Err(wrong) => {
            report.push(
                field
                    .error(format!("the URL {wrong}"))
                    .cure("for example `http://127.0.0.1:8001/mcp`"),
            );
            None
        }
    }
}

fn refuse_oauth(table: &Table<'_>, report: &mut Report) {
    if let Some(oauth) = table.get("oauth").filter(|_| table.get("command").is_none()) {
        let problem = oauth.key_error("OAuth towards a server is not supported yet");
        report.push(
            problem.cure("set `headers` with a token, such as `\"Authorization\": \"Bearer ...\"`"),
        );
    }
}

fn headers(table: &Table<'_>, report: &mut Report) -> Vec<(HeaderName, Secret)> {
    let fields = table.get("headers").and_then(|headers| headers.hidden().table(report));
    let Some(fields) = fields else { return Vec::new() };
    let mut headers: Vec<(HeaderName, Secret)> = Vec::with_capacity(fields.fields.len());
    for (name, field) in &fields.fields {
        let Some(value) = field.text(report) else { continue };
        placeholder_warning(field, value, report);
        match values::header(name, value) {
            Ok(Header::Sent(name)) if headers.iter().any(|(other, _)| *other == name) => {
                let problem = field.key_error(format!("header `{name}` stands here a second time"));
                report.push(problem.cure("keep one of the two; case makes no difference"));
            }
            Ok(Header::Sent(name)) => headers.push((name, Secret::new(value))),
            Ok(Header::Own(name)) => report.push(field.key_warning(own_header(name.as_str()))),
            Err(wrong) => {
                report.push(field.key_error(format!("header `{}` {wrong}", name.escape_debug())));
            }
        }
    }
    headers
}

/// Checks the shape, which Python's mcpo does, too; it is not done yet.
fn forwarding(table: &Table<'_>, report: &mut Report) {
    let Some(field) = table.get("client_header_forwarding") else { return };
    let Some(inside) = field.table(report) else { return };
    keys::report_unknown(&inside, &keys::FORWARDING, report);
    let enabled = inside.get("enabled").and_then(|enabled| enabled.boolean(report));
    for list in ["whitelist", "blacklist"] {
        inside.get(list).and_then(|list| list.texts(report));
    }
    inside.get("debug_headers").and_then(|debug| debug.boolean(report));
    if enabled == Some(true) {
        report.push(
            field.key_warning(
                "forwarding headers of requests is not supported yet and does nothing",
            ),
        );
    }
}

pub(super) fn placeholder_warning(field: &Field<'_>, value: &str, report: &mut Report) {
    if let Some(placeholder) = values::placeholder(value) {
        let problem = field.key_warning(format!("`{placeholder}` is passed on as it stands"));
        report.push(problem.cure(
            "mcpo does not expand variables here; a command inherits the environment anyway, so leave it out of `env`",
        ));
    }
}

// === how it is treated ===

fn era(table: &Table<'_>, report: &mut Report) -> Era {
    let Some(field) = table.get("era") else { return Era::Auto };
    match field.text(report) {
        Some("auto") | None => Era::Auto,
        Some("legacy") => Era::Legacy,
        Some("modern") => Era::Modern,
        Some(other) => {
            let problem = field.error(format!("`{other}` is not an era of the protocol"));
            report.push(
                problem
                    .cure("one of `auto`, `legacy` (2025-11-25 and older), `modern` (2026-07-28)"),
            );
            Era::Auto
        }
    }
}
