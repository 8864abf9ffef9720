//! Calls that carry a key of their caller's (`Idempotency-Key`,
//! draft-ietf-httpapi-idempotency-key-header) are answered once: a repeated one joins the call
//! under way, or gets the reply that is kept of it.
//!
//! ```text
//!             a call comes                answered               too old, or no room
//!   (unknown) ------------> Slot under way --------> Slot with its reply --------> (unknown)
//!                             |        ^
//!                 no reply, or dropped | the next that waits has its turn;
//!                             +--------+ nobody waits: (unknown)
//! ```

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mcpo_mcp::answer::Answer;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// The longest key. The draft leaves the bound to the server; those that publish one use 255.
pub const KEY_BYTES_MAX: usize = 255;

/// How much is kept of calls that were answered, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdempotencyPolicy {
    /// Replies kept at most; then the oldest goes.
    pub entries_max: usize,
    /// Bytes that they take at most; then the oldest goes.
    pub bytes_max: usize,
    /// How long a reply is kept: longer than a caller's own retries go on.
    pub ttl: Duration,
}

/// Why a call is not made for its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyMisused {
    /// The key is empty, or longer than [`KEY_BYTES_MAX`].
    #[error("the idempotency key is empty or too long")]
    BadKey,
    /// The key stands for a call of the same tool with other arguments.
    #[error("the idempotency key was used with other arguments")]
    OtherArguments,
}

/// What a key stands for: the same key means nothing to another tool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keyed<'a> {
    pub(crate) upstream: &'a str,
    pub(crate) tool: &'a str,
    pub(crate) key: &'a str,
    pub(crate) arguments: &'a [u8],
}

/// What a call with a key is to do.
#[derive(Debug)]
pub(crate) enum Claim<'s> {
    /// Nothing: this is its answer.
    Answered(Answer),
    /// It is to be sent.
    Ours(Lead<'s>),
    /// Nothing: another one is under way and did not end before this one's deadline.
    NotInTime {
        /// Whether that one may have acted.
        may_have_acted: bool,
    },
}

/// The calls under way and the replies kept. Takes no memory before its first key.
#[derive(Debug)]
pub(crate) struct Store {
    policy: IdempotencyPolicy,
    hasher: RandomState,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    slots: HashMap<Arc<Id>, Entry>,
    /// What was answered, oldest first.
    answered: VecDeque<Record>,
    /// Of all that was answered.
    bytes: usize,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Id {
    upstream: Box<str>,
    tool: Box<str>,
    key: Box<str>,
}

#[derive(Debug)]
struct Entry {
    slot: Arc<Slot>,
    /// Calls that wait for their turn or have it.
    holders: usize,
}

#[derive(Debug)]
struct Record {
    id: Arc<Id>,
    at: Instant,
    bytes: usize,
}

/// One key's call.
#[derive(Debug)]
struct Slot {
    /// Hash and length of the arguments: 64 keyed bits tell a mistake of the caller's, and it
    /// would not pay to keep the arguments themselves.
    arguments: (u64, usize),
    /// One permit: whoever has it makes the call. Closed once there is an answer.
    turn: Semaphore,
    answer: OnceLock<Answer>,
    /// One of those who had their turn may have acted, and got no reply.
    may_have_acted: AtomicBool,
}

/// A call that waits for its turn or has it. Dropping it forgets a key without an answer that
/// nobody else holds.
#[derive(Debug)]
struct Holder<'s> {
    store: &'s Store,
    id: Arc<Id>,
    slot: Arc<Slot>,
}

/// The right to make a key's call. Dropping it without an answer gives the turn to the next.
#[derive(Debug)]
pub(crate) struct Lead<'s> {
    holder: Holder<'s>,
}

/// What an entry takes beside its texts and its reply: its share of the map, the queue and the
/// three allocations, rounded up.
const ENTRY_BYTES: usize = 320;

impl Default for IdempotencyPolicy {
    /// 10,000 replies, 64 MiB, 10 minutes.
    fn default() -> Self {
        Self { entries_max: 10_000, bytes_max: 64 * 1024 * 1024, ttl: Duration::from_mins(10) }
    }
}

// === impl Store ===

impl Store {
    pub(crate) fn new(policy: IdempotencyPolicy) -> Self {
        Self { policy, hasher: RandomState::new(), kept: Mutex::default() }
    }

    /// Finds out what a call is to do; waits until the deadline for one under way.
    ///
    /// Cancel-safe: dropping it leaves the call under way to those who wait beside it.
    pub(crate) async fn claim(
        &self,
        keyed: Keyed<'_>,
        deadline: Instant,
    ) -> Result<Claim<'_>, KeyMisused> {
        let holder = self.hold(keyed)?;
        let slot = Arc::clone(&holder.slot);
        match timeout_at(deadline, slot.turn.acquire()).await {
            Ok(Ok(permit)) => {
                permit.forget();
                Ok(Claim::Ours(Lead { holder }))
            }
            Ok(Err(_closed)) => {
                let answer = slot.answer.get().expect("the turns end with an answer");
                Ok(Claim::Answered(share(answer)))
            }
            Err(_) => {
                Ok(Claim::NotInTime { may_have_acted: slot.may_have_acted.load(Ordering::Relaxed) })
            }
        }
    }

    fn hold(&self, keyed: Keyed<'_>) -> Result<Holder<'_>, KeyMisused> {
        if keyed.key.is_empty() || keyed.key.len() > KEY_BYTES_MAX {
            return Err(KeyMisused::BadKey);
        }
        let arguments = (self.hasher.hash_one(keyed.arguments), keyed.arguments.len());
        let id = Arc::new(Id {
            upstream: keyed.upstream.into(),
            tool: keyed.tool.into(),
            key: keyed.key.into(),
        });
        let mut kept = self.lock();
        kept.forget_older_than(self.policy.ttl);
        let entry = kept.slots.entry(Arc::clone(&id)).or_insert_with(|| Entry::new(arguments));
        if entry.slot.arguments != arguments {
            return Err(KeyMisused::OtherArguments);
        }
        entry.holders += 1;
        Ok(Holder { store: self, id, slot: Arc::clone(&entry.slot) })
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Kept ===

impl Kept {
    fn forget_older_than(&mut self, ttl: Duration) {
        while self.answered.front().is_some_and(|oldest| oldest.at.elapsed() >= ttl) {
            self.forget_oldest();
        }
    }

    fn keep(&mut self, record: Record, policy: &IdempotencyPolicy) {
        self.bytes += record.bytes;
        self.answered.push_back(record);
        while self.answered.len() > policy.entries_max || self.bytes > policy.bytes_max {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.answered.pop_front() {
            self.bytes -= oldest.bytes;
            self.slots.remove(&oldest.id);
        }
    }
}

impl Entry {
    fn new(arguments: (u64, usize)) -> Self {
        let slot = Slot {
            arguments,
            turn: Semaphore::new(1),
            answer: OnceLock::new(),
            may_have_acted: AtomicBool::new(false),
        };
        Self { slot: Arc::new(slot), holders: 0 }
    }
}

// === impl Holder ===

impl Drop for Holder<'_> {
    fn drop(&mut self) {
        let mut kept = self.store.lock();
        // It may be forgotten by now, and the key be another call's.
        let ours =
            kept.slots.get_mut(&self.id).filter(|entry| Arc::ptr_eq(&entry.slot, &self.slot));
        let Some(entry) = ours else { return };
        entry.holders -= 1;
        if entry.holders == 0 && self.slot.answer.get().is_none() {
            kept.slots.remove(&self.id);
        }
    }
}

// === impl Lead ===

impl Lead<'_> {
    /// Whether a call that had its turn before may have acted.
    pub(crate) fn may_have_acted(&self) -> bool {
        self.holder.slot.may_have_acted.load(Ordering::Relaxed)
    }

    /// Says whether the call may have acted so far, should it be dropped now.
    pub(crate) fn set_may_have_acted(&self, may_have_acted: bool) {
        self.holder.slot.may_have_acted.store(may_have_acted, Ordering::Relaxed);
    }

    /// Keeps the answer for all who come with the same key.
    pub(crate) fn answered(self, answer: &Answer) {
        let Holder { store, id, slot } = &self.holder;
        if slot.answer.set(copy(answer)).is_err() {
            return;
        }
        let bytes = ENTRY_BYTES + id.bytes() + bytes_of(answer);
        let record = Record { id: Arc::clone(id), at: Instant::now(), bytes };
        store.lock().keep(record, &store.policy);
        slot.turn.close();
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if !self.holder.slot.turn.is_closed() {
            self.holder.slot.turn.add_permits(1);
        }
    }
}

impl Id {
    fn bytes(&self) -> usize {
        self.upstream.len() + self.tool.len() + self.key.len()
    }
}

/// A copy of its own: a result is a slice of a read buffer, which it would keep alive.
fn copy(answer: &Answer) -> Answer {
    match answer {
        Answer::Result(raw) => Answer::Result(Bytes::copy_from_slice(raw)),
        Answer::Error(error) => Answer::Error(error.clone()),
    }
}

/// The same answer once more; a result's bytes are shared.
fn share(answer: &Answer) -> Answer {
    match answer {
        Answer::Result(raw) => Answer::Result(raw.clone()),
        Answer::Error(error) => Answer::Error(error.clone()),
    }
}

fn bytes_of(answer: &Answer) -> usize {
    match answer {
        Answer::Result(raw) => raw.len(),
        Answer::Error(error) => {
            error.message.len() + error.data.as_ref().map_or(0, |data| data.get().len())
        }
    }
}

#[cfg(test)]
mod tests;
