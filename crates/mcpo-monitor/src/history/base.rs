//! The tables, in a file or in memory, and what is done with them in one transaction each.
//!
//! A frame is one value under its time, so that a sample costs one write whatever the number of
//! upstreams. Roll-ups are made from the frames of a quarter of an hour as soon as it is over, in
//! the transaction of the first frame after it: a restart in between loses none of it.

mod backend;
mod trim;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::{
    Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, Table,
    TableDefinition, TableHandle, WriteTransaction,
};

use super::failure::{Failure, guarded};
use super::fold::Fold;
use super::frame::{self, WHOLE};
use super::{Bounds, Frame, KeptEvent};

/// The tables' format. Raised when older programs would misread it.
const VERSION: u64 = 1;

/// Samples as they came, by seconds since the Unix epoch.
pub(super) const FRAMES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("frames");
/// Roll-ups, by the start of their quarter of an hour.
pub(super) const QUARTERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("quarters");
/// Events as JSON, by milliseconds since the Unix epoch, and one after the other within one.
pub(super) const EVENTS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("events");
/// Single numbers.
const FACTS: TableDefinition<'_, &str, u64> = TableDefinition::new("facts");
const FACT_VERSION: &str = "version";
/// When the frame was made that was written last; the clock may have been set back since others.
const FACT_LAST: &str = "last";
/// Since when the clock runs without a jump.
const FACT_STEADY: &str = "steady_since";

/// Seconds of one roll-up.
pub(super) const QUARTER_SECONDS: u64 = 900;
/// A frame stands for the time since the one before, but no longer than the longest interval of
/// samples: what is longer is time in which nothing ran.
const COVERED_SECONDS_MAX: u64 = 300;
/// A frame after a pause stands for the usual interval.
const COVERED_SECONDS_USUAL: u32 = 30;
/// Pages that are kept at hand: an index and a few leaves, whatever the size of the file.
const CACHE_BYTES: usize = 1024 * 1024;
/// What is held in memory anyway needs no pages at hand.
const CACHE_BYTES_IN_MEMORY: usize = 64 * 1024;
/// Of a sentence that is longer, the rest is cut off.
const SENTENCE_BYTES_MAX: usize = 1024;

/// An open history.
#[derive(Debug)]
pub(super) struct Base {
    database: Database,
    length: Arc<AtomicU64>,
    bounds: Bounds,
    pace: Mutex<trim::Pace>,
    /// Nobody else opens it as long as this is held.
    _lock: Option<std::fs::File>,
}

// === impl Base: opening ===

impl Base {
    /// An empty one that ends with the process.
    pub(super) fn in_memory(bounds: Bounds) -> Result<Self, Failure> {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES_IN_MEMORY);
        Self::with(&builder, redb::backends::InMemoryBackend::new(), bounds)
    }

    /// The one that the backend has, or a new one where that is empty. All of it is read and
    /// checked.
    pub(super) fn open(backend: impl StorageBackend, bounds: Bounds) -> Result<Self, Failure> {
        let mut builder = Builder::new();
        // Without the check a file that a disk or a person damaged is trusted, and costs a panic
        // some day. With it, a start reads the whole file once.
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        Self::with(&builder, backend, bounds)
    }

    fn with(
        builder: &Builder,
        backend: impl StorageBackend,
        bounds: Bounds,
    ) -> Result<Self, Failure> {
        let length = Arc::default();
        let backend = backend::Measured::new(backend, Arc::clone(&length));
        let database = guarded(|| {
            let database = builder.create_with_backend(backend)?;
            claim(&database)?;
            Ok(database)
        })?;
        let pace = Mutex::default();
        Ok(Self { database, length, bounds, pace, _lock: None })
    }

    /// The same, with what keeps others from opening it.
    pub(super) fn locked_by(self, lock: std::fs::File) -> Self {
        Self { _lock: Some(lock), ..self }
    }

    /// Bytes that it takes, on disk or in memory.
    pub(super) fn length(&self) -> u64 {
        self.length.load(Ordering::Relaxed)
    }
}

/// Makes the tables, or sees that they are ours.
fn claim(database: &Database) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    let known = [FRAMES.name(), QUARTERS.name(), EVENTS.name(), FACTS.name()];
    let is_new = write.list_tables()?.next().is_none();
    if write.list_tables()?.any(|table| !known.contains(&table.name())) {
        return Err(redb::Error::Corrupted("somebody else's tables are in it".to_owned()));
    }
    {
        let mut facts = write.open_table(FACTS)?;
        let version = facts.get(FACT_VERSION)?.map(|version| version.value());
        match version {
            Some(VERSION) => {}
            None if is_new => {
                facts.insert(FACT_VERSION, VERSION)?;
            }
            Some(_) | None => {
                let other = "another version of the program wrote it".to_owned();
                return Err(redb::Error::Corrupted(other));
            }
        }
        let _frames = write.open_table(FRAMES)?;
        let _quarters = write.open_table(QUARTERS)?;
        let _events = write.open_table(EVENTS)?;
    }
    write.commit()?;
    Ok(())
}

// === impl Base: writing ===

impl Base {
    /// Keeps a frame that is [bounded](frame::bounded), and drops what is too old or too much.
    pub(super) fn append(&self, frame: &Frame) -> Result<(), Failure> {
        let is_new_quarter = guarded(|| {
            let write = self.database.begin_write()?;
            let (is_new_quarter, bytes) = append_in(&write, frame)?;
            write.commit()?;
            self.pace().wrote(bytes);
            Ok(is_new_quarter)
        })?;
        let may_be_full = self.pace().may_be_full(self.length(), self.bounds);
        if is_new_quarter || may_be_full {
            self.trim(frame.at)?;
        }
        Ok(())
    }

    /// Keeps events.
    pub(super) fn append_events(&self, events: &[KeptEvent]) -> Result<(), Failure> {
        guarded(|| {
            let write = self.database.begin_write()?;
            let mut table = write.open_table(EVENTS)?;
            let mut bytes = 0;
            for event in events {
                bytes += append_event_in(&mut table, event)?;
            }
            drop(table);
            write.commit()?;
            self.pace().wrote(bytes);
            Ok(())
        })
    }

    /// Takes over all that another one has.
    pub(super) fn take_over(&self, other: &Self) -> Result<(), Failure> {
        guarded(|| {
            let read = other.database.begin_read()?;
            let write = self.database.begin_write()?;
            for definition in [FRAMES, QUARTERS] {
                let (from, mut to) = (read.open_table(definition)?, write.open_table(definition)?);
                for entry in from.iter()? {
                    let (key, value) = entry?;
                    to.insert(key.value(), value.value())?;
                }
            }
            let mut events = write.open_table(EVENTS)?;
            for entry in read.open_table(EVENTS)?.iter()? {
                if let Some(event) = event_of(entry?.1.value()) {
                    append_event_in(&mut events, &event)?;
                }
            }
            drop(events);
            write.commit()?;
            self.pace().wrote(usize::try_from(other.length()).unwrap_or(usize::MAX / 2));
            Ok(())
        })
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, trim::Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the frame is the first of its quarter, and how many bytes were written.
fn append_in(write: &WriteTransaction, frame: &Frame) -> Result<(bool, usize), redb::Error> {
    let mut facts = write.open_table(FACTS)?;
    let mut frames = write.open_table(FRAMES)?;
    let last = facts.get(FACT_LAST)?.map(|last| last.value());
    let is_new_quarter = last.is_none_or(|last| quarter(last) != quarter(frame.at));
    let mut written = 0;
    if let Some(last) = last.filter(|_| is_new_quarter) {
        let mut quarters = write.open_table(QUARTERS)?;
        if let Some(rolled) = rolled_up(&frames, quarter(last))? {
            quarters.insert(quarter(last), rolled.as_slice())?;
            written += rolled.len();
        }
    }
    let bytes = frame::encode(covered_seconds(last, frame.at), frame);
    frames.insert(frame.at, bytes.as_slice())?;
    facts.insert(FACT_LAST, frame.at)?;
    if last.is_none_or(|last| last.abs_diff(frame.at) >= trim::STEADY_SECONDS) {
        facts.insert(FACT_STEADY, frame.at)?;
    }
    Ok((is_new_quarter, written + bytes.len()))
}

fn covered_seconds(last: Option<u64>, at: u64) -> u32 {
    let since = last.and_then(|last| at.checked_sub(last));
    since
        .filter(|since| (1..=COVERED_SECONDS_MAX).contains(since))
        .and_then(|since| u32::try_from(since).ok())
        .unwrap_or(COVERED_SECONDS_USUAL)
}

/// The start of the quarter of an hour that a time is in.
pub(super) fn quarter(at: u64) -> u64 {
    at - at % QUARTER_SECONDS
}

/// The frames of one quarter as one; `None` where there are none.
fn rolled_up(
    frames: &impl ReadableTable<u64, &'static [u8]>,
    start: u64,
) -> Result<Option<Vec<u8>>, redb::Error> {
    let mut folds: BTreeMap<String, Fold> = BTreeMap::new();
    let mut covered = 0;
    for entry in frames.range(start..start + QUARTER_SECONDS)? {
        let (_, value) = entry?;
        let seconds = frame::covered_seconds(value.value());
        covered += seconds;
        for (name, row) in frame::rows(value.value()) {
            match folds.get_mut(name) {
                Some(fold) => fold.add(seconds.into(), &row),
                None => {
                    let mut fold = Fold::default();
                    fold.add(seconds.into(), &row);
                    folds.insert(name.to_owned(), fold);
                }
            }
        }
    }
    let Some(whole) = folds.remove(WHOLE) else { return Ok(None) };
    let servers = folds.into_iter().map(|(name, fold)| (name, fold.row())).collect();
    let rolled = frame::bounded(Frame { at: start, whole: whole.row(), servers });
    Ok(Some(frame::encode(covered, &rolled)))
}

fn append_event_in(
    table: &mut Table<'_, (u64, u64), &'static [u8]>,
    event: &KeptEvent,
) -> Result<usize, redb::Error> {
    let mut event = event.clone();
    event.sentence.truncate(event.sentence.floor_char_boundary(SENTENCE_BYTES_MAX));
    let bytes = serde_json::to_vec(&event).expect("strings and numbers can be written as JSON");
    let at = event.at_ms;
    let before = table.range((at, 0)..=(at, u64::MAX))?.next_back().transpose()?;
    let after = before.map_or(0, |(key, _)| key.value().1.saturating_add(1));
    table.insert((at, after), bytes.as_slice())?;
    Ok(bytes.len())
}

fn event_of(bytes: &[u8]) -> Option<KeptEvent> {
    serde_json::from_slice(bytes).ok()
}

// === impl Base: reading ===

impl Base {
    /// What stands in all frames of these times, oldest first: roll-ups where the frames are gone
    /// already. `each` gets the time, the seconds that it stands for, and the frame's bytes.
    pub(super) fn scan(
        &self,
        times: Range<u64>,
        mut each: impl FnMut(u64, u32, &[u8]),
    ) -> Result<(), Failure> {
        guarded(|| {
            let read = self.database.begin_read()?;
            let (frames, quarters) = (read.open_table(FRAMES)?, read.open_table(QUARTERS)?);
            let full_from = full_from(&frames)?;
            let rolled = quarter(times.start)..full_from.min(times.end);
            for (table, times) in
                [(&quarters, rolled), (&frames, times.start.max(full_from)..times.end)]
            {
                if times.is_empty() {
                    continue;
                }
                for entry in table.range(times)? {
                    let (at, value) = entry?;
                    each(at.value(), frame::covered_seconds(value.value()), value.value());
                }
            }
            Ok(())
        })
    }

    /// From when to when there is anything, and since when at full grain; `None` if there is
    /// nothing.
    pub(super) fn span(&self) -> Result<Option<Span>, Failure> {
        guarded(|| {
            let read = self.database.begin_read()?;
            span_in(&read)
        })
    }

    /// The newest events of these milliseconds that pass the filter, oldest first.
    pub(super) fn events(
        &self,
        times_ms: Range<u64>,
        limit: usize,
        pass: impl Fn(&KeptEvent) -> bool,
    ) -> Result<Vec<KeptEvent>, Failure> {
        guarded(|| {
            let read = self.database.begin_read()?;
            let table = read.open_table(EVENTS)?;
            let mut events = Vec::new();
            if times_ms.is_empty() {
                return Ok(events);
            }
            for entry in table.range((times_ms.start, 0)..(times_ms.end, 0))?.rev() {
                if events.len() >= limit {
                    break;
                }
                events.extend(event_of(entry?.1.value()).filter(&pass));
            }
            events.reverse();
            Ok(events)
        })
    }
}

/// See [`Base::span`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// The oldest that is kept.
    pub(super) from: u64,
    /// Since then every sample is kept; before, roll-ups are.
    pub(super) full_from: u64,
    /// When the frame was made that was written last.
    pub(super) last: u64,
}

fn span_in(read: &ReadTransaction) -> Result<Option<Span>, redb::Error> {
    let (frames, quarters) = (read.open_table(FRAMES)?, read.open_table(QUARTERS)?);
    let first = frames.first()?.map(|(at, _)| at.value());
    let first_quarter = quarters.first()?.map(|(at, _)| at.value());
    let Some(from) = [first, first_quarter].into_iter().flatten().min() else { return Ok(None) };
    let facts = read.open_table(FACTS)?;
    let last = facts.get(FACT_LAST)?.map_or(from, |last| last.value());
    Ok(Some(Span { from, full_from: full_from(&frames)?, last }))
}

/// Since when frames are read rather than roll-ups: the quarter of the first one.
fn full_from(frames: &impl ReadableTable<u64, &'static [u8]>) -> Result<u64, redb::Error> {
    Ok(frames.first()?.map_or(u64::MAX, |(at, _)| quarter(at.value())))
}
