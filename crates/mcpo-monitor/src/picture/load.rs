//! What a picture says of load: calls that were turned away, and what the cache did.

use mcpo_core::load::ShedReason;
use mcpo_policy::cache::ServerCacheReading;

use crate::windows::Few;

/// Numbers of calls by why they were turned away, in the order of [`ShedReason::ALL`].
pub type ByReason = [u64; ShedReason::ALL.len()];

/// Calls that were turned away before anything of them was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShedPicture {
    /// Since the start.
    pub all: ByReason,
    /// In the last minute, as far as it was seen.
    pub minute: ByReason,
    /// In the last five minutes.
    pub five_minutes: ByReason,
}

/// What the cache did, and how it stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CachePicture {
    /// Since the start.
    pub counts: CacheCounts,
    /// In the last minute.
    pub minute: CacheUse,
    /// In the last hour.
    pub hour: CacheUse,
    /// Answers that are kept now.
    pub entries: u64,
    /// Bytes that they take.
    pub bytes: u64,
}

/// The cache of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WholeCachePicture {
    /// Whether anything is kept at all.
    pub enabled: bool,
    /// Answers at most.
    pub entries_max: u64,
    /// Bytes at most.
    pub bytes_max: u64,
    /// Of all upstreams, those that were removed included.
    pub all: CachePicture,
}

/// What the cache has counted. All of it only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Calls that were answered with an answer that was kept and within its ttl.
    pub hits: u64,
    /// Calls whose answer might have been kept, and was not.
    pub misses: u64,
    /// Calls that were answered with an answer past its ttl.
    pub stale: u64,
    /// Calls that wanted none that is kept.
    pub bypassed: u64,
    /// Calls that shared the answer of an equal call in flight.
    pub coalesced: u64,
    /// Answers that went since there was no room.
    pub evictions: u64,
    /// Answers that went since their time was over.
    pub expirations: u64,
    /// Answers that were forgotten by an operator's order.
    pub purged: u64,
    /// Answers that were fetched anew before they were asked for.
    pub refreshes: u64,
}

/// Calls that a kept answer would have done for, and those for which it did. Calls that wanted none
/// are in neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheUse {
    /// Those that it would have done for.
    pub asked: u64,
    /// Those that were answered so, stale answers included.
    pub hits: u64,
}

// === impl ShedPicture ===

impl ShedPicture {
    pub(super) fn of(all: ByReason, few: &Few) -> Self {
        Self { all, minute: few.minute.shed, five_minutes: few.five_minutes.shed }
    }

    /// All of them since the start.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.all.iter().sum()
    }

    /// Those of the last five minutes that were turned away for that reason.
    #[must_use]
    pub const fn of_late(&self, reason: ShedReason) -> u64 {
        self.five_minutes[reason as usize]
    }

    /// Those of the last five minutes for which there was no room, here or at their upstream. What
    /// bounds of callers and rates turn away is not among them: these do what they are for.
    #[must_use]
    pub fn for_want_of_room(&self) -> u64 {
        let of_room = [
            ShedReason::ProcessFull,
            ShedReason::ProcessSlow,
            ShedReason::ServerFull,
            ShedReason::TooLate,
        ];
        of_room.map(|reason| self.of_late(reason)).iter().sum()
    }

    /// Those of the last five minutes that the process itself had no room or no time for. They are
    /// turned away before they are read, and are not among the calls that ended.
    #[must_use]
    pub const fn by_process(&self) -> u64 {
        self.of_late(ShedReason::ProcessFull) + self.of_late(ShedReason::ProcessSlow)
    }

    /// The share of the calls that came within the last five minutes for which there was no room, 0
    /// to 1. `ended` is how many of them ended: also those that their upstream had no room for.
    #[must_use]
    pub fn share(&self, ended: u64) -> f64 {
        let came = ended + self.by_process();
        let turned_away = self.for_want_of_room();
        if turned_away == 0 { 0.0 } else { (turned_away as f64 / came.max(1) as f64).min(1.0) }
    }
}

// === impl CachePicture ===

impl CachePicture {
    pub(super) fn of(reading: &ServerCacheReading, few: &Few) -> Self {
        let counts = CacheCounts {
            hits: reading.hits,
            misses: reading.misses,
            stale: reading.stale,
            bypassed: reading.bypassed,
            coalesced: reading.coalesced,
            evictions: reading.evictions,
            expirations: reading.expirations,
            purged: reading.purged,
            refreshes: reading.refreshes,
        };
        let (entries, bytes) = (reading.entries, reading.bytes);
        Self { counts, minute: few.minute.cache, hour: few.hour.cache, entries, bytes }
    }
}

// === impl CacheCounts ===

impl CacheCounts {
    /// What came of the calls that a kept answer would have done for, since the start.
    #[must_use]
    pub const fn used(&self) -> CacheUse {
        let hits = self.hits + self.stale;
        CacheUse { asked: hits + self.misses, hits }
    }

    /// Each of them, by the name that it has in faces.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("hits", self.hits),
            ("misses", self.misses),
            ("stale", self.stale),
            ("bypassed", self.bypassed),
            ("coalesced", self.coalesced),
            ("evictions", self.evictions),
            ("expirations", self.expirations),
            ("purged", self.purged),
            ("refreshes", self.refreshes),
        ]
    }
}

impl std::ops::AddAssign for CacheCounts {
    fn add_assign(&mut self, other: Self) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.stale += other.stale;
        self.bypassed += other.bypassed;
        self.coalesced += other.coalesced;
        self.evictions += other.evictions;
        self.expirations += other.expirations;
        self.purged += other.purged;
        self.refreshes += other.refreshes;
    }
}

// === impl CacheUse ===

impl CacheUse {
    /// The share that was answered so, 0 to 1; `None` where nothing was asked.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        (self.asked > 0).then(|| self.hits as f64 / self.asked as f64)
    }

    /// What came after `earlier`. Numbers that are smaller than before began anew.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        if self.asked < earlier.asked || self.hits < earlier.hits {
            return self;
        }
        Self { asked: self.asked - earlier.asked, hits: self.hits - earlier.hits }
    }
}

impl std::ops::AddAssign for CacheUse {
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.hits += other.hits;
    }
}
