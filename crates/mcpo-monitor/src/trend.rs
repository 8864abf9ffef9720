//! Where a series goes: its slope with a confidence band, when it crosses a threshold, when it
//! jumped, and whether it follows the hours of the day. Pure, and robust: one outlier in four
//! points changes none of it.
//!
//! - Slope: the median of the slopes between all pairs of points (H. Theil, "A rank-invariant
//!   method of linear and polynomial regression analysis", 1950; P. K. Sen, "Estimates of the
//!   regression coefficient based on Kendall's tau", JASA 63, 1968).
//! - Its band: the ranks that Kendall's variance gives (Sen 1968; M. G. Kendall, "Rank Correlation
//!   Methods"), with ties, and wider where neighbours are alike (S. Yue and C. Wang, "The
//!   Mann-Kendall test modified by effective sample size", Water Resources Management 18, 2004).
//! - Jumps: A. N. Pettitt, "A non-parametric approach to the change-point problem", Applied
//!   Statistics 28, 1979, with its approximate significance, by binary segmentation.
//! - Season: medians by the hour of the day, and the share of the variance that they explain
//!   (R. J. Hyndman and G. Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., 4.3).

mod change;
mod season;
mod slope;

use serde::Serialize;

/// Fewer points than this have no direction: the band of a slope needs some to mean anything.
pub const POINTS_MIN: usize = 8;

/// Longer series are thinned to so many medians of neighbours: the slope looks at all pairs.
pub const POINTS_MAX: usize = 240;

/// Nothing is foretold for longer than so many times what was seen.
pub const FORETOLD_SPANS_MAX: f64 = 4.0;

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// How sure the band is, above 0 and below 1.
    pub confidence: f64,
    /// A change over the whole series that is smaller than this share of its level is none.
    pub least_change: f64,
}

/// Which way a series goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Up, and surely so.
    Rising,
    /// Down, and surely so.
    Falling,
    /// Neither, as far as can be told.
    Steady,
    /// Too little is known.
    Unknown,
}

/// Where a series goes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trend {
    /// How many points there were.
    pub points: usize,
    /// From the first to the last, in seconds.
    pub span_seconds: f64,
    /// Which way it goes since its last jump.
    pub direction: Direction,
    /// Its change in an hour since its last jump; 0 where too little is known.
    pub per_hour: f64,
    /// The band of that: its lower and its upper end.
    pub per_hour_band: (f64, f64),
    /// The same as a share of its level; `None` where the level is 0.
    pub share_per_hour: Option<f64>,
    /// Where it stands at its last point, without noise.
    pub level: f64,
    /// How far its points are off the line, usually: the median of the distances, as a standard
    /// deviation.
    pub noise: f64,
    /// When it jumped, the earliest first; at most [`CHANGES_MAX`].
    pub changes: Vec<Change>,
    /// How it follows the hours of the day; `None` where it does not, or less than a week is known.
    pub season: Option<Season>,
    /// The last point's time, in seconds since the Unix epoch.
    pub until: u64,
}

/// So many jumps are told of one series.
pub const CHANGES_MAX: usize = 8;

/// A jump from one level to another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The first point of the new level, in seconds since the Unix epoch.
    pub at: u64,
    /// The median before, back to the jump before.
    pub before: f64,
    /// The median after, up to the next jump.
    pub after: f64,
    /// What happened at that time, as a sentence, where anything is known.
    pub because: Option<String>,
}

/// How a series follows the hours of the day, in UTC.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Season {
    /// Share of its ups and downs that the hours explain, 0 to 1.
    pub strength: f64,
    /// How far above or below its level it is, usually, by hour from 0 to 23.
    pub by_hour: Vec<f64>,
}

/// When a threshold will be crossed, if all goes on as it does; in seconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Crossing {
    /// What is crossed.
    pub threshold: f64,
    /// Most likely then.
    pub at: u64,
    /// Hardly before.
    pub earliest: u64,
    /// Hardly after; `None` where that is too far away to be foretold.
    pub latest: Option<u64>,
}

// === impl Options ===

impl Default for Options {
    /// 95 %, and a change of 5 % at least: less is of no interest to anybody.
    fn default() -> Self {
        Self { confidence: 0.95, least_change: 0.05 }
    }
}

/// Says where a series goes. Points are times in seconds since the Unix epoch with values, in any
/// order; those that are no finite numbers are left out.
#[must_use]
pub fn analyse(points: &[(u64, f64)], options: Options) -> Trend {
    let mut points: Vec<(u64, f64)> =
        points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
    points.sort_by_key(|(at, _)| *at);
    let season = season::season(&points);
    let calm = season.as_ref().map_or_else(|| points.clone(), |season| season.removed(&points));
    let calm = thinned(&calm);
    let changes = change::changes(&calm);
    let since = changes.last().map_or(0, |change| change.at);
    let tail: Vec<(u64, f64)> = calm.iter().copied().filter(|(at, _)| *at >= since).collect();
    let line = slope::line(&tail, options.confidence);
    let until = points.last().map_or(0, |(at, _)| *at);
    let span = until - points.first().map_or(0, |(at, _)| *at);
    Trend {
        points: points.len(),
        span_seconds: span as f64,
        direction: line.direction(options.least_change),
        per_hour: line.slope * HOUR_SECONDS,
        per_hour_band: (line.low * HOUR_SECONDS, line.high * HOUR_SECONDS),
        share_per_hour: (line.level != 0.0).then(|| line.slope * HOUR_SECONDS / line.level.abs()),
        level: line.level,
        noise: line.noise,
        changes,
        season,
        until,
    }
}

const HOUR_SECONDS: f64 = 3600.0;

// === impl Trend ===

impl Trend {
    /// When it crosses a threshold that it moves towards; `None` where it does not move towards it
    /// for sure, is past it already, or would take longer than can be foretold.
    #[must_use]
    pub fn crosses(&self, threshold: f64) -> Option<Crossing> {
        let away = threshold - self.level;
        let (steep, shallow) = match self.direction {
            Direction::Rising if away > 0.0 => (self.per_hour_band.1, self.per_hour_band.0),
            Direction::Falling if away < 0.0 => (self.per_hour_band.0, self.per_hour_band.1),
            Direction::Rising | Direction::Falling | Direction::Steady | Direction::Unknown => {
                return None;
            }
        };
        let most = self.span_seconds * FORETOLD_SPANS_MAX;
        let after = |per_hour: f64| {
            let seconds = away / per_hour * HOUR_SECONDS;
            (seconds >= 0.0 && seconds <= most).then(|| self.until.saturating_add(seconds as u64))
        };
        let (at, earliest) = (after(self.per_hour)?, after(steep)?);
        Some(Crossing { threshold, at, earliest, latest: after(shallow) })
    }

    /// Says what happened when it jumped: the event that is nearest to each jump, of those within
    /// `within_seconds`. Events are times in seconds since the Unix epoch with a sentence each.
    pub fn explain(&mut self, events: &[(u64, String)], within_seconds: u64) {
        for change in &mut self.changes {
            let near = events
                .iter()
                .map(|(at, sentence)| (at.abs_diff(change.at), sentence))
                .filter(|(off, _)| *off <= within_seconds)
                .min_by_key(|(off, _)| *off);
            change.because = near.map(|(_, sentence)| sentence.clone());
        }
    }
}

/// At most [`POINTS_MAX`] points: the medians of times and values of as many neighbours as it takes.
fn thinned(points: &[(u64, f64)]) -> Vec<(u64, f64)> {
    let together = points.len().div_ceil(POINTS_MAX).max(1);
    if together == 1 {
        return points.to_vec();
    }
    points
        .chunks(together)
        .map(|some| (some[some.len() / 2].0, median(some.iter().map(|(_, value)| *value))))
        .collect()
}

/// The middle value, or the mean of the two in the middle; 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => 0.0,
        (len, half) if len % 2 == 1 => values[half],
        (_, half) => values[half - 1].midpoint(values[half]),
    }
}

/// The median distance from 0, as the standard deviation of a normal distribution that has it.
/// The factor is 1 / 0.6745, the third quartile of the standard normal distribution.
fn deviation(residuals: impl Iterator<Item = f64>) -> f64 {
    median(residuals.map(f64::abs)) * 1.4826
}

#[cfg(test)]
mod tests;
