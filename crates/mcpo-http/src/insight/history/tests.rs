use super::*;

const NOW: u64 = 1_800_000_000;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn read(sent: &str) -> Result<history::Query, Problem> {
    let known = ["server", "metric", "from", "to", "step", "trend"];
    asked(&Query::read(Some(sent), &known)?, at(NOW))
}

#[test]
fn without_more_the_last_hour_of_all_is_asked_for() {
    let expected = history::Query {
        server: None,
        metric: Metric::P99,
        from: at(NOW - 3600),
        to: at(NOW),
        step_seconds: 15,
    };
    assert_eq!(read("metric=p99").unwrap(), expected);
}

#[test]
fn times_are_since_1970_or_before_now() {
    let asked = read("metric=rate&server=two%20words&from=-7200&to=-60.5&step=30").unwrap();
    assert_eq!(asked.server.as_deref(), Some("two words"));
    assert_eq!((asked.from, asked.step_seconds), (at(NOW - 7200), 30));
    assert_eq!(asked.to, at(NOW) - Duration::from_millis(60_500));
    let asked = read("metric=rate&from=1700000000&to=1700000100").unwrap();
    assert_eq!((asked.from, asked.to), (at(1_700_000_000), at(1_700_000_100)));
    assert_eq!(asked.step_seconds, 1);
    let ancient = read("metric=rate&from=-1e18").unwrap();
    assert_eq!(ancient.from, SystemTime::UNIX_EPOCH);
    assert_eq!(read("metric=rate&to=1700000000").unwrap().from, at(1_700_000_000 - 3600));
}

#[test]
fn what_makes_no_sense_is_told() {
    for (sent, says) in [
        ("", "`metric` must be one of rate, error_rate, p50"),
        ("metric=speed", "`metric` must be one of"),
        ("metric=rate&from=yesterday", "`from` must be seconds"),
        ("metric=rate&to=1e300", "`to` must be seconds"),
        ("metric=rate&from=nan", "`from` must be seconds"),
        ("metric=rate&from=-inf", "`from` must be seconds"),
        ("metric=rate&from=-10&to=-20", "`from` must be before `to`"),
        ("metric=rate&step=0", "`step` must be"),
        ("metric=rate&step=-5", "`step` must be"),
        ("metric=rate&upstream=x", "`upstream` is not known here"),
    ] {
        let Err(Problem::BadQuery { why }) = read(sent) else { panic!("{sent}") };
        assert!(why.contains(says), "{sent}: {why}");
    }
}

#[test]
fn a_trend_is_added_where_it_is_asked_for() {
    let points = (0..60).map(|minute| (NOW + minute * 60, minute as f64)).collect();
    let series = Series { server: None, metric: Metric::Memory, step_seconds: 60, points };
    assert!(told(&series, false).get("trend").is_none());
    let told = told(&series, true);
    assert_eq!(
        (&told["metric"], &told["trend"]["direction"]),
        (&"memory".into(), &"rising".into())
    );
}
