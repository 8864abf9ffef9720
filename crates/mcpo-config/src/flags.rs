//! What stood on the command line, as typed. Nothing here is checked.

use crate::secret::Secret;

/// The command line as typed. `None` and empty lists mean that the option was not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--host`.
    pub host: Option<String>,
    /// `--port`.
    pub port: Option<String>,
    /// `--api-key`.
    pub api_key: Option<Secret>,
    /// `--strict-auth`.
    pub strict_auth: bool,
    /// `--cors-allow-origins`, once for each time it was given.
    pub cors_allow_origins: Vec<String>,
    /// `--env K=V`, whole, once for each time it was given.
    pub env: Vec<Secret>,
    /// `--env-path`.
    pub env_path: Option<String>,
    /// `--type`.
    pub server_type: Option<String>,
    /// `--config`.
    pub config: Option<String>,
    /// `--hot-reload`.
    pub hot_reload: bool,
    /// `--name`.
    pub name: Option<String>,
    /// `--description`.
    pub description: Option<String>,
    /// `--version`: of the document, not of this program.
    pub version: Option<String>,
    /// `--ssl-certfile`.
    pub ssl_certfile: Option<String>,
    /// `--ssl-keyfile`.
    pub ssl_keyfile: Option<String>,
    /// `--root-path`.
    pub root_path: Option<String>,
    /// `--path-prefix`.
    pub path_prefix: Option<String>,
    /// `--header`, JSON or `Key: Value`, once for each time it was given.
    pub headers: Vec<Secret>,
    /// `--log-level`.
    pub log_level: Option<String>,
    /// `--log-format`.
    pub log_format: Option<String>,
    /// `--tool-timeout`.
    pub tool_timeout: Option<String>,
    /// `--max-tool-timeout`.
    pub max_tool_timeout: Option<String>,
    /// `--connect-timeout`.
    pub connect_timeout: Option<String>,
    /// `--drain-timeout`.
    pub drain_timeout: Option<String>,
    /// `--max-body-size`.
    pub max_body_size: Option<String>,
    /// `--state-dir`.
    pub state_dir: Option<String>,
    /// `--no-state`.
    pub no_state: bool,
    /// What stood after `--`: a command with its arguments, or a URL.
    pub command: Vec<String>,
}
