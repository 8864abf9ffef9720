//! The one server of the command line: `-- COMMAND ARGS...` or `-- URL`.

use http::HeaderName;

use crate::check::values::{self, Header};
use crate::check::{Around, server, settings::given, treatment};
use crate::flags::Flags;
use crate::problem::{Place, Problem};
use crate::report::Report;
use crate::secret::Secret;
use crate::server::{Endpoint, Era, Http, HttpKind, InheritEnv, Server, ServerName, Stdio};

/// Options that say nothing where the servers come from a file.
pub(super) fn refuse_beside_file(flags: &Flags, report: &mut Report) {
    if !flags.command.is_empty() {
        let problem =
            Problem::error(Place::CommandLine, "both a configuration file and a command are given");
        report.push(problem.cure("leave out `--config`, or what stands after `--`"));
    }
    if given(flags.server_type.as_ref()).is_some() {
        let problem = Problem::warning(
            Place::Flag("--type"),
            "`--type` does nothing beside a configuration file",
        );
        report.push(problem.cure("set `type` of the server in the file"));
    }
    if !flags.headers.is_empty() {
        let problem = Problem::warning(
            Place::Flag("--header"),
            "`--header` does nothing beside a configuration file",
        );
        report.push(problem.cure("set `headers` of the server in the file"));
    }
}

/// The server that stands after `--`.
pub(super) fn server(flags: &Flags, around: &Around<'_>, report: &mut Report) -> Option<Server> {
    let Some((first, rest)) = flags.command.split_first() else {
        let problem = Problem::error(Place::CommandLine, "no MCP server is given");
        report.push(problem.cure(
            "name a command after `--`, such as `mcpo -- uvx mcp-server-time`, or a file with `--config FILE`; \
             `mcpo demo` runs a built-in server to look around",
        ));
        return None;
    };
    let endpoint = match kind(flags, first, report)? {
        None => Endpoint::Stdio(stdio(first, rest, flags, around, report)?),
        Some(kind) => Endpoint::Http(http(first, rest, kind, flags, report)?),
    };
    let defaults = &around.settings.server;
    let (name, catalog) = (ServerName::single(), treatment::usual(defaults));
    let pool = server::default_pool(&endpoint, around);
    let load = defaults.load;
    Some(Server { name, endpoint, era: Era::Auto, timeout: None, pool, catalog, load })
}

/// The transport: as `--type` says, else a URL is Streamable HTTP and anything else a command.
fn kind(flags: &Flags, first: &str, report: &mut Report) -> Option<Option<HttpKind>> {
    let is_url = first.starts_with("http://") || first.starts_with("https://");
    let Some(text) = given(flags.server_type.as_ref()) else {
        return Some(is_url.then_some(HttpKind::Streamable));
    };
    match server::kind(text) {
        Some(None) if is_url => {
            let problem = Problem::error(
                Place::Flag("--type"),
                "`stdio` starts a command, but a URL stands after `--`",
            );
            report.push(problem.cure("use `--type streamable-http` or `--type sse`"));
            None
        }
        Some(kind) => Some(kind),
        None => {
            let problem =
                Problem::error(Place::Flag("--type"), format!("`{text}` is not a type of server"));
            report.push(problem.cure("one of `stdio`, `sse`, `streamable-http`"));
            None
        }
    }
}

fn stdio(
    command: &str,
    args: &[String],
    flags: &Flags,
    around: &Around<'_>,
    report: &mut Report,
) -> Option<Stdio> {
    if !flags.headers.is_empty() {
        let problem =
            Problem::warning(Place::Flag("--header"), "`--header` does nothing for a command");
        report.push(
            problem
                .cure("headers go to a server that is reached by URL; use `--env` for a command"),
        );
    }
    if command.is_empty() || command.contains('\0') {
        let problem = Problem::error(Place::CommandLine, "the command after `--` is empty");
        report.push(problem.cure("is a variable of your shell not set?"));
        return None;
    }
    let environment = around.environment.for_child(&InheritEnv::All, Vec::new());
    Some(Stdio { command: command.to_owned(), args: args.to_vec(), environment, cwd: None })
}

fn http(
    url: &str,
    rest: &[String],
    kind: HttpKind,
    flags: &Flags,
    report: &mut Report,
) -> Option<Http> {
    if !rest.is_empty() {
        let message = format!("{} more arguments stand after the URL", rest.len());
        report.push(
            Problem::error(Place::CommandLine, message).cure("options of mcpo go before `--`"),
        );
    }
    let headers = headers(flags, report);
    match server::url(url) {
        Ok(url) => Some(Http { url, headers, kind }),
        Err(message) => {
            let problem =
                Problem::error(Place::CommandLine, format!("the URL after `--` {message}"));
            report.push(problem.cure("for example `-- http://127.0.0.1:8001/mcp`"));
            None
        }
    }
}

/// `--header` as one JSON object (Python's way), or as `Key: Value`.
fn headers(flags: &Flags, report: &mut Report) -> Vec<(HeaderName, Secret)> {
    let mut headers: Vec<(HeaderName, Secret)> = Vec::new();
    for (index, typed) in flags.headers.iter().enumerate() {
        let number = index + 1;
        let Some(pairs) = header_pairs(typed.expose()) else {
            let message = format!(
                "number {number} of the `--header` options is neither JSON nor `Key: Value`"
            );
            let cure = r#"for example `--header 'Authorization: Bearer abc'` or `--header '{"X-Team": "blue"}'`"#;
            report.push(Problem::error(Place::Flag("--header"), message).cure(cure));
            continue;
        };
        for (name, value) in pairs {
            match values::header(&name, &value) {
                Ok(Header::Sent(name)) if headers.iter().any(|(other, _)| *other == name) => {
                    let problem = Problem::error(
                        Place::Flag("--header"),
                        format!("`{name}` is given a second time"),
                    );
                    report.push(problem.cure("keep one of the two"));
                }
                Ok(Header::Sent(name)) => headers.push((name, Secret::new(value))),
                Ok(Header::Own(name)) => {
                    report.push(Problem::warning(
                        Place::Flag("--header"),
                        server::own_header(name.as_str()),
                    ));
                }
                Err(wrong) => {
                    report.push(Problem::error(
                        Place::Flag("--header"),
                        format!("header {name:?} {wrong}"),
                    ));
                }
            }
        }
    }
    headers
}

fn header_pairs(text: &str) -> Option<Vec<(String, String)>> {
    if !text.trim_start().starts_with('{') {
        let (name, value) = text.split_once(':')?;
        return Some(vec![(name.trim().to_owned(), value.trim().to_owned())]);
    }
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    object.into_iter().map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
}
