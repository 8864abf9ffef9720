//! When a series jumped from one level to another.

use super::slope;
use super::{CHANGES_MAX, Change, deviation, median};

/// A level that was kept for less than this is an outlier, not a level.
const LEVEL_POINTS_MIN: usize = 5;
/// A jump is believed where chance alone makes one so large in a thousand series of noise:
/// neighbours are alike, and many series are looked at.
const CHANCE_MAX: f64 = 0.001;
/// A jump is as large as that many times the noise around it at least: smaller ones are seen by the
/// test in long series, and by nobody else.
const NOISES_MIN: f64 = 3.0;
/// It changes the level by that share at least.
const SHARE_MIN: f64 = 0.2;

/// All jumps of a series in the order of time. It is cut where its parts differ more than by chance;
/// then the cuts that are no jumps go again, the weakest first: a slope has been cut, too.
pub(super) fn changes(points: &[(u64, f64)]) -> Vec<Change> {
    let mut cuts = cuts(points);
    while let Some(weakest) = weakest(points, &cuts) {
        cuts.remove(weakest);
    }
    let jumps = cuts.windows(3).map(|cut| Change {
        at: points[cut[1]].0,
        before: level(&points[cut[0]..cut[1]]),
        after: level(&points[cut[1]..cut[2]]),
        because: None,
    });
    let mut jumps: Vec<Change> = jumps.collect();
    // Of too many the last ones are of interest.
    jumps.drain(..jumps.len().saturating_sub(CHANGES_MAX));
    jumps
}

/// Where parts begin that differ from the part before, the beginning and the end of all included.
/// A part is ten points at least, which bounds it.
fn cuts(points: &[(u64, f64)]) -> Vec<usize> {
    let mut cuts = vec![0, points.len()];
    let mut parts = vec![(0, points.len())];
    while let Some((from, to)) = parts.pop() {
        if let Some(at) = pettitt(&points[from..to]) {
            cuts.push(from + at);
            parts.extend([(from, from + at), (from + at, to)]);
        }
    }
    cuts.sort_unstable();
    cuts
}

/// The place among the cuts of the one between the most similar levels, of those that are no jumps.
fn weakest(points: &[(u64, f64)], cuts: &[usize]) -> Option<usize> {
    let weak = cuts.windows(3).enumerate().filter_map(|(index, cut)| {
        let (before, after) = (&points[cut[0]..cut[1]], &points[cut[1]..cut[2]]);
        let size = (level(after) - level(before)).abs();
        (!is_jump(before, after)).then_some((index + 1, size))
    });
    weak.min_by(|one, other| one.1.total_cmp(&other.1)).map(|(index, _)| index)
}

/// Whether two parts are two levels rather than one, and rather than a slope.
fn is_jump(before: &[(u64, f64)], after: &[(u64, f64)]) -> bool {
    let (low, high) = (level(before), level(after));
    let size = (high - low).abs();
    let off: Vec<f64> = before
        .iter()
        .map(|(_, value)| value - low)
        .chain(after.iter().map(|(_, value)| value - high))
        .collect();
    let noise = deviation(off.iter().copied());
    let is_large = size >= NOISES_MIN * noise && size >= SHARE_MIN * low.abs().max(high.abs());
    let both: Vec<(u64, f64)> = [before, after].concat();
    is_large && size > 0.0 && off_step(&off) < off_line(&both)
}

fn level(part: &[(u64, f64)]) -> f64 {
    median(part.iter().map(|(_, value)| *value))
}

/// How far the points are off two levels, all together.
fn off_step(off: &[f64]) -> f64 {
    off.iter().map(|distance| distance.abs()).sum()
}

/// How far they are off a line: a slope is not a jump.
fn off_line(points: &[(u64, f64)]) -> f64 {
    let line = slope::line(points, 0.5);
    let last = points.last().map_or(0, |(at, _)| *at);
    let at_line = |at: u64| line.level - line.slope * (last - at) as f64;
    points.iter().map(|&(at, value)| (value - at_line(at)).abs()).sum()
}

/// Pettitt's test: the first point of what differs most from all before, if that is hardly chance.
fn pettitt(points: &[(u64, f64)]) -> Option<usize> {
    if points.len() < 2 * LEVEL_POINTS_MIN {
        return None;
    }
    let ranks = ranks(points);
    let count = points.len() as f64;
    let mut sum = 0.0;
    let (mut largest, mut at) = (0.0_f64, 0);
    for (index, rank) in ranks.iter().enumerate() {
        sum += rank;
        let seen = (index + 1) as f64;
        let off = (2.0 * sum - seen * (count + 1.0)).abs();
        if off > largest {
            (largest, at) = (off, index + 1);
        }
    }
    let chance = 2.0 * (-6.0 * largest.powi(2) / (count.powi(3) + count.powi(2))).exp();
    let at = at.clamp(LEVEL_POINTS_MIN, points.len() - LEVEL_POINTS_MIN);
    (chance <= CHANCE_MAX).then_some(at)
}

/// The rank of each value, from 1; the mean rank of those that are equal.
fn ranks(points: &[(u64, f64)]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&one, &other| points[one].1.total_cmp(&points[other].1));
    let mut ranks = vec![0.0; points.len()];
    let mut next = 1.0;
    for same in order.chunk_by(|&one, &other| points[one].1 == points[other].1) {
        let rank = next + (same.len() as f64 - 1.0) / 2.0;
        same.iter().for_each(|&index| ranks[index] = rank);
        next += same.len() as f64;
    }
    ranks
}
