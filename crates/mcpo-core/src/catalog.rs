//! What an upstream offers: its identity and its tools, ready for routing, for checking
//! arguments and for documents. Immutable once built; a change is a new catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::Duration;

use serde_json::Value;

use crate::arguments::ArgumentCheck;
use crate::load::{CacheRule, CacheTimes, Rate, ServerCache};
use crate::openapi::{Fragment, Shapes, mark_of};
use crate::places::Places;

/// Who an upstream says it is, from `initialize` or `server/discover`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerIdentity {
    /// `serverInfo.name`.
    pub name: String,
    /// `serverInfo.title`.
    pub title: Option<String>,
    /// `serverInfo.version`.
    pub version: String,
    /// `instructions`, as the upstream wrote them.
    pub instructions: Option<String>,
    /// The protocol version that is spoken with it.
    pub protocol_version: String,
}

/// A tool as the upstream declares it in `tools/list`. In this order: what calls read comes first.
#[derive(Debug, Clone, PartialEq)]
#[repr(C)]
pub struct ToolDefinition {
    /// The name by which it is called.
    pub name: String,
    /// The schema of `structuredContent`.
    pub output_schema: Option<Value>,
    /// A name for people.
    pub title: Option<String>,
    /// What it does, for people and models.
    pub description: Option<String>,
    /// The schema of its arguments; `{}` where the upstream sent none.
    pub input_schema: Value,
    /// Hints about its behaviour.
    pub annotations: Annotations,
}

/// `annotations` of a tool. `None` means that the upstream did not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Annotations {
    /// It changes nothing.
    pub read_only: Option<bool>,
    /// It may destroy something.
    pub destructive: Option<bool>,
    /// Calling it again with the same arguments has no further effect.
    pub idempotent: Option<bool>,
    /// It reaches beyond its own closed world.
    pub open_world: Option<bool>,
}

impl ToolDefinition {
    /// Reads one entry of `tools/list`. Only a missing or empty name makes it unusable; whatever
    /// else is odd is left out of the definition, so that the tool is still served.
    #[must_use]
    pub fn from_json(entry: &Value) -> Option<Self> {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        let hint =
            |key: &str| entry.pointer(&format!("/annotations/{key}")).and_then(Value::as_bool);
        let name = text("name").filter(|name| !name.is_empty())?;
        let annotated_title =
            || entry.pointer("/annotations/title").and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            name,
            title: text("title").or_else(annotated_title),
            description: text("description"),
            input_schema: entry
                .get("inputSchema")
                .cloned()
                .unwrap_or_else(|| Value::Object(serde_json::Map::new())),
            output_schema: entry.get("outputSchema").filter(|schema| !schema.is_null()).cloned(),
            annotations: Annotations {
                read_only: hint("readOnlyHint"),
                destructive: hint("destructiveHint"),
                idempotent: hint("idempotentHint"),
                open_world: hint("openWorldHint"),
            },
        })
    }
}

/// A tool that can be called: its definition and all that is worked out from it once. In this order:
/// what calls read is on lines side by side, among which is the definition's name.
#[derive(Debug)]
#[repr(C)]
pub struct Tool {
    /// Checks and coerces the arguments of a call.
    pub arguments: ArgumentCheck,
    /// Whether a call whose outcome is unknown may be sent again.
    pub idempotent: bool,
    /// Whether a call may be sent again at all, whatever it came to.
    pub retry: bool,
    /// How long a call may take, where it is another time than that of the upstream.
    pub timeout: Option<Duration>,
    /// Whether it is known to change nothing.
    pub read_only: bool,
    /// Whether equal calls in flight share one; never of a tool that is not read-only.
    pub coalesce: bool,
    /// For how long its answers are kept, by the operator's word; `None` without one.
    pub cache: Option<CacheTimes>,
    /// Whether its answers are kept where the upstream itself says for how long.
    pub cache_as_told: bool,
    /// Calls in flight at most; `None` for as many as its upstream takes.
    pub max_concurrent: Option<NonZeroUsize>,
    /// How often it may be called; `None` for as often as its upstream may.
    pub rate: Option<Rate>,
    /// What the upstream declared.
    pub definition: ToolDefinition,
    /// What is wrong with its declaration, in words for its description and for the log.
    pub notes: Vec<String>,
    /// What documents say of it.
    pub(crate) fragment: Fragment,
}

/// What decides how a catalog is read, from the operator's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogPolicy {
    /// Whether `readOnlyHint` and `idempotentHint` are believed.
    pub trust_annotations: bool,
    /// Tools that are not offered.
    pub disabled_tools: Vec<String>,
    /// What is known of single tools, by name.
    pub tools: BTreeMap<String, ToolPolicy>,
    /// How often a tool may be called that says nothing of its own.
    pub rate: Option<Rate>,
    /// Whether equal calls in flight of read-only tools share one.
    pub coalesce: bool,
    /// Whose answers are kept, and for how long; `None` for none but by a tool's own word.
    pub cache: Option<ServerCache>,
    /// Whether answers are kept where the upstream itself says for how long.
    pub cache_as_told: bool,
}

/// What the operator says of one tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolPolicy {
    /// Whether a call may act twice without harm; `None`: as its annotations say, if trusted.
    pub idempotent: Option<bool>,
    /// Whether a call may be sent again at all, whatever it came to.
    pub retry: bool,
    /// How long a call may take; `None`: as long as the upstream's may.
    pub timeout: Option<Duration>,
    /// Whether it changes nothing; `None`: as its annotations say, if trusted.
    pub read_only: Option<bool>,
    /// Whether equal calls in flight share one; `None`: as for its upstream.
    pub coalesce: Option<bool>,
    /// Whether its answers are kept; `None`: as for its upstream.
    pub cache: Option<CacheRule>,
    /// Calls in flight at most.
    pub max_concurrent: Option<NonZeroUsize>,
    /// How often it may be called.
    pub rate: Option<Rate>,
}

impl Default for CatalogPolicy {
    fn default() -> Self {
        Self {
            trust_annotations: true,
            disabled_tools: Vec::new(),
            tools: BTreeMap::new(),
            rate: None,
            coalesce: true,
            cache: None,
            cache_as_told: true,
        }
    }
}

impl Default for ToolPolicy {
    /// Nothing that would not hold without it.
    fn default() -> Self {
        Self {
            idempotent: None,
            retry: true,
            timeout: None,
            read_only: None,
            coalesce: None,
            cache: None,
            max_concurrent: None,
            rate: None,
        }
    }
}

/// All that one upstream offers at one time.
#[derive(Debug)]
pub struct Catalog {
    /// Who the upstream says it is.
    pub identity: ServerIdentity,
    tools: Vec<Tool>,
    by_name: Places,
    unknown_names: Vec<String>,
    mark: u64,
}

impl Catalog {
    /// Builds the catalog: drops disabled tools and repeated names (the first one stays), compiles
    /// each tool's argument check. Never fails: a broken schema becomes a note of its tool.
    #[must_use]
    pub fn new(
        identity: ServerIdentity,
        definitions: Vec<ToolDefinition>,
        policy: &CatalogPolicy,
    ) -> Self {
        let unknown_names = unknown_names(&definitions, policy);
        let mut tools = Vec::with_capacity(definitions.len());
        let mut by_name = Places::with_capacity(definitions.len());
        for definition in definitions {
            let name = &definition.name;
            let is_known = by_name.find(name, |place| name_at(&tools, place)).is_some();
            if is_known || policy.disabled_tools.contains(name) {
                continue;
            }
            tools.push(Tool::new(definition, policy));
            by_name.add(tools.len() - 1, |place| name_at(&tools, place));
        }
        let mark = mark_of(&tools);
        Self { identity, tools, by_name, unknown_names, mark }
    }

    /// The tool of that name.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        let place = self.by_name.find(name, |place| name_at(&self.tools, place));
        place.map(|place| &self.tools[place])
    }

    /// Names that the operator's configuration says something of and the upstream does not offer,
    /// sorted.
    #[must_use]
    pub fn unknown_names(&self) -> &[String] {
        &self.unknown_names
    }

    /// Whether both say the same of the same upstream, and the operator says the same of both.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |(one, two): (&Tool, &Tool)| {
            one.definition == two.definition && one.treatment() == two.treatment()
        };
        self.identity == other.identity
            && self.unknown_names == other.unknown_names
            && self.tools.len() == other.tools.len()
            && self.tools.iter().zip(&other.tools).all(same)
    }

    /// Stands for all that documents show of the tools.
    pub(crate) const fn mark(&self) -> u64 {
        self.mark
    }

    /// All tools, in the upstream's order.
    #[must_use]
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }
}

impl Tool {
    fn new(definition: ToolDefinition, policy: &CatalogPolicy) -> Self {
        let said = policy.tools.get(&definition.name).copied().unwrap_or_default();
        let (arguments, checking) = ArgumentCheck::compile(&definition.input_schema);
        let hints = definition.annotations;
        let trusted = |hint: Option<bool>| policy.trust_annotations && hint == Some(true);
        let read_only = said.read_only.unwrap_or(trusted(hints.read_only));
        let cache = match said.cache {
            Some(CacheRule::Never) => None,
            Some(CacheRule::Keep(times)) => Some(times),
            None => policy
                .cache
                .as_ref()
                .filter(|cache| read_only && cache.means(&definition.name))
                .map(|cache| cache.times),
        };
        let shapes = Shapes::of(&definition);
        let mut notes = Vec::new();
        for note in checking.into_iter().chain(shapes.notes()) {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        Self {
            arguments,
            // What changes nothing can be repeated.
            idempotent: said.idempotent.unwrap_or(read_only || trusted(hints.idempotent)),
            retry: said.retry,
            timeout: said.timeout,
            read_only,
            coalesce: read_only && said.coalesce.unwrap_or(policy.coalesce),
            cache,
            cache_as_told: read_only
                && policy.cache_as_told
                && said.cache != Some(CacheRule::Never),
            max_concurrent: said.max_concurrent,
            rate: said.rate.or(policy.rate),
            fragment: shapes.fragment(&definition, &notes),
            notes,
            definition,
        }
    }

    /// All that the operator decides.
    fn treatment(&self) -> impl PartialEq {
        let repeated = (self.idempotent, self.retry, self.timeout);
        let shared = (self.read_only, self.coalesce, self.cache, self.cache_as_told);
        (repeated, shared, self.max_concurrent, self.rate)
    }
}

fn name_at(tools: &[Tool], place: usize) -> &str {
    &tools[place].definition.name
}

fn unknown_names(definitions: &[ToolDefinition], policy: &CatalogPolicy) -> Vec<String> {
    let said = policy.disabled_tools.iter().chain(policy.tools.keys());
    let is_unknown = |name: &&String| definitions.iter().all(|offered| offered.name != **name);
    let unknown: BTreeSet<&String> = said.filter(is_unknown).collect();
    unknown.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests;
