//! The command line: the options of Python's mcpo, and ours. Values are taken as typed; what they
//! mean is checked elsewhere, together with file and environment.

use std::convert::Infallible;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;
use mcpo_config::{Flags, Secret};

const EXAMPLES: &str = "\
Examples:
  mcpo -- uvx mcp-server-time                        one server, at http://localhost:8000/docs
  mcpo --api-key KEY --config servers.json           many servers, each under its name
  mcpo --type streamable-http -- https://host/mcp    a server that runs elsewhere
  mcpo check --config servers.json                   tell everything that is wrong with a file
  mcpo demo                                          a built-in server, to look around
  mcpo admin servers                                 how the servers of a running mcpo are
  mcpo top                                           the same, live
  mcpo doctor --config servers.json                  what is wrong, why, and what to do

Bounds, rates, cache, recovery and monitoring have MCPO_* variables and keys of the file: see
docs/configuration.md.

Exit codes: 0 done or stopped by a signal, 1 failed while running, 2 wrong usage or configuration.";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Serves MCP servers as OpenAPI, and keeps them usable.
#[derive(Debug, Parser)]
#[command(
    name = "mcpo",
    styles = STYLES,
    after_help = EXAMPLES,
    override_usage = "mcpo [OPTIONS] -- COMMAND [ARGS]...\n       mcpo [OPTIONS] -- URL\n       mcpo [OPTIONS] --config FILE\n       mcpo check|demo|admin|doctor|top|alerts|completions ...",
    disable_help_flag = true,
    disable_help_subcommand = true,
    disable_version_flag = true,
    args_conflicts_with_subcommands = true,
    args_override_self = true,
    subcommand_help_heading = "Other commands"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: Serve,
    /// Print this help (`-h` is --host)
    #[arg(long, action = ArgAction::Help, global = true, help_heading = "About mcpo")]
    help: Option<bool>,
    /// Print the version of mcpo itself
    #[arg(short = 'V', action = ArgAction::SetTrue, help_heading = "About mcpo")]
    our_version: bool,
}

/// What else it can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check options and configuration file, and tell everything that is wrong at once
    #[command(disable_help_flag = true)]
    Check(Box<Serve>),
    /// Serve a built-in MCP server, to look around without installing anything
    #[command(disable_help_flag = true)]
    Demo(Demo),
    /// Look at the servers of a running mcpo, and give it orders
    #[command(disable_help_flag = true)]
    Admin(crate::admin::Options),
    /// Say what is wrong with the configured servers and this machine, why, and what to do
    #[command(disable_help_flag = true)]
    Doctor(Box<crate::doctor::Options>),
    /// Watch a running mcpo in the terminal
    #[command(disable_help_flag = true)]
    Top(crate::top::Options),
    /// Try out who is told of alerts
    #[command(disable_help_flag = true, subcommand)]
    Alerts(crate::alerts::Ask),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Be the built-in MCP server, over stdin and stdout
    #[command(hide = true)]
    DemoServer,
}

/// Options of `mcpo demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Address to listen on
    #[arg(short = 'h', long, value_name = "HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Port to listen on
    #[arg(short, long, value_name = "PORT", allow_negative_numbers = true)]
    pub(crate) port: Option<String>,
}

/// Options of serving.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    upstream: Upstream,
    #[command(flatten)]
    site: Site,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    state: State,
    #[command(flatten)]
    log: Log,
    /// A command with its arguments that starts an MCP server, or the URL of one
    #[arg(last = true, value_name = "COMMAND", hide = true)]
    server: Vec<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Listening")]
struct Listen {
    /// Address to listen on [default: 0.0.0.0] [env: MCPO_HOST]
    #[arg(short = 'h', long, value_name = "HOST")]
    host: Option<String>,
    /// Port to listen on [default: 8000] [env: MCPO_PORT]
    #[arg(short, long, value_name = "PORT", allow_negative_numbers = true)]
    port: Option<String>,
    /// Certificate for TLS (not supported yet)
    #[arg(short = 't', long, value_name = "FILE")]
    ssl_certfile: Option<String>,
    /// Key for TLS (not supported yet)
    #[arg(short = 'K', long, value_name = "FILE")]
    ssl_keyfile: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Access")]
struct Access {
    /// Key that tool calls must show as `Authorization: Bearer KEY` [env: MCPO_API_KEY]
    #[arg(short = 'k', long, value_name = "KEY", allow_hyphen_values = true, value_parser = secret)]
    api_key: Option<Secret>,
    /// Documents need the key, too [env: MCPO_STRICT_AUTH]
    #[arg(long)]
    strict_auth: bool,
    /// Origin that browsers may call from, repeatable [default: *] [env: MCPO_CORS_ALLOW_ORIGINS]
    #[arg(long, value_name = "ORIGIN")]
    cors_allow_origins: Vec<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "MCP servers")]
struct Upstream {
    /// Configuration file, in Claude Desktop's shape [env: MCPO_CONFIG]
    #[arg(short, long, value_name = "FILE")]
    config: Option<String>,
    /// Follow changes of the configuration file [env: MCPO_HOT_RELOAD]
    #[arg(long)]
    hot_reload: bool,
    /// How the server after `--` is reached: stdio, sse, streamable-http
    #[arg(long = "type", alias = "server-type", value_name = "TYPE")]
    server_type: Option<String>,
    /// Header towards the URL after `--`, as `Key: Value` or as a JSON object, repeatable
    #[arg(short = 'H', long = "header", value_name = "HEADER", allow_hyphen_values = true, value_parser = secret)]
    headers: Vec<Secret>,
    /// Variable for the servers that are started, repeatable
    #[arg(short, long, value_name = "NAME=VALUE", allow_hyphen_values = true, value_parser = secret)]
    env: Vec<Secret>,
    /// File with such variables, one `NAME=value` a line
    #[arg(long, value_name = "FILE")]
    env_path: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Documents and paths")]
struct Site {
    /// Title of the document
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    name: Option<String>,
    /// Description of the document
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    description: Option<String>,
    /// Version of the document
    #[arg(short = 'v', long, value_name = "TEXT", num_args = 0..=1, default_missing_value = "")]
    version: Option<String>,
    /// Path under which a reverse proxy shows mcpo [env: MCPO_ROOT_PATH]
    #[arg(long, value_name = "PATH")]
    root_path: Option<String>,
    /// Path in front of every server's [default: /] [env: MCPO_PATH_PREFIX]
    #[arg(long, value_name = "PATH")]
    path_prefix: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct Limits {
    /// How long a call may take, unless its server says otherwise [default: 60] [env: MCPO_TOOL_TIMEOUT]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    tool_timeout: Option<String>,
    /// The longest timeout that a server or a request may ask for [default: 3600] [env: MCPO_MAX_TOOL_TIMEOUT]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    max_tool_timeout: Option<String>,
    /// How long connecting to a server may take [env: CONNECTION_TIMEOUT]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    connect_timeout: Option<String>,
    /// How long calls may go on after the signal to stop [default: 8] [env: MCPO_DRAIN_TIMEOUT]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    drain_timeout: Option<String>,
    /// Largest body of a request, in bytes or as 512KiB, 16MiB [default: 16MiB] [env: MCPO_MAX_BODY_SIZE]
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true)]
    max_body_size: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "History")]
struct State {
    /// Directory for the history of metrics and events [default: under ~/.local/state/mcpo] [env: MCPO_STATE_DIR]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<String>,
    /// Keep the history in memory only [env: MCPO_NO_STATE]
    #[arg(long)]
    no_state: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Log")]
struct Log {
    /// DEBUG, INFO, WARNING, ERROR or CRITICAL [default: INFO] [env: LOG_LEVEL]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// auto, pretty or json [default: auto] [env: MCPO_LOG_FORMAT]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

// A secret is wrapped while it is parsed, so that no `Debug` of the options shows it.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a parser that can fail")]
pub(crate) fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

// === impl Cli ===

impl Cli {
    /// Reads the command line; ends the process with help, or with what is wrong.
    pub(crate) fn from_command_line() -> Self {
        Self::try_parse().unwrap_or_else(|error| with_tip(error).exit())
    }

    /// Whether it is `mcpo -V`, or `mcpo --version` alone: with a value the latter is the
    /// document's version, as in Python's mcpo.
    pub(crate) fn asks_for_our_version(&self) -> bool {
        let serve = &self.serve;
        let bare = serve.site.version.as_deref() == Some("");
        self.our_version || (bare && serve.server.is_empty() && serve.upstream.config.is_none())
    }
}

/// Puts our own tip into an error of the command line. The slip that is made most is a command
/// without `--` in front.
fn with_tip(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return error };
    let is_unknown = error.kind() == ErrorKind::UnknownArgument;
    let tip = if is_unknown && word == "help" {
        "for help: mcpo --help".to_owned()
    } else if is_unknown && !word.starts_with('-') {
        format!("a command or URL stands after `--`: mcpo [OPTIONS] -- {word} ...")
    } else if is_unknown {
        // What clap says here, to write `-- --option`, would start the option as a command.
        error.remove(ContextKind::Suggested);
        return error;
    } else if error.kind() == ErrorKind::InvalidValue && word.starts_with("--host") {
        "`-h` is short for --host; for help: mcpo --help".to_owned()
    } else {
        return error;
    };
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    error
}

// === impl Serve ===

impl Serve {
    /// The options as typed, for the check.
    pub(crate) fn into_flags(self) -> Flags {
        let Self { listen, access, upstream, site, limits, state, log, server } = self;
        Flags {
            host: listen.host,
            port: listen.port,
            api_key: access.api_key,
            strict_auth: access.strict_auth,
            cors_allow_origins: access.cors_allow_origins,
            env: upstream.env,
            env_path: upstream.env_path,
            server_type: upstream.server_type,
            config: upstream.config,
            hot_reload: upstream.hot_reload,
            name: site.name,
            description: site.description,
            version: site.version,
            ssl_certfile: listen.ssl_certfile,
            ssl_keyfile: listen.ssl_keyfile,
            root_path: site.root_path,
            path_prefix: site.path_prefix,
            headers: upstream.headers,
            log_level: log.log_level,
            log_format: log.log_format,
            tool_timeout: limits.tool_timeout,
            max_tool_timeout: limits.max_tool_timeout,
            connect_timeout: limits.connect_timeout,
            drain_timeout: limits.drain_timeout,
            max_body_size: limits.max_body_size,
            state_dir: state.state_dir,
            no_state: state.no_state,
            command: server,
        }
    }
}

#[cfg(test)]
mod tests;
