use proptest::prelude::*;

use super::*;

const MINUTE: u64 = 60;
/// Midnight in UTC.
const START: u64 = 1_789_948_800;

/// A point a minute.
fn minutes(count: u64, value: impl Fn(u64) -> f64) -> Vec<(u64, f64)> {
    (0..count).map(|minute| (START + minute * MINUTE, value(minute))).collect()
}

/// Numbers between -1 and 1 that look like chance, and are the same in each run.
fn noise(seed: u64) -> f64 {
    let mixed = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ (mixed >> 32)) % 20_001) as f64 / 10_000.0 - 1.0
}

fn trend(points: &[(u64, f64)]) -> Trend {
    analyse(points, Options::default())
}

#[track_caller]
fn close(value: f64, expected: f64, off: f64) {
    assert!((value - expected).abs() <= off, "{value} is not {expected}");
}

#[test]
fn an_exact_slope_is_found_exactly() {
    let trend = trend(&minutes(120, |minute| 100.0 + 2.0 * minute as f64));
    assert_eq!(trend.direction, Direction::Rising);
    close(trend.per_hour, 120.0, 1e-9);
    close(trend.per_hour_band.0, 120.0, 1e-9);
    close(trend.per_hour_band.1, 120.0, 1e-9);
    close(trend.level, 338.0, 1e-9);
    close(trend.noise, 0.0, 1e-9);
    assert_eq!(trend.changes, []);
    assert_eq!((trend.points, trend.span_seconds), (120, 119.0 * 60.0));
    assert_eq!(trend.season, None);
}

#[test]
fn a_slope_down_is_falling() {
    let trend = trend(&minutes(60, |minute| 100.0 - minute as f64));
    assert_eq!(trend.direction, Direction::Falling);
    close(trend.share_per_hour.unwrap(), -60.0 / 41.0, 1e-9);
}

/// The example of Sen (1968), section 4: eleven points, whose slopes have the median and the ranks
/// of the band as worked out by hand from the definition.
#[test]
fn the_band_is_that_of_kendalls_variance() {
    let values = [9.0, 15.0, 19.0, 20.0, 45.0, 55.0, 78.0];
    let at = [1, 2, 3, 4, 10, 12, 18];
    let points: Vec<(u64, f64)> = at.into_iter().zip(values).collect();
    // Seven points are too few for us to speak of a direction, so the line is asked itself, with one
    // more on it.
    let mut slopes: Vec<f64> = Vec::new();
    for (index, one) in points.iter().enumerate() {
        for other in &points[index + 1..] {
            slopes.push((other.1 - one.1) / (other.0 - one.0) as f64);
        }
    }
    slopes.sort_by(f64::total_cmp);
    // Sen gives 4 as the slope of these.
    assert_eq!(slopes[slopes.len() / 2], 4.0);
    let mut eight = points;
    eight.push((20, 86.0));
    let line = slope::line(&eight, 0.95);
    close(line.slope, 4.0, 0.05);
    assert!(line.low < line.slope && line.slope < line.high);
    assert!(line.low > 3.0 && line.high < 6.1, "{line:?}");
}

#[test]
fn noise_alone_is_steady() {
    for seed in 0..20 {
        let points = minutes(200, |minute| 50.0 + 5.0 * noise(minute + seed * 1000));
        let trend = trend(&points);
        assert_eq!(trend.direction, Direction::Steady, "{seed}: {trend:?}");
        assert_eq!(trend.changes, [], "{seed}");
        assert!(trend.per_hour_band.0 <= 0.0 && trend.per_hour_band.1 >= 0.0);
        close(trend.level, 50.0, 1.5);
    }
}

#[test]
fn a_slope_is_seen_through_noise() {
    let points = minutes(240, |minute| 50.0 + 0.1 * minute as f64 + 4.0 * noise(minute));
    let trend = trend(&points);
    assert_eq!(trend.direction, Direction::Rising);
    close(trend.per_hour, 6.0, 1.0);
    assert!(trend.per_hour_band.0 < 6.0 && trend.per_hour_band.1 > 6.0, "{trend:?}");
    assert!(trend.noise > 1.0 && trend.noise < 5.0);
}

#[test]
fn one_outlier_in_five_changes_little() {
    let points = minutes(100, |minute| if minute % 5 == 2 { 1e6 } else { 10.0 + minute as f64 });
    let trend = trend(&points);
    close(trend.per_hour, 60.0, 1.0);
    assert_eq!(trend.changes, []);
}

#[test]
fn a_step_is_a_jump_and_no_slope() {
    let points = minutes(120, |minute| {
        let level = if minute < 70 { 0.1 } else { 0.2 };
        level + 0.01 * noise(minute)
    });
    let mut trend = trend(&points);
    assert_eq!(trend.direction, Direction::Steady);
    assert_eq!(trend.changes.len(), 1);
    let at = START + 70 * MINUTE;
    assert_eq!(trend.changes[0].at, at);
    close(trend.changes[0].before, 0.1, 0.003);
    close(trend.changes[0].after, 0.2, 0.003);
    close(trend.level, 0.2, 0.01);
    let events = [(at - 500, "far".to_owned()), (at - 40, "restarted".to_owned())];
    trend.explain(&events, 120);
    assert_eq!(trend.changes[0].because.as_deref(), Some("restarted"));
    trend.explain(&events, 30);
    assert_eq!(trend.changes[0].because, None);
}

#[test]
fn several_jumps_are_told_in_order() {
    let levels = [10.0, 30.0, 12.0];
    let points = minutes(180, |minute| levels[(minute / 60) as usize] + noise(minute));
    let changes = trend(&points).changes;
    let at: Vec<u64> = changes.iter().map(|change| (change.at - START) / MINUTE).collect();
    assert_eq!(at, [60, 120]);
    close(changes[0].after, 30.0, 0.5);
    close(changes[1].before, 30.0, 0.5);
}

#[test]
fn a_spike_is_no_jump() {
    let points = minutes(120, |minute| if (60..63).contains(&minute) { 90.0 } else { 10.0 });
    assert_eq!(trend(&points).changes, []);
}

#[test]
fn a_slope_after_a_jump_is_that_since_the_jump() {
    let points =
        minutes(160, |minute| if minute < 80 { 500.0 } else { 100.0 + (minute - 80) as f64 });
    let trend = trend(&points);
    assert_eq!(trend.direction, Direction::Rising);
    close(trend.per_hour, 60.0, 1e-6);
    close(trend.level, 179.0, 1e-6);
}

#[test]
fn a_threshold_is_foretold_with_its_band() {
    let trend = trend(&minutes(120, |minute| 100.0 + minute as f64 + 2.0 * noise(minute)));
    let crossing = trend.crosses(400.0).unwrap();
    let at = START + 300 * MINUTE;
    close(crossing.at as f64, at as f64, 10.0 * 60.0);
    assert!(crossing.earliest <= crossing.at && crossing.at <= crossing.latest.unwrap());
    assert_eq!(trend.crosses(50.0), None, "it moves the other way");
    assert_eq!(trend.crosses(trend.level - 1.0), None, "it is past it");
    assert_eq!(trend.crosses(1e6), None, "that is too far away");
    let steady = analyse(&minutes(120, |_| 5.0), Options::default());
    assert_eq!(steady.crosses(6.0), None);
}

/// A week of hours that follow the time of day.
fn days(count: u64, value: impl Fn(u64, u64) -> f64) -> Vec<(u64, f64)> {
    (0..count * 24).map(|hour| (START + hour * 3600, value(hour / 24, hour % 24))).collect()
}

#[test]
fn the_hours_of_the_day_are_found_and_taken_out() {
    let busy = |hour: u64| if (9..18).contains(&hour) { 40.0 } else { 10.0 };
    let points = days(8, |day, hour| busy(hour) + day as f64 + noise(day * 24 + hour));
    let trend = trend(&points);
    let season = trend.season.as_ref().unwrap();
    assert!(season.strength > 0.9, "{}", season.strength);
    assert!(season.by_hour[12] > 15.0 && season.by_hour[3] < -8.0, "{:?}", season.by_hour);
    assert_eq!(trend.direction, Direction::Rising);
    close(trend.per_hour, 1.0 / 24.0, 0.01);
    assert_eq!(trend.changes, [], "nine o'clock is no jump");
}

#[test]
fn less_than_a_week_or_noise_has_no_season() {
    let busy = |hour: u64| if (9..18).contains(&hour) { 40.0 } else { 10.0 };
    assert_eq!(trend(&days(6, |_, hour| busy(hour))).season, None);
    assert_eq!(trend(&days(10, |day, hour| noise(day * 24 + hour))).season, None);
    assert_eq!(trend(&days(10, |_, _| 7.0)).season, None);
}

#[test]
fn long_series_are_thinned_and_say_the_same() {
    let points: Vec<(u64, f64)> = (0..5000).map(|n| (START + n * 30, n as f64)).collect();
    let trend = trend(&points);
    assert_eq!(trend.points, 5000);
    close(trend.per_hour, 120.0, 0.1);
    close(trend.level, 4999.0, 25.0);
}

#[test]
fn too_few_points_are_unknown() {
    for count in 0..POINTS_MIN as u64 {
        let trend = trend(&minutes(count, |minute| minute as f64));
        assert_eq!(trend.direction, Direction::Unknown);
        assert_eq!(trend.per_hour, 0.0);
    }
    let same_time: Vec<(u64, f64)> = (0..50).map(|n| (START, f64::from(n))).collect();
    assert_eq!(trend(&same_time).direction, Direction::Unknown);
}

#[test]
fn what_is_no_number_is_left_out() {
    let mut points = minutes(60, |minute| minute as f64);
    points.extend([(START, f64::NAN), (START + 5, f64::INFINITY)]);
    points.reverse();
    let trend = trend(&points);
    assert_eq!(trend.points, 60);
    close(trend.per_hour, 60.0, 1e-9);
}

proptest! {
    #[test]
    fn any_series_has_a_trend(
        points in prop::collection::vec((0..2_000_000_u64, any::<f64>()), 0..300),
    ) {
        let trend = trend(&points);
        prop_assert!(trend.per_hour_band.0 <= trend.per_hour || trend.per_hour.is_nan());
        prop_assert!(trend.changes.len() <= CHANGES_MAX);
        prop_assert!(trend.changes.is_sorted_by(|one, next| one.at < next.at));
        let _crossing = trend.crosses(0.0);
    }

    /// Moving or stretching all values moves and stretches what is found.
    #[test]
    fn a_trend_moves_with_its_series(
        values in prop::collection::vec(0.0..100.0_f64, 20..60),
        factor in 0.1..10.0_f64,
    ) {
        let points = minutes(values.len() as u64, |minute| values[minute as usize]);
        let stretched: Vec<(u64, f64)> =
            points.iter().map(|&(at, value)| (at, value * factor)).collect();
        let (one, other) = (trend(&points), trend(&stretched));
        prop_assert!((one.per_hour * factor - other.per_hour).abs() < 1e-6 * (1.0 + one.per_hour.abs() * factor));
        prop_assert!((one.level * factor - other.level).abs() < 1e-6 * (1.0 + one.level.abs() * factor));
        prop_assert_eq!(one.direction, other.direction);
    }
}
