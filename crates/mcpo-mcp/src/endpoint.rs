//! Where an upstream is and how it is reached, as this room needs to know it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderMap;
use url::Url;

use crate::custom::Dial;
use crate::guard::Guard;

/// One upstream's place.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// A child process that speaks on stdin and stdout.
    Stdio(Stdio),
    /// An HTTP server.
    Http(Http),
    /// A transport of one's own.
    Custom(Arc<dyn Dial>),
}

/// A child process.
#[derive(Clone)]
pub struct Stdio {
    /// The program: a path, or a name that is looked up in `PATH` of `environment`.
    pub command: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment: nothing else is inherited.
    pub environment: Vec<(OsString, OsString)>,
    /// Where it runs; `None` is our own directory.
    pub directory: Option<PathBuf>,
    /// A program that makes the child die with us and then becomes the command: it is started as
    /// `launcher ARGS... COMMAND ARGUMENTS...` and reads one byte of its stdin before it becomes
    /// the command, as [`become_child`](crate::launcher::become_child) does. `None` starts the
    /// command itself.
    pub launcher: Option<Launcher>,
}

/// See [`Stdio::launcher`].
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The program.
    pub program: PathBuf,
    /// What stands between the program and the command.
    pub arguments: Vec<String>,
    /// Ends the children that outlive us in spite of that.
    pub guard: Option<Arc<Guard>>,
}

/// An HTTP server.
#[derive(Clone)]
pub struct Http {
    /// The MCP endpoint.
    pub url: Url,
    /// Sent with every request; values are secrets.
    pub headers: HeaderMap,
    /// Which transport to speak.
    pub transport: HttpTransport,
}

/// The two transports over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpTransport {
    /// Streamable HTTP (2025-03-26 and later, both eras).
    Streamable,
    /// HTTP+SSE (2024-11-05).
    Sse,
}

/// Which era to speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Era {
    /// Find out.
    #[default]
    Auto,
    /// `initialize` and sessions, up to 2025-11-25.
    Legacy,
    /// 2026-07-28: no handshake, no session.
    Modern,
}

// Environments and headers hold secrets: they never reach a log through `Debug`.
impl std::fmt::Debug for Stdio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stdio").field("command", &self.command).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("host", &self.url.host_str())
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
