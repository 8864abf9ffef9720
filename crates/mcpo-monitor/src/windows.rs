//! Calls of the last minute, five minutes and hour, as differences of what the meters say; and of
//! the last six hours, what became of them. Only what happened costs memory: a tool that was called
//! some 200 bytes. How long calls took is told apart by upstream and not by tool: with ten thousand
//! tools, that was most of the work of taking a picture, and nobody looked at it.

mod burn;
mod delta;
mod few;
mod grain;
mod incidents;
mod slots;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use mcpo_core::fault::FaultKind;
use mcpo_policy::cache::{CacheReading, ServerCacheReading};
use mcpo_upstream::journal::{Counters, UpstreamCounters};
use mcpo_upstream::meter::{ToolReading, UpstreamReading};
use tokio::time::Instant;

use crate::picture::{BurnWindows, ByReason, CallPicture, Tally, WindowPicture};
use burn::Burn;
use delta::Delta;
use grain::Slot;
use incidents::Incidents;
use slots::Slots;

pub(crate) use few::{Counted, Few};

/// What was of late, in few bytes.
#[derive(Debug)]
pub(crate) struct Windows {
    started: Instant,
    /// The slot that is under way.
    slot: Slot,
    upstreams: HashMap<String, Upstream>,
    /// Calls that were turned away, of all upstreams.
    shed: few::Track,
}

/// What was counted of load since the start, of all upstreams together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loads<'a> {
    pub(crate) shed: ByReason,
    pub(crate) cache: &'a CacheReading,
}

#[derive(Debug)]
struct Upstream {
    tools: HashMap<Box<str>, Track>,
    /// All of them together, and how long calls took.
    all: Track,
    /// What became of all calls before the slot that is under way.
    base: Tally,
    burn: Burn,
    incidents: Incidents,
    few: few::Track,
}

/// Calls of one tool, or of one upstream.
#[derive(Debug, Default)]
struct Track {
    /// All that was before the slot that is under way, packed.
    base: Box<[u8]>,
    /// How many calls that were.
    base_total: u64,
    slots: Slots,
}

/// What went wrong with an upstream in the last hour.
#[derive(Debug, Default)]
pub(crate) struct LastHour {
    /// Faults by kind, those kinds that there were.
    pub(crate) faults: Vec<(FaultKind, u64)>,
    /// Recoveries that were begun.
    pub(crate) recoveries: u64,
}

// === impl Windows ===

impl Windows {
    /// Nothing was seen before.
    pub(crate) fn new(started: Instant) -> Self {
        let slot = Slot::of(started, started);
        Self { started, slot, upstreams: HashMap::new(), shed: few::Track::default() }
    }

    /// Takes in what the meters and the journal have counted, where a slot has ended since the last
    /// time. To be called at least every ten seconds: what comes late counts for the last slot that
    /// has ended. Upstreams that neither of them knows are forgotten, and only these: numbers of one
    /// that is removed and comes back go on where they were.
    pub(crate) fn turn(
        &mut self,
        now: Instant,
        readings: &[UpstreamReading],
        counters: &Counters,
        load: Loads<'_>,
    ) {
        let slot = Slot::of(self.started, now);
        if slot <= self.slot {
            return;
        }
        self.slot = slot;
        let kept: HashMap<&str, &ServerCacheReading> =
            load.cache.servers.iter().map(|one| (one.upstream.as_str(), one)).collect();
        for reading in readings {
            let upstream = self.upstream(&reading.upstream);
            upstream.turn(slot, reading);
            let cache = kept.get(reading.upstream.as_str()).copied();
            upstream.few.push(slot.previous(), Counted::of(reading.shed, cache));
        }
        self.shed.push(slot.previous(), Counted::of(load.shed, None));
        self.shed.age(slot);
        for (name, counters) in &counters.upstreams {
            self.upstream(name).incidents.push(slot.previous(), counters);
        }
        let metered: HashSet<&str> = readings.iter().map(|one| one.upstream.as_str()).collect();
        self.upstreams.retain(|name, _| {
            metered.contains(name.as_str()) || counters.upstreams.contains_key(name)
        });
        self.upstreams.values_mut().for_each(|upstream| upstream.age(slot));
    }

    /// What the history knows of the time before the start.
    pub(crate) fn seed(&mut self, upstream: &str, before_start: Duration, tally: Tally) {
        self.upstream(upstream).burn.push(Slot::before_start(before_start), tally);
    }

    /// The windows of one tool, but for how long calls took.
    pub(crate) fn of_tool(
        &self,
        upstream: &str,
        reading: &ToolReading,
        now: Instant,
    ) -> [WindowPicture; 3] {
        let known = self.upstreams.get(upstream).and_then(|one| one.tools.get(&*reading.tool));
        self.show(known, &Delta::of_tool(reading), now)
    }

    /// The windows of one upstream, all calls of which since the start are given.
    pub(crate) fn of(&self, upstream: &str, all: &CallPicture, now: Instant) -> [WindowPicture; 3] {
        let known = self.upstreams.get(upstream).map(|one| &one.all);
        self.show(known, &Delta::of_calls(all), now)
    }

    fn show(&self, known: Option<&Track>, all: &Delta, now: Instant) -> [WindowPicture; 3] {
        let mut windows = self.empty(now);
        if let Some(track) = known {
            track.slots.show(self.slot, &mut windows);
        }
        if let Some(open) = open(known, all) {
            windows.iter_mut().for_each(|window| open.show(window));
        }
        windows
    }

    /// Windows without calls, of the length that was seen.
    pub(crate) fn empty(&self, now: Instant) -> [WindowPicture; 3] {
        self.slot.windows().map(|first| WindowPicture {
            length: first.seen(self.started, now),
            ..WindowPicture::default()
        })
    }

    /// What burn rates are made from; `all` is what became of all calls since the start.
    pub(crate) fn burn(&self, upstream: &str, all: Tally) -> BurnWindows {
        let Some(upstream) = self.upstreams.get(upstream) else {
            return Burn::default().show(self.slot, all);
        };
        upstream.burn.show(self.slot, all.since(upstream.base))
    }

    /// What went wrong in the last hour.
    pub(crate) fn last_hour(&self, upstream: &str, counters: &UpstreamCounters) -> LastHour {
        let fresh = Incidents::new();
        let known = self.upstreams.get(upstream).map_or(&fresh, |one| &one.incidents);
        let (faults, recoveries) = known.show(counters);
        LastHour { faults, recoveries }
    }

    /// What was of late of one upstream's calls that were turned away, and of the cache; both are
    /// given as they were counted since the start.
    pub(crate) fn few(&self, upstream: &str, counted: Counted) -> Few {
        let fresh = few::Track::default();
        let known = self.upstreams.get(upstream).map_or(&fresh, |one| &one.few);
        known.show(self.slot, counted)
    }

    /// The same of all calls that were turned away.
    pub(crate) fn few_of_all(&self, counted: Counted) -> Few {
        self.shed.show(self.slot, counted)
    }

    fn upstream(&mut self, name: &str) -> &mut Upstream {
        if !self.upstreams.contains_key(name) {
            self.upstreams.insert(name.to_owned(), Upstream::new());
        }
        self.upstreams.get_mut(name).expect("it was just put there")
    }
}

/// What happened in the slot that is under way, of all since the start; `None` for nothing.
fn open(known: Option<&Track>, all: &Delta) -> Option<Delta> {
    match known {
        Some(track) if track.base_total == all.total() => None,
        Some(track) => Some(all.since(&Delta::unpack(&mut &*track.base))),
        None => Some(all.clone()).filter(|delta| !delta.is_empty()),
    }
}

// === impl Upstream ===

impl Upstream {
    fn new() -> Self {
        Self {
            tools: HashMap::new(),
            all: Track::default(),
            base: Tally::default(),
            burn: Burn::default(),
            incidents: Incidents::new(),
            few: few::Track::default(),
        }
    }

    fn turn(&mut self, slot: Slot, reading: &UpstreamReading) {
        let mut ended = [0; delta::RESULTS];
        for tool in &reading.tools {
            delta::add(&mut ended, &tool.ended);
            self.turn_tool(slot, tool);
        }
        if self.all.base_total != ended.iter().sum::<u64>() {
            self.all.turn(slot, &Delta::of_upstream(reading));
        }
        let all = Tally::of(&ended);
        self.burn.push(slot.previous(), all.since(self.base));
        self.base = all;
    }

    fn turn_tool(&mut self, slot: Slot, reading: &ToolReading) {
        let all = Delta::of_tool(reading);
        if let Some(tool) = self.tools.get_mut(&*reading.tool) {
            tool.turn(slot, &all);
        } else if !all.is_empty() {
            let mut tool = Track::default();
            tool.turn(slot, &all);
            self.tools.insert(reading.tool.as_str().into(), tool);
        }
    }

    fn age(&mut self, slot: Slot) {
        let tracks = self.tools.values_mut().chain([&mut self.all]);
        tracks.filter(|track| !track.slots.is_empty()).for_each(|track| track.slots.age(slot));
        self.burn.age(slot);
        self.incidents.age(slot);
        self.few.age(slot);
    }
}

// === impl Track ===

impl Track {
    /// Keeps what happened in the slot that has ended; `all` is what happened since the start.
    fn turn(&mut self, slot: Slot, all: &Delta) {
        let Some(delta) = open(Some(self), all) else { return };
        self.slots.push(slot.previous(), &delta);
        let mut base = Vec::new();
        all.pack(&mut base);
        (self.base, self.base_total) = (base.into(), all.total());
    }
}

#[cfg(test)]
mod tests;
