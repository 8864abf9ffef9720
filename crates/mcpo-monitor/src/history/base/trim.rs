//! Dropping what is too old, and the oldest where there is too much.
//!
//! The library doubles its file when it has no page left. So there is too much when the file could
//! not be doubled within the bound, and is filled to [`FULL_SHARE`].

use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use super::{Base, EVENTS, FACT_LAST, FACT_STEADY, FACTS, FRAMES, QUARTERS};
use crate::history::Bounds;
use crate::history::failure::{Failure, guarded};

/// So much of the file may be used before something is dropped; the rest is for pages that are
/// written anew before the old ones are free, and for what doubling blocks leave between them.
const FULL_SHARE: f64 = 0.7;
/// So much of it is used after something was dropped: dropping is rare.
const LEFT_SHARE: f64 = 0.6;
/// What each table may have of it when not all fit: frames, roll-ups, events.
const TABLE_SHARES: [f64; 3] = [0.6, 0.3, 0.1];
/// Only a clock that ran steadily for so long decides what is old: one that jumped ahead, and is
/// put right soon, costs nothing.
pub(super) const STEADY_SECONDS: u64 = 3600;
/// What is further ahead than this was written under a wrong clock.
const AHEAD_SECONDS_MAX: u64 = 24 * 3600;
/// Bytes that the library adds to an entry.
const ENTRY_BYTES: usize = 32;

/// How much was written since it was last seen how much there is.
#[derive(Debug, Default)]
pub(super) struct Pace {
    used: Option<u64>,
    written_since: u64,
}

// === impl Pace ===

impl Pace {
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written_since += (bytes + ENTRY_BYTES) as u64;
    }

    /// Whether there may be too much. An entry may take twice its bytes, since blocks come in
    /// powers of two.
    pub(super) fn may_be_full(&self, length: u64, bounds: Bounds) -> bool {
        let Some(used) = self.used else { return cannot_grow(length, bounds) };
        cannot_grow(length, bounds) && used + 2 * self.written_since > share(length, FULL_SHARE)
    }

    fn seen(&mut self, used: u64) {
        *self = Self { used: Some(used), written_since: 0 };
    }
}

fn cannot_grow(length: u64, bounds: Bounds) -> bool {
    length > bounds.bytes_max / 2
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a number of bytes, which is far below 2^52"
)]
fn share(bytes: u64, share: f64) -> u64 {
    (bytes as f64 * share) as u64
}

// === impl Base ===

impl Base {
    /// Drops what is too old at that time, and the oldest where there is too much.
    pub(in crate::history) fn trim(&self, at: u64) -> Result<(), Failure> {
        guarded(|| {
            let write = self.database.begin_write()?;
            drop_old(&write, at, self.bounds)?;
            let length = self.length();
            let may_be_full = self.pace().may_be_full(length, self.bounds);
            let used = if may_be_full { Some(drop_oldest(&write, at, length)?) } else { None };
            write.commit()?;
            if let Some(used) = used {
                self.pace().seen(used);
            }
            Ok(())
        })
    }
}

fn drop_old(write: &WriteTransaction, at: u64, bounds: Bounds) -> Result<(), redb::Error> {
    let facts = write.open_table(FACTS)?;
    let fact = |name| facts.get(name).map(|fact| fact.map(|fact| fact.value()));
    let (last, steady_since) = (fact(FACT_LAST)?, fact(FACT_STEADY)?);
    let is_steady = steady_since.is_some_and(|since| at >= since + STEADY_SECONDS)
        && last.is_some_and(|last| at.abs_diff(last) < STEADY_SECONDS);
    if !is_steady {
        return Ok(());
    }
    let before = |seconds| at.saturating_sub(seconds);
    write.open_table(FRAMES)?.retain_in(..before(bounds.full_seconds), |_, _| false)?;
    write.open_table(QUARTERS)?.retain_in(..before(bounds.rolled_seconds), |_, _| false)?;
    let events_before = (before(bounds.events_seconds).saturating_mul(1000), 0);
    write.open_table(EVENTS)?.retain_in(..events_before, |_, _| false)?;
    Ok(())
}

/// Drops the oldest if there is too much; what is left, in bytes.
fn drop_oldest(write: &WriteTransaction, at: u64, length: u64) -> Result<u64, redb::Error> {
    let mut frames = write.open_table(FRAMES)?;
    let mut quarters = write.open_table(QUARTERS)?;
    let mut events = write.open_table(EVENTS)?;
    let used = [bytes_of(&frames)?, bytes_of(&quarters)?, bytes_of(&events)?];
    let all: u64 = used.iter().sum();
    // Close below the limit, too: else it is looked at again after every frame.
    if all < share(length, (FULL_SHARE + LEFT_SHARE) / 2.0) {
        return Ok(all);
    }
    frames.retain_in(at.saturating_add(AHEAD_SECONDS_MAX).., |_, _| false)?;
    let left = share(length, LEFT_SHARE);
    let over = [0, 1, 2].map(|table| used[table].saturating_sub(share(left, TABLE_SHARES[table])));
    let over_all: u64 = over.iter().sum::<u64>().max(1);
    let to_drop = over.map(|over| all.saturating_sub(left) * over / over_all);
    pop(&mut frames, to_drop[0])?;
    pop(&mut quarters, to_drop[1])?;
    pop(&mut events, to_drop[2])?;
    Ok(left)
}

fn bytes_of(table: &impl ReadableTableMetadata) -> Result<u64, redb::Error> {
    let stats = table.stats()?;
    Ok(stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes())
}

/// Drops the oldest entries of a table until so many bytes of pages are free.
fn pop<K: redb::Key + 'static>(
    table: &mut Table<'_, K, &'static [u8]>,
    bytes: u64,
) -> Result<(), redb::Error> {
    let stats = table.stats()?;
    let (stored, all) = (stats.stored_bytes().max(1), bytes_of(table)?.max(1));
    // Pages are never full: so many bytes of entries free so many of pages.
    let mut left = bytes.saturating_mul(stored) / all;
    while left > 0 {
        let Some((_, value)) = table.pop_first()? else { break };
        left = left.saturating_sub((value.value().len() + ENTRY_BYTES) as u64);
    }
    Ok(())
}
