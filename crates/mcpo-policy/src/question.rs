//! What a call asks, of whom and for whom. Equal questions may share an answer, and no others.

use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::Arc;

use mcpo_core::canonical::canonical;

use crate::pipeline::Call;

/// Calls with longer arguments share nothing: they are hardly asked twice, and are kept as a key.
const ARGUMENTS_BYTES_MAX: usize = 64 << 10;

/// The incarnation of the upstream, the version of its catalog, the tool, the identity and the
/// canonical arguments, each kept apart from the next. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Question(Arc<Asked>);

#[derive(PartialEq, Eq)]
struct Asked {
    hash: u64,
    bytes: Vec<u8>,
}

/// Makes questions. Their hashes are keyed, so that nobody can make many that are the same.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    hasher: RandomState,
}

/// Takes a question's hash for its own.
#[derive(Debug, Default)]
pub(crate) struct Hashed(u64);

/// Makes maps by questions.
pub(crate) type ByQuestion = BuildHasherDefault<Hashed>;

// === impl Questions ===

impl Questions {
    /// What the call asks; `None` where that cannot be compared.
    pub(crate) fn of(&self, call: &Call<'_>) -> Option<Question> {
        if call.arguments.len() > ARGUMENTS_BYTES_MAX {
            return None;
        }
        let (tool, identity) = (call.tool.definition.name.as_bytes(), call.identity.name());
        let named = identity.unwrap_or_default().as_bytes();
        let mut bytes = Vec::with_capacity(33 + tool.len() + named.len() + call.arguments.len());
        bytes.extend_from_slice(&call.upstream.incarnation().to_le_bytes());
        bytes.extend_from_slice(&call.upstream.view.catalog_version.to_le_bytes());
        bytes.push(u8::from(identity.is_some()));
        for part in [named, tool] {
            bytes.extend_from_slice(&part.len().to_le_bytes());
            bytes.extend_from_slice(part);
        }
        canonical(&call.arguments, &mut bytes)?;
        Some(Question(Arc::new(Asked { hash: self.hasher.hash_one(bytes.as_slice()), bytes })))
    }
}

// === impl Question ===

impl Question {
    pub(crate) fn hash(&self) -> u64 {
        self.0.hash
    }

    /// One of that hash that no call asks.
    #[cfg(test)]
    pub(crate) fn test(hash: u64, index: usize) -> Self {
        Self(Arc::new(Asked { hash, bytes: index.to_le_bytes().to_vec() }))
    }

    /// What it takes in memory, its own allocations included.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Asked>() + self.0.bytes.capacity()
    }
}

impl Hash for Question {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

// Arguments and identities are not for logs.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question({:016x})", self.0.hash)
    }
}

// === impl Hashed ===

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
