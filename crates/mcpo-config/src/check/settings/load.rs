//! What is taken in hand at once, how often, and what is kept of it: variables, for the whole and
//! for every server that says nothing of its own.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::HeaderName;
use mcpo_core::load::{CacheTimes, Rate, ServerCache, ServerLoad};

use super::{Reader, Typed};
use crate::check::{load, values};
use crate::config::{CacheBounds, Load};

/// What holds for a server of which the file says nothing.
#[derive(Debug, Clone)]
pub(crate) struct ServerDefaults {
    pub(crate) load: ServerLoad,
    /// How often each of its tools may be called.
    pub(crate) tool_rate: Option<Rate>,
    /// Whether equal calls in flight share one.
    pub(crate) coalesce: bool,
    /// Of which read-only tools the answers are kept.
    pub(crate) cache: Option<ServerCache>,
    /// For how long, where a cache is asked for without saying.
    pub(crate) ttl: Duration,
}

/// Connections and calls of any setting: more than any machine has ports for.
const COUNT_MAX: usize = 1_000_000;

// === impl Reader ===

impl Reader<'_> {
    pub(super) fn load(&mut self) -> Load {
        let defaults = Load::default();
        Load {
            max_concurrent: self.count("MCPO_MAX_CONCURRENT").unwrap_or(defaults.max_concurrent),
            max_per_identity: self.count("MCPO_MAX_CONCURRENT_PER_IDENTITY"),
            identity_header: self.header_name("MCPO_IDENTITY_HEADER"),
            rate: self.rate("MCPO_RATE_LIMIT"),
            guard: self.switch("MCPO_OVERLOAD_GUARD").unwrap_or(defaults.guard),
            max_connections: self.count("MCPO_MAX_CONNECTIONS").unwrap_or(defaults.max_connections),
            cache: self.cache_bounds(),
        }
    }

    pub(super) fn server_defaults(&mut self) -> ServerDefaults {
        let ttl = self.variable("MCPO_CACHE_DEFAULT_TTL");
        let ttl = self.value(ttl, values::seconds).unwrap_or(CacheBounds::TTL);
        let usual = ServerLoad::default();
        ServerDefaults {
            load: ServerLoad {
                max_concurrent: self
                    .count("MCPO_SERVER_MAX_CONCURRENT")
                    .unwrap_or(usual.max_concurrent),
                adaptive: self.switch("MCPO_ADAPTIVE_LIMIT").unwrap_or(usual.adaptive),
                rate: self.rate("MCPO_SERVER_RATE_LIMIT"),
                ..usual
            },
            tool_rate: self.rate("MCPO_TOOL_RATE_LIMIT"),
            coalesce: self.switch("MCPO_COALESCE").unwrap_or(true),
            cache: self.cache_tools(ttl),
            ttl,
        }
    }

    fn cache_bounds(&mut self) -> CacheBounds {
        let defaults = CacheBounds::default();
        let bytes = self.variable("MCPO_CACHE_MAX_BYTES");
        let bytes = self.value(bytes, values::bytes).and_then(NonZeroUsize::new);
        CacheBounds {
            enabled: self.switch("MCPO_CACHE_ENABLED").unwrap_or(defaults.enabled),
            entries_max: self.count("MCPO_CACHE_MAX_SIZE").unwrap_or(defaults.entries_max),
            bytes_max: bytes.unwrap_or(defaults.bytes_max),
        }
    }

    /// Patterns of names, with commas between them.
    fn cache_tools(&mut self, ttl: Duration) -> Option<ServerCache> {
        let Typed { text, .. } = self.variable("MCPO_CACHE_TOOLS")?;
        let patterns = text.split(',').map(str::trim).filter(|pattern| !pattern.is_empty());
        let tools: Vec<String> = patterns.map(str::to_owned).collect();
        (!tools.is_empty()).then(|| ServerCache { times: CacheTimes::of(ttl), tools })
    }

    fn count(&mut self, variable: &str) -> Option<NonZeroUsize> {
        let typed = self.variable(variable);
        self.value(typed, |text| values::whole(text, 1, COUNT_MAX)).and_then(NonZeroUsize::new)
    }

    fn rate(&mut self, variable: &str) -> Option<Rate> {
        let typed = self.variable(variable);
        self.value(typed, load::rate)
    }

    fn header_name(&mut self, variable: &str) -> Option<HeaderName> {
        let typed = self.variable(variable);
        self.value(typed, |text| {
            HeaderName::from_bytes(text.trim().as_bytes())
                .map_err(|_| "is no name of a header: letters, digits and `-` only".to_owned())
        })
    }
}
