//! Which path means what, in a given snapshot. Paths are split as they are sent and decoded piece
//! by piece, so that any name is reachable.

use std::borrow::Cow;

use mcpo_config::{Mode, Site};
use mcpo_core::catalog::Tool;
use mcpo_upstream::directory::{Snapshot, State, Upstream};
use percent_encoding::percent_decode_str;

use crate::assets::{Asset, asset};
use crate::dashboard::{self, File};
use crate::insight::Ask;

/// Where everything is mounted.
#[derive(Debug)]
pub(crate) struct Routes {
    mode: Mode,
    root_path: String,
    path_prefix: String,
}

/// What a path stands for; nothing, if it is empty.
#[derive(Debug, Default)]
pub(crate) struct Found<'s> {
    /// What can be looked at.
    pub(crate) page: Option<Page<'s>>,
    /// What can be called.
    pub(crate) callee: Option<Callee<'s>>,
}

/// Something to look at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Page<'s> {
    /// `openapi.json`.
    Document(Scope<'s>),
    /// Swagger UI.
    Swagger(Scope<'s>),
    /// Redoc.
    Redoc(Scope<'s>),
    /// What the two are made of.
    Asset(&'static Asset),
    /// Signs of life.
    Probe(Probe),
    /// What is known of everything.
    Insight(Ask),
    /// The dashboard, and what it is made of.
    Dashboard(&'static File),
}

/// What a document is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope<'s> {
    /// Everything.
    Whole,
    /// One upstream.
    One(&'s Upstream),
}

/// The questions of those who watch over us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    /// `/livez`.
    Live,
    /// `/readyz`.
    Ready,
    /// `/health`.
    Health,
}

/// Something to call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Callee<'s> {
    /// A tool.
    Tool(&'s Upstream, &'s Tool),
    /// An upstream whose tools are not known yet, by its name; not in the snapshot yet if `None`.
    Unready(Option<&'s Upstream>),
}

// === impl Routes ===

impl Routes {
    pub(crate) fn new(mode: Mode, site: &Site) -> Self {
        Self { mode, root_path: site.root_path.clone(), path_prefix: site.path_prefix.clone() }
    }

    /// What is at a path, with or without the root path in front.
    pub(crate) fn find<'s>(&self, snapshot: &'s Snapshot, path: &str) -> Found<'s> {
        if let Some(inner) = self.inner(path) {
            let found = self.find_inner(snapshot, inner);
            if !found.is_empty() {
                return found;
            }
        }
        self.find_inner(snapshot, path)
    }

    /// The rest of a path under `/admin/`, with or without the root path in front.
    pub(crate) fn admin<'p>(&self, path: &'p str) -> Option<&'p str> {
        self.inner(path).unwrap_or(path).strip_prefix("/admin/")
    }

    /// Where to find a path that has slashes too many at its end, if there is anything: the path
    /// as a browser must see it.
    pub(crate) fn without_slash(&self, snapshot: &Snapshot, path: &str) -> Option<String> {
        let trimmed = path.trim_end_matches('/');
        let found = self.find(snapshot, trimmed);
        let known = found.page.is_some() || matches!(found.callee, Some(Callee::Tool(..)));
        (trimmed != path && known).then(|| self.outer(trimmed))
    }

    /// A path of ours as a browser must see it: behind the root path.
    pub(crate) fn outer(&self, path: &str) -> String {
        let root = if self.inner(path).is_some() { "" } else { &self.root_path };
        format!("{root}{path}")
    }

    /// The path behind the root path, if there is one and it stands in front.
    fn inner<'p>(&self, path: &'p str) -> Option<&'p str> {
        let inner = path.strip_prefix(&self.root_path).filter(|_| !self.root_path.is_empty())?;
        (inner.is_empty() || inner.starts_with('/')).then_some(inner)
    }

    fn find_inner<'s>(&self, snapshot: &'s Snapshot, path: &str) -> Found<'s> {
        let Some(rest) = path.strip_prefix('/') else { return Found::default() };
        match self.mode {
            Mode::Single => {
                Found { page: root_page(rest), callee: callee(snapshot.upstreams().first(), rest) }
            }
            Mode::Many => {
                let mounted = || self.find_mounted(snapshot, path).unwrap_or_default();
                match root_page(rest) {
                    // A server may be called `metrics`, and have a tool `history`.
                    Some(page @ Page::Insight(_)) => Found { page: Some(page), ..mounted() },
                    Some(page) => Found { page: Some(page), callee: None },
                    None => mounted(),
                }
            }
        }
    }

    fn find_mounted<'s>(&self, snapshot: &'s Snapshot, path: &str) -> Option<Found<'s>> {
        let (server, rest) = path.strip_prefix(&self.path_prefix)?.split_once('/')?;
        let upstream = snapshot.upstream(&decoded(server)?)?;
        Some(Found { page: page(rest, Scope::One(upstream)), callee: callee(Some(upstream), rest) })
    }
}

/// What stands at the root beside the servers.
fn root_page(rest: &str) -> Option<Page<'static>> {
    probe(rest)
        .or_else(|| Ask::find(rest).map(Page::Insight))
        .or_else(|| (rest == "dashboard").then(|| Page::Dashboard(dashboard::page())))
        .or_else(|| page(rest, Scope::Whole))
}

fn probe(rest: &str) -> Option<Page<'static>> {
    match rest {
        "livez" => Some(Page::Probe(Probe::Live)),
        "readyz" => Some(Page::Probe(Probe::Ready)),
        "health" => Some(Page::Probe(Probe::Health)),
        _ => None,
    }
}

fn page<'s>(rest: &str, scope: Scope<'s>) -> Option<Page<'s>> {
    match rest {
        "openapi.json" => Some(Page::Document(scope)),
        "docs" => Some(Page::Swagger(scope)),
        "redoc" => Some(Page::Redoc(scope)),
        _ => {
            let name = rest.strip_prefix("docs/assets/")?;
            let file = || dashboard::file(name).map(Page::Dashboard);
            asset(name).map(Page::Asset).or_else(file)
        }
    }
}

/// The tool behind the rest of a path. A slash in its name may be sent as it is, too.
fn callee<'s>(upstream: Option<&'s Upstream>, rest: &str) -> Option<Callee<'s>> {
    if rest.is_empty() {
        return None;
    }
    let Some((upstream, catalog)) =
        upstream.and_then(|upstream| Some((upstream, upstream.view.catalog.as_deref()?)))
    else {
        return Some(Callee::Unready(upstream));
    };
    let tool = catalog.tool(&decoded(rest)?)?;
    Some(Callee::Tool(upstream, tool))
}

fn decoded(piece: &str) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'%', piece.as_bytes()).is_none() {
        return Some(Cow::Borrowed(piece));
    }
    percent_decode_str(piece).decode_utf8().ok()
}

// === impl Found ===

impl<'s> Found<'s> {
    fn is_empty(&self) -> bool {
        self.page.is_none() && self.callee.is_none()
    }

    /// Whether the upstream behind it is in its first start, so that its tools are about to be
    /// known.
    pub(crate) fn is_starting(&self) -> bool {
        match self.callee {
            Some(Callee::Unready(Some(upstream))) => {
                matches!(upstream.view.state, State::Starting { failures: 0, fault: None })
            }
            Some(Callee::Unready(None)) => true,
            Some(Callee::Tool(..)) | None => false,
        }
    }

    /// The upstream behind it, if that is connected only once it is called and has never been.
    pub(crate) fn dormant(&self) -> Option<&'s Upstream> {
        match self.callee {
            Some(Callee::Unready(Some(upstream))) => {
                (upstream.view.state == State::Dormant).then_some(upstream)
            }
            Some(Callee::Unready(None) | Callee::Tool(..)) | None => None,
        }
    }
}

#[cfg(test)]
mod tests;
