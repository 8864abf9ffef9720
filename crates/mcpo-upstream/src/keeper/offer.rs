//! What an upstream offers, made from what its sessions list and what its operator says of it.

use std::sync::Arc;

use mcpo_core::catalog::{Catalog, CatalogPolicy, ServerIdentity, ToolDefinition};
use mcpo_core::event::Event;
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::directory::View;
use crate::settings::Settings;

/// An upstream's catalog, and what became of it.
#[derive(Debug, Default)]
pub(super) struct Offer {
    pub(super) catalog: Option<Arc<Catalog>>,
    pub(super) version: u64,
    /// Tools that an earlier session offered and those since do not, sorted.
    pub(super) missing: Vec<String>,
    /// What the catalog was made from, to make it anew when the operator says otherwise.
    listed: Option<Listed>,
}

/// A list of tools as its upstream gave it.
#[derive(Debug, Clone)]
struct Listed {
    identity: ServerIdentity,
    /// As JSON: a tree takes six times the memory, and is hardly ever wanted again.
    tools: Arc<[u8]>,
    count: usize,
}

/// With more tools than this a catalog is made on a thread of its own: at some 100 us a tool, a
/// worker that made it would keep other upstreams waiting.
const TOOLS_INLINE_MAX: usize = 32;

// === impl Offer ===

impl Offer {
    /// What is known before the first session: what a predecessor knew, if it is inherited.
    /// Versions go on, so that no two catalogs of one name have the same.
    pub(super) fn after(predecessor: Option<&View>, inherits: bool) -> Self {
        let Some(view) = predecessor else { return Self::default() };
        if inherits {
            let (catalog, version) = (view.catalog.clone(), view.catalog_version);
            return Self { catalog, version, ..Self::default() };
        }
        Self { version: view.catalog_version + 1, ..Self::default() }
    }

    pub(super) fn tools(&self) -> usize {
        self.catalog.as_ref().map_or(0, |catalog| catalog.tools().len())
    }

    /// Takes over a list of tools, of a new session or of one that has changed its mind. One that
    /// says what is known already changes nothing.
    pub(super) async fn take_list(
        &mut self,
        settings: &Settings,
        identity: &ServerIdentity,
        tools: Vec<Value>,
        is_new_session: bool,
    ) -> Vec<Event> {
        let (count, policy) = (tools.len(), settings.catalog.clone());
        let (own, identity) = (identity.clone(), identity.clone());
        let (catalog, tools) = made(count, move || {
            let packed = serde_json::to_vec(&tools).expect("values are JSON");
            (catalog(own, &tools, &policy), Arc::from(packed))
        })
        .await;
        self.listed = Some(Listed { identity, tools, count });
        self.take(settings, catalog, is_new_session)
    }

    /// Takes over what the operator says now.
    pub(super) async fn take_policy(&mut self, settings: &Settings) -> Vec<Event> {
        let Some(Listed { identity, tools, count }) = self.listed.clone() else {
            return Vec::new();
        };
        let policy = settings.catalog.clone();
        let catalog = made(count, move || {
            let tools: Vec<Value> =
                serde_json::from_slice(&tools).expect("it was written from values");
            catalog(identity, &tools, &policy)
        })
        .await;
        self.take(settings, catalog, false)
    }

    fn take(&mut self, settings: &Settings, catalog: Catalog, is_new_session: bool) -> Vec<Event> {
        self.missing.retain(|name| catalog.tool(name).is_none());
        if self.catalog.as_ref().is_some_and(|known| known.is_same(&catalog)) {
            return Vec::new();
        }
        let upstream = &settings.name;
        let mut events = flaws(upstream, &catalog);
        events.extend(unknown(upstream, self.catalog.as_deref(), &catalog));
        if let Some(known) = &self.catalog {
            let removed = missing_in(&catalog, known);
            if is_new_session && !removed.is_empty() {
                let (upstream, tools) = (upstream.clone(), removed.clone());
                events.push(Event::ToolsVanished { upstream, tools });
                self.missing.extend(removed.iter().cloned());
                self.missing.sort_unstable();
            }
            let added = missing_in(known, &catalog);
            events.push(Event::ToolsChanged { upstream: upstream.clone(), added, removed });
        }
        self.version += 1;
        self.catalog = Some(Arc::new(catalog));
        events
    }
}

/// Names in the configuration that stand for nothing, told once until they are others.
fn unknown(upstream: &str, known: Option<&Catalog>, catalog: &Catalog) -> Option<Event> {
    let names = catalog.unknown_names();
    let is_told = known.is_some_and(|known| known.unknown_names() == names);
    let (upstream, is_news) = (upstream.to_owned(), !names.is_empty() && !is_told);
    is_news.then(|| Event::ToolsUnknown { upstream, names: names.to_vec() })
}

fn flaws(upstream: &str, catalog: &Catalog) -> Vec<Event> {
    let flaws = catalog.tools().iter().flat_map(|tool| {
        tool.notes.iter().map(|note| Event::ToolFlawed {
            upstream: upstream.to_owned(),
            tool: tool.definition.name.clone(),
            note: note.clone(),
        })
    });
    flaws.collect()
}

/// The tools that `one` offers and `other` does not.
fn missing_in(other: &Catalog, one: &Catalog) -> Vec<String> {
    let names = one.tools().iter().map(|tool| &tool.definition.name);
    names.filter(|name| other.tool(name).is_none()).cloned().collect()
}

fn catalog(identity: ServerIdentity, tools: &[Value], policy: &CatalogPolicy) -> Catalog {
    let definitions = tools.iter().filter_map(ToolDefinition::from_json).collect();
    Catalog::new(identity, definitions, policy)
}

/// Does what is to be done for so many tools, on a thread of its own where that takes long.
async fn made<T: Send + 'static>(tools: usize, make: impl FnOnce() -> T + Send + 'static) -> T {
    if tools <= TOOLS_INLINE_MAX {
        return make();
    }
    spawn_blocking(make)
        .await
        .expect("making a catalog does not panic, and the runtime outlives it")
}
