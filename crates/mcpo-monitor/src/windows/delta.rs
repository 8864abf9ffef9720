//! Calls between two readings of a meter, and how they are kept in few bytes.

use std::time::Duration;

use mcpo_core::sketch::Sketch;
use mcpo_upstream::meter::{CallResult, ToolReading, UpstreamReading};

use crate::picture::{CallPicture, WindowPicture};

/// How many results a call can have.
pub(super) const RESULTS: usize = CallResult::ALL.len();

/// Calls between two readings. Sums are in microseconds, whose fractions are lost once for a
/// reading and not once for a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Delta {
    pub(super) ended: [u64; RESULTS],
    /// Of durations, of times until calls were sent, of times that the upstream had them.
    pub(super) sums_us: [u64; 3],
    pub(super) duration: Sketch,
}

// === impl Delta ===

impl Delta {
    /// All calls of a tool since the start, but for how long they took.
    pub(super) fn of_tool(reading: &ToolReading) -> Self {
        let sums = [reading.duration_sum, reading.waited_sum, reading.upstream_sum];
        Self { ended: reading.ended, sums_us: sums.map(micros), duration: Sketch::default() }
    }

    /// All calls of an upstream's tools since the start.
    pub(super) fn of_upstream(reading: &UpstreamReading) -> Self {
        let mut all = Self { duration: reading.duration.clone(), ..Self::default() };
        reading.tools.iter().for_each(|tool| all.merge(&Self::of_tool(tool)));
        all
    }

    /// The same calls, already added up.
    pub(super) fn of_calls(calls: &CallPicture) -> Self {
        let sums = [calls.duration_sum, calls.waited_sum, calls.upstream_sum];
        Self { ended: calls.ended, sums_us: sums.map(micros), duration: calls.duration.clone() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ended.iter().all(|count| *count == 0)
    }

    pub(super) fn total(&self) -> u64 {
        self.ended.iter().sum()
    }

    /// What came after `earlier`. Numbers that are smaller than before began anew.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        if self.total() < earlier.total() {
            return self.clone();
        }
        Self {
            ended: less(self.ended, earlier.ended),
            sums_us: less(self.sums_us, earlier.sums_us),
            duration: self.duration.since(&earlier.duration),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        add(&mut self.ended, &other.ended);
        add(&mut self.sums_us, &other.sums_us);
        self.duration.merge(&other.duration);
    }

    /// Adds what it counted to a window.
    pub(super) fn show(&self, window: &mut WindowPicture) {
        add(&mut window.ended, &self.ended);
        window.duration.merge(&self.duration);
        let [duration, waited, upstream] = self.sums_us.map(Duration::from_micros);
        window.duration_sum += duration;
        window.waited_sum += waited;
        window.upstream_sum += upstream;
    }

    /// Writes it behind what is there: which results there were, how many of each, the sums, the
    /// buckets as steps from one to the next. Small numbers take one byte.
    pub(super) fn pack(&self, out: &mut Vec<u8>) {
        let which = (0..RESULTS).fold(0, |bits, at| bits | u64::from(self.ended[at] > 0) << at);
        put(out, which);
        self.ended.iter().filter(|count| **count > 0).for_each(|count| put(out, *count));
        self.sums_us.iter().for_each(|sum| put(out, *sum));
        put(out, self.duration.buckets().len() as u64);
        let mut last = 0;
        for (bucket, count) in self.duration.buckets() {
            put(out, u64::from(bucket - last));
            put(out, count);
            last = bucket;
        }
    }

    /// Reads what [`pack`](Self::pack) wrote, and moves `from` behind it.
    pub(super) fn unpack(from: &mut &[u8]) -> Self {
        let which = take(from);
        let mut delta = Self::default();
        for (at, count) in delta.ended.iter_mut().enumerate() {
            *count = if which >> at & 1 == 1 { take(from) } else { 0 };
        }
        delta.sums_us.iter_mut().for_each(|sum| *sum = take(from));
        let mut bucket = 0;
        for _ in 0..take(from) {
            bucket += take(from) as u16;
            delta.duration.add_many(bucket, take(from));
        }
        delta
    }
}

/// Writes a number in as many bytes as it needs, seven bits each (LEB128).
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads such a number; 0 where nothing is left.
pub(super) fn take(from: &mut &[u8]) -> u64 {
    let mut number = 0;
    // Ten times seven bits hold any number.
    for shift in (0..70).step_by(7) {
        let Some((byte, rest)) = from.split_first() else { break };
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift.min(63);
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

pub(super) fn add(sums: &mut [u64], others: &[u64]) {
    sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
}

fn less<const N: usize>(mut later: [u64; N], earlier: [u64; N]) -> [u64; N] {
    later.iter_mut().zip(earlier).for_each(|(one, before)| *one = one.saturating_sub(before));
    later
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}
