//! Calls of the last minute, five minutes and hour, as differences of what the meters say; and of
//! the last six hours, what became of them. Only what happened costs memory: a tool that was called
//! some 250 bytes, and one that is called all the time about a KiB.

mod burn;
mod delta;
mod grain;
mod incidents;
mod slots;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use mcpo_core::fault::FaultKind;
use mcpo_upstream::journal::{Counters, UpstreamCounters};
use mcpo_upstream::meter::{ToolReading, UpstreamReading};
use tokio::time::Instant;

use crate::picture::{BurnWindows, Tally, WindowPicture};
use burn::Burn;
use delta::Delta;
use grain::Slot;
use incidents::Incidents;
use slots::Slots;

/// What was of late, in few bytes.
#[derive(Debug)]
pub(crate) struct Windows {
    started: Instant,
    /// The slot that is under way.
    slot: Slot,
    upstreams: HashMap<String, Upstream>,
}

#[derive(Debug)]
struct Upstream {
    tools: HashMap<Box<str>, Tool>,
    /// What became of all calls before the slot that is under way.
    base: Tally,
    burn: Burn,
    incidents: Incidents,
}

#[derive(Debug, Default)]
struct Tool {
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
        Self { started, slot, upstreams: HashMap::new() }
    }

    /// Takes in what the meters and the journal have counted, where a slot has ended since the last
    /// time. To be called at least every ten seconds: what comes late counts for the last slot that
    /// has ended. Upstreams that neither of them knows are forgotten, and only these: numbers of one
    /// that is removed and comes back go on where they were.
    pub(crate) fn turn(&mut self, now: Instant, readings: &[UpstreamReading], counters: &Counters) {
        let slot = Slot::of(self.started, now);
        if slot <= self.slot {
            return;
        }
        self.slot = slot;
        for reading in readings {
            self.upstream(&reading.upstream).turn(slot, reading);
        }
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

    /// The windows of one tool.
    pub(crate) fn of(
        &self,
        upstream: &str,
        reading: &ToolReading,
        now: Instant,
    ) -> [WindowPicture; 3] {
        let mut windows = self.empty(now);
        let known = self.upstreams.get(upstream).and_then(|one| one.tools.get(&*reading.tool));
        if let Some(tool) = known {
            tool.slots.show(self.slot, &mut windows);
        }
        if let Some(open) = open(known, reading) {
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

    fn upstream(&mut self, name: &str) -> &mut Upstream {
        if !self.upstreams.contains_key(name) {
            self.upstreams.insert(name.to_owned(), Upstream::new());
        }
        self.upstreams.get_mut(name).expect("it was just put there")
    }
}

/// What one tool did in the slot that is under way; `None` for nothing.
fn open(known: Option<&Tool>, reading: &ToolReading) -> Option<Delta> {
    let total: u64 = reading.ended.iter().sum();
    match known {
        Some(tool) if tool.base_total == total => None,
        Some(tool) => Some(Delta::of(reading).since(&Delta::unpack(&mut &*tool.base))),
        None => Some(Delta::of(reading)).filter(|delta| !delta.is_empty()),
    }
}

// === impl Upstream ===

impl Upstream {
    fn new() -> Self {
        Self {
            tools: HashMap::new(),
            base: Tally::default(),
            burn: Burn::default(),
            incidents: Incidents::new(),
        }
    }

    fn turn(&mut self, slot: Slot, reading: &UpstreamReading) {
        let mut all = Tally::default();
        for tool in &reading.tools {
            all += Tally::of(&tool.ended);
            self.turn_tool(slot, tool);
        }
        self.burn.push(slot.previous(), all.since(self.base));
        self.base = all;
    }

    fn turn_tool(&mut self, slot: Slot, reading: &ToolReading) {
        let Some(delta) = open(self.tools.get(&*reading.tool), reading) else { return };
        if !self.tools.contains_key(&*reading.tool) {
            self.tools.insert(reading.tool.as_str().into(), Tool::default());
        }
        let tool = self.tools.get_mut(&*reading.tool).expect("it was just put there");
        tool.slots.push(slot.previous(), &delta);
        let (all, mut base) = (Delta::of(reading), Vec::new());
        all.pack(&mut base);
        tool.base = base.into();
        tool.base_total = all.total();
    }

    fn age(&mut self, slot: Slot) {
        self.tools.values_mut().filter(|tool| !tool.slots.is_empty()).for_each(|tool| {
            tool.slots.age(slot);
        });
        self.burn.age(slot);
        self.incidents.age(slot);
    }
}

#[cfg(test)]
mod tests;
