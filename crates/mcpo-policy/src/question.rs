//! What a call asks, of whom and for whom. Equal questions may share an answer, and no others.

use std::cell::RefCell;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use ahash::RandomState;
use mcpo_core::canonical::canonical;

use crate::pipeline::Call;

/// Calls with longer arguments share nothing: they are hardly asked twice, and are kept as a key.
const ARGUMENTS_BYTES_MAX: usize = 64 << 10;

/// A thread holds on to no more than that for the questions that it makes: most are far shorter.
const SCRATCH_BYTES_MAX: usize = 8 << 10;

/// Where the name of the tool stands in a question, with its length before it: behind two numbers
/// and a mark.
const TOOL_AT: usize = 17;

thread_local! {
    /// Where a question is put together: how long it will be is only known then.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The incarnation of the upstream, the version of its catalog, the tool, the identity and the
/// canonical arguments, each kept apart from the next. Cheap to clone. Those whose hashes are the
/// same are compared in full.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Question {
    hash: u64,
    bytes: Arc<[u8]>,
}

/// Makes questions. Their hashes are keyed by chance, so that nobody can make many that are the same.
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
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            write(call, scratch)?;
            let hash = self.hasher.hash_one(scratch.as_slice());
            let question = Question { hash, bytes: Arc::from(scratch.as_slice()) };
            scratch.shrink_to(SCRATCH_BYTES_MAX);
            Some(question)
        })
    }
}

fn write(call: &Call<'_>, out: &mut Vec<u8>) -> Option<()> {
    let (tool, identity) = (call.tool.definition.name.as_bytes(), call.identity.name());
    out.extend_from_slice(&call.upstream.incarnation().to_le_bytes());
    out.extend_from_slice(&call.upstream.view.catalog_version.to_le_bytes());
    out.push(u8::from(identity.is_some()));
    debug_assert_eq!(out.len(), TOOL_AT);
    for part in [tool, identity.unwrap_or_default().as_bytes()] {
        out.extend_from_slice(&part.len().to_le_bytes());
        out.extend_from_slice(part);
    }
    canonical(&call.arguments, out)
}

// === impl Question ===

impl Question {
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// It is asked of a tool of that name.
    pub(crate) fn is_of_tool(&self, tool: &str) -> bool {
        let from = TOOL_AT + size_of::<usize>();
        self.bytes.get(TOOL_AT..from) == Some(&tool.len().to_le_bytes())
            && self.bytes[from..].starts_with(tool.as_bytes())
    }

    /// One of that hash that no call asks.
    #[cfg(test)]
    pub(crate) fn test(hash: u64, index: usize) -> Self {
        Self { hash, bytes: index.to_le_bytes().as_slice().into() }
    }

    /// What it takes in memory, with the counters of its allocation.
    pub(crate) fn bytes(&self) -> usize {
        2 * size_of::<usize>() + self.bytes.len()
    }
}

impl Hash for Question {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

// Arguments and identities are not for logs.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question({:016x})", self.hash)
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
