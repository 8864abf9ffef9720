//! For whom a call is made.

use std::fmt;
use std::sync::Arc;

/// For whom a call is made: bounds, rates and answers that are kept are never shared between two.
/// Cheap to clone. Not for logs: it may name a person.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(Option<Arc<str>>);

impl Identity {
    /// Whoever calls without a name of their own: all of them are one.
    pub const COMMON: Self = Self(None);

    /// One that the downstream names.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(Some(name.into()))
    }

    /// Its name, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Identity(named)" } else { "Identity(common)" })
    }
}
