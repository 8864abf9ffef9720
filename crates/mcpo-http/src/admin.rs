//! `/admin`: what operators see and order. Here it may be told what failed in full, with addresses
//! and commands, since whoever comes in has shown the key or sits at this machine; secrets are
//! not part of that.

mod guard;
mod servers;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use http_body::Body;
use mcpo_upstream::directory::Directory;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::time::Instant;

use crate::access::Gate;
use crate::answer::{Answer, JSON, answer};
use crate::body::{BODY_TIME_MAX, Bodies};
use crate::problem::Problem;

/// Nothing that is asked here has a body; what a careless script sends along fits.
const BODY_BYTES_MAX: usize = 16 << 10;

/// Answers operators.
#[derive(Debug)]
pub(crate) struct Admin {
    directory: Arc<Directory>,
    /// Their own, so that no flood of calls takes their room.
    bodies: Bodies,
}

/// What a path under `/admin/` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Ask<'p> {
    Servers,
    Server(Cow<'p, str>),
}

// === impl Admin ===

impl Admin {
    pub(crate) fn new(directory: Arc<Directory>) -> Self {
        Self { directory, bodies: Bodies::new(BODY_BYTES_MAX) }
    }

    /// Answers a request for what is at `path`, which stands behind `/admin/`.
    ///
    /// Cancel-safe: an order that was given is carried out.
    pub(crate) async fn answer<B>(
        &self,
        gate: &Gate,
        path: &str,
        request: Request<B>,
        peer: IpAddr,
    ) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (parts, body) = request.into_parts();
        let mut told = match self.answered(gate, path, (parts, body), peer).await {
            Ok(value) => answer(StatusCode::OK, JSON, value.to_string()),
            Err(problem) => problem.answer(),
        };
        told.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        told
    }

    async fn answered<B>(
        &self,
        gate: &Gate,
        path: &str,
        (parts, body): (Parts, B),
        peer: IpAddr,
    ) -> Result<Value, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        guard::admit(gate, &parts, peer)?;
        let ask = Ask::find(path).ok_or(Problem::NotFound)?;
        ask.check(&parts.method)?;
        let read = self.bodies.read(&parts.headers, body, Instant::now() + BODY_TIME_MAX).await?;
        drop(read);
        match ask {
            Ask::Servers => Ok(servers::all(&self.directory.load())),
            Ask::Server(name) => {
                let snapshot = self.directory.load();
                let upstream = snapshot.upstream(&name).ok_or_else(|| no_such_server(&name))?;
                Ok(servers::one(upstream))
            }
        }
    }
}

fn no_such_server(name: &str) -> Problem {
    Problem::NoSuchServer { server: name.to_owned() }
}

// === impl Ask ===

impl<'p> Ask<'p> {
    fn find(path: &'p str) -> Option<Self> {
        let pieces: Vec<&str> = path.split('/').collect();
        let decoded = |piece: &'p str| percent_decode_str(piece).decode_utf8().ok();
        match pieces[..] {
            ["servers"] => Some(Self::Servers),
            ["servers", name] if !name.is_empty() => Some(Self::Server(decoded(name)?)),
            _ => None,
        }
    }

    fn check(&self, method: &Method) -> Result<(), Problem> {
        let looks = matches!(*method, Method::GET | Method::HEAD);
        match self {
            Self::Servers | Self::Server(_) if looks => Ok(()),
            Self::Servers | Self::Server(_) => {
                Err(Problem::MethodNotAllowed { allow: "GET, HEAD" })
            }
        }
    }
}

#[cfg(test)]
mod tests;
