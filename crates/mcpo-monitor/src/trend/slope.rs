//! The line through a series, by Theil and Sen, and how sure it is.

use super::{Direction, POINTS_MIN, deviation, median};

/// A line through a series.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Line {
    /// Change in a second.
    pub(super) slope: f64,
    /// The band of that.
    pub(super) low: f64,
    pub(super) high: f64,
    /// Where it stands at the last point.
    pub(super) level: f64,
    /// How far points are off it.
    pub(super) noise: f64,
    /// From the first to the last point, in seconds.
    span: f64,
    /// Whether there were enough points to say anything.
    is_known: bool,
}

/// The line through points that are in the order of time.
pub(super) fn line(points: &[(u64, f64)], confidence: f64) -> Line {
    let last = points.last().map_or(0, |(at, _)| *at);
    // Times before the last point keep the numbers small, and the level is the value at 0.
    let points: Vec<(f64, f64)> =
        points.iter().map(|&(at, value)| (-((last - at) as f64), value)).collect();
    let mut slopes = slopes(&points);
    let level = median(points.iter().map(|(_, value)| *value));
    if points.len() < POINTS_MIN || slopes.is_empty() {
        let noise = deviation(points.iter().map(|(_, value)| value - level));
        return Line { level, noise, ..Line::default() };
    }
    slopes.sort_by(f64::total_cmp);
    let slope = median(slopes.iter().copied());
    // Conover's intercept: the line passes through both medians.
    let level = level - slope * median(points.iter().map(|(at, _)| *at));
    let residuals: Vec<f64> =
        points.iter().map(|(at, value)| value - (level + slope * at)).collect();
    let (low, high) = band(&slopes, &points, &residuals, confidence);
    Line {
        slope,
        low,
        high,
        level,
        noise: deviation(residuals.into_iter()),
        span: -points.first().map_or(0.0, |(at, _)| *at),
        is_known: true,
    }
}

/// The slopes between all pairs of points at different times.
fn slopes(points: &[(f64, f64)]) -> Vec<f64> {
    let mut slopes = Vec::with_capacity(points.len() * points.len().saturating_sub(1) / 2);
    for (index, (at, value)) in points.iter().enumerate() {
        for (later, next) in &points[index + 1..] {
            if later > at {
                slopes.push((next - value) / (later - at));
            }
        }
    }
    slopes
}

/// The slopes at the ranks that are as far from the middle as Kendall's S is from 0 by chance.
fn band(slopes: &[f64], points: &[(f64, f64)], residuals: &[f64], confidence: f64) -> (f64, f64) {
    let variance = kendall_variance(points) * dependence(residuals);
    let reach = normal_quantile(0.5 + confidence.clamp(0.0, 0.9999) / 2.0) * variance.sqrt();
    let count = slopes.len() as f64;
    let rank = |rank: f64| {
        let last = slopes.len() - 1;
        slopes[(rank.max(0.0) as usize).min(last)]
    };
    // Ranks counted from 0: the lower one rounded down, the upper one up.
    (rank(((count - reach) / 2.0 - 1.0).floor()), rank(((count + reach) / 2.0).ceil()))
}

/// The variance of Kendall's S without a trend, with ties among the values.
fn kendall_variance(points: &[(f64, f64)]) -> f64 {
    let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let part = |count: usize| {
        let count = count as f64;
        count * (count - 1.0) * (2.0 * count + 5.0)
    };
    let ties: f64 = values.chunk_by(|one, other| one == other).map(|same| part(same.len())).sum();
    (part(values.len()) - ties).max(0.0) / 18.0
}

/// Neighbours that are alike say less than independent ones: the factor by which the variance grows
/// for a series whose points depend on the one before (lag-1 autocorrelation), at most that of 0.9.
fn dependence(residuals: &[f64]) -> f64 {
    let mean = residuals.iter().sum::<f64>() / residuals.len() as f64;
    let total: f64 = residuals.iter().map(|value| (value - mean).powi(2)).sum();
    if total <= f64::MIN_POSITIVE {
        return 1.0;
    }
    let together: f64 = residuals.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    let correlation = (together / total).clamp(0.0, 0.9);
    (1.0 + correlation) / (1.0 - correlation)
}

/// The standard normal distribution's quantile, off by less than 0.00045 (M. Abramowitz and
/// I. A. Stegun, "Handbook of Mathematical Functions", 26.2.23), for shares from 0.5 up.
fn normal_quantile(share: f64) -> f64 {
    let tail = (1.0 - share).max(1e-12);
    let t = (-2.0 * tail.ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    (t - above / below).max(0.0)
}

// === impl Line ===

impl Line {
    /// Which way it goes: sure where the band leaves 0 out, and of interest where it changes by
    /// that share of its level at least.
    pub(super) fn direction(&self, least_change: f64) -> Direction {
        if !self.is_known {
            return Direction::Unknown;
        }
        let matters = (self.slope * self.span).abs() >= least_change * self.level.abs();
        match (matters, self.low > 0.0, self.high < 0.0) {
            (true, true, _) => Direction::Rising,
            (true, _, true) => Direction::Falling,
            _steady => Direction::Steady,
        }
    }
}
