//! From one configuration to the next: which upstreams start, stop, are replaced, or stay.

use crate::server::{Server, ServerName};

/// What turns the upstreams of one configuration into those of another. Every server of either
/// stands in exactly one list. Start-up is the plan from none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// New ones.
    pub start: Vec<Server>,
    /// Gone ones.
    pub stop: Vec<ServerName>,
    /// Same name, but reached or spoken to differently: their sessions end.
    pub replace: Vec<Server>,
    /// Their sessions stay; timeout and catalog policy may be new, so the new value stands here.
    pub keep: Vec<Server>,
}

impl Plan {
    /// The plan from `old` to `new`. Names are unique in either.
    #[must_use]
    pub fn between(old: &[Server], new: &[Server]) -> Self {
        let mut plan = Self::default();
        for server in new {
            match old.iter().find(|running| running.name == server.name) {
                None => plan.start.push(server.clone()),
                Some(running) if running.is_same_upstream(server) => plan.keep.push(server.clone()),
                Some(_) => plan.replace.push(server.clone()),
            }
        }
        let gone =
            old.iter().filter(|running| !new.iter().any(|server| server.name == running.name));
        plan.stop = gone.map(|running| running.name.clone()).collect();
        plan
    }

    /// Whether no session is touched.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.start.is_empty() && self.stop.is_empty() && self.replace.is_empty()
    }
}

#[cfg(test)]
mod tests;
