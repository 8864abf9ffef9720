//! How a series follows the hours of the day.

use super::{Season, median, slope};

/// Less is not looked at: a day's shape is only known by seeing it more than a few times.
const SPAN_MIN_SECONDS: u64 = 7 * 86_400;
/// Each hour of the day needs so many points, as from a week at a point an hour.
const HOUR_POINTS_MIN: usize = 7;
/// Hours that explain less than this are no season: of pure noise in a week of hours they explain
/// some 24/168 by chance.
const STRENGTH_MIN: f64 = 0.4;

const HOURS: usize = 24;

/// The season, where there is enough history and enough of a season.
pub(super) fn season(points: &[(u64, f64)]) -> Option<Season> {
    let (first, last) = (points.first()?.0, points.last()?.0);
    if last - first < SPAN_MIN_SECONDS {
        return None;
    }
    let line = slope::line(&super::thinned(points), 0.5);
    let off_line: Vec<(u64, f64)> = points
        .iter()
        .map(|&(at, value)| (at, value - line.level + line.slope * (last - at) as f64))
        .collect();
    let by_hour = by_hour(&off_line)?;
    let rest = off_line.iter().map(|&(at, off)| off - by_hour[hour(at)]);
    let (left, all) = (variance(rest), variance(off_line.iter().map(|(_, off)| *off)));
    let strength = if all > 0.0 { (1.0 - left / all).clamp(0.0, 1.0) } else { 0.0 };
    (strength >= STRENGTH_MIN).then_some(Season { strength, by_hour })
}

/// The median of each hour, all shifted so that a whole day adds nothing.
fn by_hour(points: &[(u64, f64)]) -> Option<Vec<f64>> {
    let mut hours: Vec<Vec<f64>> = vec![Vec::new(); HOURS];
    points.iter().for_each(|&(at, value)| hours[hour(at)].push(value));
    if hours.iter().any(|values| values.len() < HOUR_POINTS_MIN) {
        return None;
    }
    let medians: Vec<f64> = hours.into_iter().map(|values| median(values.into_iter())).collect();
    let middle = medians.iter().sum::<f64>() / HOURS as f64;
    Some(medians.into_iter().map(|value| value - middle).collect())
}

/// The hour of the day, in UTC.
const fn hour(at: u64) -> usize {
    (at / 3600 % HOURS as u64) as usize
}

fn variance(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    values.map(|value| (value - mean).powi(2)).sum::<f64>() / count
}

// === impl Season ===

impl Season {
    /// The points without it.
    pub(super) fn removed(&self, points: &[(u64, f64)]) -> Vec<(u64, f64)> {
        points.iter().map(|&(at, value)| (at, value - self.by_hour[hour(at)])).collect()
    }
}
