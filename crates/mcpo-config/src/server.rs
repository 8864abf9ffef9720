//! One upstream as the operator configured it: its name, where it is, how it is treated.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use mcpo_core::catalog::CatalogPolicy;
use mcpo_core::load::ServerLoad;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::secret::Secret;

/// Paths at the root that are ours: a server of that name could not be reached.
pub const RESERVED_NAMES: [&str; 10] = [
    "docs",
    "redoc",
    "openapi.json",
    "health",
    "healthz",
    "livez",
    "readyz",
    "metrics",
    "admin",
    "dashboard",
];

/// The longest name of a server in bytes: three times as long when encoded, it still leaves room
/// for a tool in a path, and it is a label of metrics.
const NAME_BYTES_MAX: usize = 128;

/// What a path segment may hold as it is (RFC 3986, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Its name: unique, and its path.
    pub name: ServerName,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Which protocol era it speaks.
    pub era: Era,
    /// How long its calls may take; `None` is `Limits::tool_timeout`.
    pub timeout: Option<Duration>,
    /// How many sessions it may have.
    pub pool: PoolSizes,
    /// How its tools are read.
    pub catalog: CatalogPolicy,
    /// How much of its calls is in hand at once, and how often it may be called.
    pub load: ServerLoad,
}

/// How many sessions an upstream has at least and at most. At least 1, `min` at most `max`, `max`
/// at most [`PoolSizes::SESSIONS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSizes {
    /// So many are kept, used or not.
    pub min: usize,
    /// So many may be opened under load.
    pub max: usize,
}

/// The name of a server: not empty, one path segment once encoded, no control characters, no
/// blanks at its ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerName(String);

/// Why a text is no name for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing.
    #[error("a server's name is empty")]
    Empty,
    /// `/` or `\`.
    #[error("a server's name holds a slash")]
    Slash,
    /// `.` and `..` vanish from paths.
    #[error("a server's name is `.` or `..`")]
    Dots,
    /// A line break, a tab and the like.
    #[error("a server's name holds a control character")]
    Control,
    /// A blank at the start or the end.
    #[error("a server's name starts or ends with a blank")]
    Blank,
    /// More than the bound.
    #[error("a server's name is longer than {NAME_BYTES_MAX} bytes")]
    TooLong,
}

/// Where an upstream is.
#[derive(Debug, Clone, PartialEq)]
pub enum Endpoint {
    /// A child process that speaks on stdin and stdout.
    Stdio(Stdio),
    /// An HTTP server.
    Http(Http),
}

/// A child process.
#[derive(Clone, PartialEq, Eq)]
pub struct Stdio {
    /// The program: a path, or a name to look up in `PATH` of `environment`. Never empty.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment, already put together.
    pub environment: ChildEnvironment,
    /// Where it runs; `None` is our own directory.
    pub cwd: Option<PathBuf>,
}

/// The whole environment of a child. Values may be secrets: `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ChildEnvironment(BTreeMap<OsString, OsString>);

/// Which of our variables a child inherits. `MCPO_*` never is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum InheritEnv {
    /// All.
    #[default]
    All,
    /// Those without which hardly a program starts (`PATH`, `HOME`, ...), and these.
    Named(Vec<String>),
}

/// An HTTP server.
#[derive(Clone, PartialEq, Eq)]
pub struct Http {
    /// The MCP endpoint: `http` or `https`, with a host.
    pub url: Url,
    /// Sent with every request; fit for HTTP.
    pub headers: Vec<(HeaderName, Secret)>,
    /// Which transport it speaks.
    pub kind: HttpKind,
}

/// The two transports over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpKind {
    /// Streamable HTTP.
    Streamable,
    /// HTTP+SSE, of 2024-11-05.
    Sse,
}

/// Which protocol era to speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Era {
    /// Find out.
    #[default]
    Auto,
    /// `initialize` and sessions.
    Legacy,
    /// 2026-07-28 and later: no handshake.
    Modern,
}

// === impl Server ===

impl Server {
    /// Whether `other` is reached and spoken to in the same way, so that its sessions may stay:
    /// only what is decided call by call, or session by session, may differ.
    #[must_use]
    pub fn is_same_upstream(&self, other: &Self) -> bool {
        self.name == other.name && self.endpoint == other.endpoint && self.era == other.era
    }
}

// === impl PoolSizes ===

impl PoolSizes {
    /// Of a command: one process. What it keeps in memory would be split among several, which
    /// only its operator can know to be harmless.
    pub const STDIO: Self = Self { min: 1, max: 1 };
    /// Of a URL: one session, and a few more where many calls wait for the same one.
    pub const HTTP: Self = Self { min: 1, max: 4 };
    /// The largest bound of a pool: each session of a command is a process, and no upstream is
    /// helped by more.
    pub const SESSIONS_MAX: usize = 64;
}

// === impl ServerName ===

impl ServerName {
    /// The name of the only server of the command line.
    #[must_use]
    pub fn single() -> Self {
        Self("default".to_owned())
    }

    /// Checks a name. Whether it is reserved depends on where it is mounted, so it is not asked
    /// here.
    ///
    /// # Errors
    /// Why it cannot be a path segment.
    pub fn new(name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.contains(['/', '\\']) {
            return Err(NameError::Slash);
        }
        if name == "." || name == ".." {
            return Err(NameError::Dots);
        }
        if name.chars().any(char::is_control) {
            return Err(NameError::Control);
        }
        if name.trim() != name {
            return Err(NameError::Blank);
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a path segment, percent-encoded.
    #[must_use]
    pub fn segment(&self) -> String {
        utf8_percent_encode(&self.0, SEGMENT).to_string()
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl ChildEnvironment ===

impl ChildEnvironment {
    /// Takes the variables as they are; of a repeated name the last one stays.
    #[must_use]
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The value of one variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Names and values, sorted by name.
    #[must_use]
    pub fn to_vec(&self) -> Vec<(OsString, OsString)> {
        self.0.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

impl fmt::Debug for ChildEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

// === impl Stdio ===

// Arguments are left out of `Debug`: tokens often stand there.
impl fmt::Debug for Stdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdio")
            .field("command", &self.command)
            .field("cwd", &self.cwd)
            .finish_non_exhaustive()
    }
}

// === impl Http ===

impl Http {
    /// The headers as HTTP wants them, each marked as sensitive.
    #[must_use]
    pub fn header_map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let mut value =
                HeaderValue::from_str(value.expose()).expect("header values are checked when read");
            value.set_sensitive(true);
            map.append(name.clone(), value);
        }
        map
    }

    /// Scheme, host, port and path: what of the address may be shown. User, password and query
    /// may be secrets.
    #[must_use]
    pub fn shown_url(&self) -> String {
        shown_url(&self.url)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("url", &self.shown_url())
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// A URL without what may be secret in it.
fn shown_url(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let query = if url.query().is_some() { "?..." } else { "" };
    format!("{}://{}{port}{}{query}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}
