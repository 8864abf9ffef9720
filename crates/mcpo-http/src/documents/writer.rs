//! What a document says, and of what: written from the catalogs of one moment.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use mcpo_config::{Mode, Site};
use mcpo_core::catalog::{Catalog, CatalogPolicy, ServerIdentity};
use mcpo_core::openapi::{
    DocumentInfo, Mounted, root_document, root_mark, server_document, server_mark,
};
use mcpo_upstream::directory::{Snapshot, Upstream, View};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::route::Scope;

const TITLE: &str = "MCP OpenAPI Proxy";
const DESCRIPTION: &str = "Automatically generated API from MCP Tool Schemas";
const VERSION: &str = "1.0";

/// What a path segment may hold as it is (RFC 3986, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Writes documents.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) mode: Mode,
    pub(super) site: Site,
    pub(super) needs_key: bool,
}

/// What a document is about, at one moment.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    Whole(Arc<Snapshot>),
    One(Arc<View>),
}

// === impl Subject ===

impl Subject {
    /// How many tools and servers it shows: what writing it takes goes by that.
    pub(super) fn weight(&self) -> usize {
        let weight = |view: &View| 1 + view.catalog.as_ref().map_or(0, |made| made.tools().len());
        match self {
            Self::Whole(snapshot) => {
                snapshot.upstreams().iter().map(|upstream| weight(&upstream.view)).sum()
            }
            Self::One(view) => weight(view),
        }
    }
}

// === impl Writer ===

impl Writer {
    /// The title that its pages carry.
    pub(super) fn title(&self, snapshot: &Snapshot, scope: Scope<'_>) -> String {
        match (scope, self.mode) {
            (Scope::One(upstream), _) => self.info_of_one(&upstream.view, None).title,
            (Scope::Whole, Mode::Single) => {
                self.info_of_single(snapshot.upstreams().first().map(|first| &*first.view)).title
            }
            (Scope::Whole, Mode::Many) => {
                self.site.name.clone().unwrap_or_else(|| TITLE.to_owned())
            }
        }
    }

    /// The document.
    pub(super) fn write(&self, subject: &Subject) -> Bytes {
        let written = self.with(subject, |info, servers| match servers {
            Servers::One(catalog) => server_document(info, catalog),
            Servers::All(mounted) => root_document(info, mounted),
        });
        written.into()
    }

    /// Its name, which no other document has: found without writing it.
    pub(super) fn etag(&self, subject: &Subject) -> String {
        let mark = self.with(subject, |info, servers| match servers {
            Servers::One(catalog) => server_mark(info, catalog),
            Servers::All(mounted) => root_mark(info, mounted),
        });
        format!("\"{mark:016x}\"")
    }

    fn with<T>(&self, subject: &Subject, tell: impl FnOnce(&DocumentInfo, Servers<'_>) -> T) -> T {
        match (subject, self.mode) {
            (Subject::One(view), _) => {
                let url = format!("{}{}", self.site.root_path, self.mount(&view.name));
                of_one(&self.info_of_one(view, Some(url)), Some(view), tell)
            }
            (Subject::Whole(snapshot), Mode::Single) => {
                let upstream = snapshot.upstreams().first();
                let view = upstream.map(|upstream| &*upstream.view);
                of_one(&self.info_of_single(view), view, tell)
            }
            (Subject::Whole(snapshot), Mode::Many) => self.of_all(snapshot, tell),
        }
    }

    fn of_all<T>(
        &self,
        snapshot: &Snapshot,
        tell: impl FnOnce(&DocumentInfo, Servers<'_>) -> T,
    ) -> T {
        let views = snapshot.upstreams().iter().map(|upstream| &upstream.view);
        let mounts: Vec<(String, &Catalog)> = views
            .filter_map(|view| Some((self.mount(&view.name), view.catalog.as_deref()?)))
            .collect();
        let mounted: Vec<Mounted<'_>> = mounts
            .iter()
            .map(|(mount, catalog)| Mounted { name: mount.trim_start_matches('/'), catalog })
            .collect();
        tell(&self.info_of_whole(snapshot), Servers::All(&mounted))
    }

    fn info_of_whole(&self, snapshot: &Snapshot) -> DocumentInfo {
        let mut description =
            self.site.description.clone().unwrap_or_else(|| DESCRIPTION.to_owned());
        let (known, unknown): (Vec<&Upstream>, Vec<&Upstream>) =
            snapshot.upstreams().iter().partition(|upstream| upstream.view.catalog.is_some());
        self.list(&mut description, "available tools", &known);
        self.list(&mut description, "not reached yet", &unknown);
        DocumentInfo {
            title: self.site.name.clone().unwrap_or_else(|| TITLE.to_owned()),
            description,
            version: self.site.version.clone().unwrap_or_else(|| VERSION.to_owned()),
            server_url: self.root_url(),
            needs_key: self.needs_key,
        }
    }

    fn list(&self, out: &mut String, heading: &str, upstreams: &[&Upstream]) {
        if upstreams.is_empty() {
            return;
        }
        let _fits = write!(out, "\n\n- **{heading}**:");
        for upstream in upstreams {
            let name = &upstream.view.name;
            let _fits =
                write!(out, "\n    - [{name}]({}{}/docs)", self.site.root_path, self.mount(name));
        }
    }

    fn info_of_single(&self, view: Option<&View>) -> DocumentInfo {
        let site = &self.site;
        let Some(catalog) = view.and_then(|view| view.catalog.as_deref()) else {
            let description = site.description.as_deref().unwrap_or(DESCRIPTION);
            return DocumentInfo {
                title: site.name.clone().unwrap_or_else(|| TITLE.to_owned()),
                description: not_yet(description),
                version: site.version.clone().unwrap_or_else(|| VERSION.to_owned()),
                server_url: self.root_url(),
                needs_key: self.needs_key,
            };
        };
        let fallback = site.name.as_deref().unwrap_or(TITLE);
        let description = site.description.as_deref().unwrap_or(DESCRIPTION);
        let version = site.version.as_deref().unwrap_or(VERSION);
        self.info_of_identity(&catalog.identity, [fallback, description, version], self.root_url())
    }

    fn info_of_one(&self, view: &View, server_url: Option<String>) -> DocumentInfo {
        let description = format!("{} MCP Server", view.name);
        match view.catalog.as_deref() {
            Some(catalog) => self.info_of_identity(
                &catalog.identity,
                [&view.name, &description, VERSION],
                server_url,
            ),
            None => DocumentInfo {
                title: view.name.clone(),
                description: not_yet(&description),
                version: VERSION.to_owned(),
                server_url,
                needs_key: self.needs_key,
            },
        }
    }

    /// What the upstream says of itself, and else the title, description and version given.
    fn info_of_identity(
        &self,
        identity: &ServerIdentity,
        [title, description, version]: [&str; 3],
        server_url: Option<String>,
    ) -> DocumentInfo {
        let or =
            |said: &str, fallback: &str| if said.is_empty() { fallback } else { said }.to_owned();
        let named = match identity.name.as_str() {
            "" => description.to_owned(),
            name => format!("{name} MCP Server"),
        };
        DocumentInfo {
            title: or(&identity.name, title),
            description: identity
                .instructions
                .clone()
                .filter(|said| !said.is_empty())
                .unwrap_or(named),
            version: or(&identity.version, version),
            server_url,
            needs_key: self.needs_key,
        }
    }

    fn root_url(&self) -> Option<String> {
        Some(self.site.root_path.clone()).filter(|path| !path.is_empty())
    }

    /// The path of an upstream, without the root path.
    fn mount(&self, name: &str) -> String {
        format!("{}{}", self.site.path_prefix, utf8_percent_encode(name, SEGMENT))
    }
}

/// Whose tools a document shows.
enum Servers<'a> {
    One(&'a Catalog),
    All(&'a [Mounted<'a>]),
}

fn of_one<T>(
    info: &DocumentInfo,
    view: Option<&View>,
    tell: impl FnOnce(&DocumentInfo, Servers<'_>) -> T,
) -> T {
    match view.and_then(|view| view.catalog.as_deref()) {
        Some(catalog) => tell(info, Servers::One(catalog)),
        None => tell(info, Servers::One(&no_tools())),
    }
}

fn no_tools() -> Catalog {
    Catalog::new(ServerIdentity::default(), Vec::new(), &CatalogPolicy::default())
}

fn not_yet(description: &str) -> String {
    format!(
        "{description}\n\nThis server has not been reached yet, so its tools are not known. They appear here \
         as soon as it answers; `/health` says what it lacks."
    )
}
