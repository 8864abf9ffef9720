//! What is watched is kept, told, and known again after a restart.

mod agree;
mod hour;

use mcpo_config::AlertRule;
use mcpo_testkit::Scratch;
use mcpo_upstream::directory::View;
use mcpo_upstream::meter::CallResult;
use tokio::time::sleep;

use super::play::*;
use super::*;
use crate::alerts::{Alert, Phase};
use crate::history::Metric;
use crate::picture::{FIVE_MINUTES, HOUR, MINUTE, Standing};
use crate::score::Score;

const SECOND: Duration = Duration::from_secs(1);
const MILLIS: Duration = Duration::from_millis(1);

async fn series(play: &Play, server: Option<&str>, metric: Metric) -> Vec<f64> {
    let query = Query {
        server: server.map(str::to_owned),
        metric,
        from: play.time(Duration::from_secs(86_400)),
        to: play.time(Duration::ZERO),
        step_seconds: 1,
    };
    let series = play.monitor.history(query).await.expect("it can be read");
    series.points.into_iter().map(|(_, value)| value).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_watched_is_kept_sample_by_sample() {
    let mut play = Play::ready(&["up", "other"], Monitoring::default()).await;
    play.run();
    play.calls("up", 91, 20 * MILLIS).await;
    let rates = series(&play, Some("up"), Metric::Rate).await;
    assert_eq!(rates.len(), 3, "{rates:?}");
    assert!(rates.iter().all(|rate| (0.9..=1.1).contains(rate)), "{rates:?}");
    let medians = series(&play, Some("up"), Metric::P50).await;
    assert!(medians.iter().all(|median| (0.0198..0.0203).contains(median)), "{medians:?}");
    let waits = series(&play, Some("up"), Metric::Wait).await;
    assert!(waits.iter().all(|wait| (0.0019..0.0021).contains(wait)), "{waits:?}");
    assert_eq!(series(&play, Some("other"), Metric::P50).await, [0.0; 0]);
    assert_eq!(series(&play, Some("other"), Metric::Rate).await, [0.0; 3]);
    assert_eq!(series(&play, None, Metric::Sessions).await, [2.0; 3]);
    assert_eq!(series(&play, Some("up"), Metric::Score).await, [100.0; 3]);
    let memory = series(&play, None, Metric::Memory).await;
    assert!(memory.len() == 3 && memory.iter().all(|bytes| *bytes > 1e6), "{memory:?}");
    let names = |events: Vec<KeptEvent>| -> Vec<(Option<String>, String)> {
        events.into_iter().map(|event| (event.server, event.name)).collect()
    };
    let ready = |server: &str| (Some(server.to_owned()), "upstream_ready".to_owned());
    let mut kept = names(play.events(None).await);
    kept.sort();
    assert_eq!(kept, [ready("other"), ready("up")]);
    assert_eq!(names(play.events(Some("up")).await), [ready("up")]);
    assert!(play.stop().await <= 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_picture_shows_each_window_of_servers_tools_and_the_whole() {
    let mut play = Play::ready(&["up", "other"], Monitoring::default()).await;
    play.run();
    play.call("up", "write", 50 * MILLIS, CallResult::Unknown).await;
    play.calls("up", 180, 20 * MILLIS).await;
    play.call("other", "read", 50 * MILLIS, CallResult::Ok).await;
    let picture = play.look();
    let [up, other] = &picture.servers[..] else { panic!("{picture:?}") };
    assert_eq!((up.calls.total(), other.calls.total(), picture.whole.calls.total()), (181, 1, 182));
    let totals =
        |of: &picture::CallPicture| [MINUTE, FIVE_MINUTES, HOUR].map(|at| of.windows[at].total());
    let [minute, five_minutes, hour] = totals(&up.calls);
    assert!((49..=61).contains(&minute) && (five_minutes, hour) == (181, 181), "{minute}");
    assert_eq!(totals(&picture.whole.calls)[1..], [182, 182]);
    let rate = up.calls.windows[MINUTE].per_second();
    assert!((0.95..1.05).contains(&rate), "{rate}");
    let names: Vec<&str> = up.tools.iter().map(|tool| tool.tool.as_str()).collect();
    assert_eq!(names, ["read", "write"]);
    assert_eq!(totals(&up.tools[1].calls), [0, 1, 1]);
    assert_eq!((up.burn.five_minutes.good, up.burn.six_hours.bad), (180, 1));
    assert_eq!(picture.whole.burn.six_hours.total(), 182);
    assert_eq!(picture.uptime, play.elapsed());
    assert!(picture.process.is_some(), "this process can be looked at");
    assert!(picture.watch.history_bytes > Some(0), "{:?}", picture.watch);
    play.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_costs_points_is_told_of_and_forgiven() {
    let mut play = Play::ready(&["up"], Monitoring::default()).await;
    play.run();
    let mut alerts = play.monitor.alerts();
    sleep(60 * SECOND).await;
    assert_eq!(play.look().servers[0].score, Score::full());
    play.listen(false);
    play.until("up", |view| !view.is_ready()).await;
    let firing = |alerts: &Arc<Alerts>| {
        alerts.active.iter().any(|one| one.rule == "server_down" && one.phase == Phase::Firing)
    };
    tokio::time::timeout(600 * SECOND, alerts.wait_for(firing)).await.expect("told").expect("runs");
    let picture = play.look();
    let up = &picture.servers[0];
    assert_eq!((up.standing, up.score.score, picture.whole.score.score), (Standing::Down, 0, 0));
    assert_eq!(up.score.reasons[0].part, "state");
    assert!(up.last_error.is_some() && !up.faults_last_hour.is_empty());
    play.listen(true);
    play.until("up", View::is_ready).await;
    let over = |alerts: &Arc<Alerts>| {
        let is_it = |one: &Alert| one.rule == "server_down";
        !alerts.active.iter().any(is_it) && alerts.resolved.iter().any(is_it)
    };
    tokio::time::timeout(3600 * SECOND, alerts.wait_for(over)).await.expect("told").expect("runs");
    let up = &play.look().servers[0];
    assert_eq!((&up.score, up.recoveries_last_hour), (&Score::full(), 1), "once is no habit");
    let scores = series(&play, Some("up"), Metric::Score).await;
    assert_eq!((scores.first(), scores.last()), (Some(&100.0), Some(&100.0)));
    assert!(scores.contains(&0.0), "{scores:?}");
    play.stop().await;
}

/// An alert of the server, if there is one that is active.
fn active(play: &Play, rule: &str) -> Option<Alert> {
    let alerts = Arc::clone(&play.monitor.alerts().borrow());
    alerts.active.iter().find(|one| one.rule == rule).cloned()
}

#[tokio::test(start_paused = true)]
async fn other_rules_and_another_objective_count_at_once() {
    let mut play = Play::ready(&["up"], Monitoring::default()).await;
    play.run();
    sleep(SECOND).await;
    play.listen(false);
    sleep(30 * SECOND).await;
    assert_eq!(active(&play, "server_down").expect("it is down").phase, Phase::Pending);
    let with = |rule: AlertRule| {
        let rules = vec![("server_down".to_owned(), rule)];
        let alerts = mcpo_config::Alerts { rules, webhooks: Vec::new() };
        // Only a restart switches it off.
        Monitoring { enabled: false, slo_objective: 0.5, alerts, ..Monitoring::default() }
    };
    let sooner = AlertRule { hold_for: Some(10 * SECOND), ..AlertRule::default() };
    play.monitor.reconfigure(&with(sooner));
    sleep(MILLIS).await;
    assert_eq!(active(&play, "server_down").expect("it is down").phase, Phase::Firing);
    assert_eq!(play.look().watch.slo_objective.to_bits(), 0.5_f64.to_bits());
    play.monitor.reconfigure(&with(AlertRule { enabled: Some(false), ..sooner }));
    sleep(MILLIS).await;
    assert_eq!(active(&play, "server_down"), None);
    let alerts = Arc::clone(&play.monitor.alerts().borrow());
    assert!(alerts.resolved[0].summary.contains("the rule is switched off"), "{alerts:?}");
    assert!(play.monitor.is_enabled());
    play.stop().await;
}

#[tokio::test(start_paused = true)]
async fn rates_are_those_of_calls_also_where_servers_come_and_go() {
    let mut play = Play::ready(&["up", "other"], Monitoring::default()).await;
    play.run();
    play.calls("other", 600, 20 * MILLIS).await;
    play.calls("up", 60, 20 * MILLIS).await;
    play.reload(&["up"]);
    play.calls("up", 60, 20 * MILLIS).await;
    play.reload(&["up", "other"]);
    play.calls("up", 60, 20 * MILLIS).await;
    for server in [None, Some("up"), Some("other")] {
        let rates = series(&play, server, Metric::Rate).await;
        assert!(rates.iter().all(|rate| *rate <= 1.1), "{server:?}: {rates:?}");
        assert!(rates.iter().any(|rate| *rate > 0.9), "{server:?}: {rates:?}");
    }
    play.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_knows_what_was_before() {
    let scratch = Scratch::new().expect("a directory");
    let mut play = Play::ready(&["up"], kept_in(scratch.path())).await;
    play.run();
    for _ in 0..20 {
        play.call("up", "read", 10 * MILLIS, CallResult::Unknown).await;
    }
    play.calls("up", 2000, 20 * MILLIS).await;
    play.stop().await;
    let before = play.elapsed();
    let samples = series(&play, Some("up"), Metric::Rate).await.len();
    drop(play);

    let later = NOON + before + 600 * SECOND;
    let mut play = Play::ready_at(later, &["up"], kept_in(scratch.path())).await;
    play.run();
    sleep(SECOND).await;
    let usual = play.monitor.inner.memory().baselines.median("up").expect("it is known");
    assert!((0.0198..0.0203).contains(&usual), "{usual}");
    let burn = play.look().servers[0].burn;
    assert_eq!((burn.five_minutes.total(), burn.six_hours.bad), (0, 20));
    assert!((1990..=2010).contains(&burn.six_hours.good), "{burn:?}");
    assert_eq!(play.look().servers[0].calls.total(), 0, "counters begin anew");
    assert_eq!(series(&play, Some("up"), Metric::Rate).await.len(), samples);
    // Much slower than it used to be.
    play.calls("up", 60, 400 * MILLIS).await;
    let score = &play.look().servers[0].score;
    assert!(score.reasons.iter().any(|reason| reason.part == "latency"), "{score:?}");
    play.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_switched_off_keeps_nothing_and_ends_when_told() {
    let off = Monitoring { enabled: false, ..Monitoring::default() };
    let mut play = Play::ready(&["up"], off).await;
    play.run();
    play.calls("up", 90, 20 * MILLIS).await;
    assert!(!play.monitor.is_enabled());
    assert_eq!(series(&play, None, Metric::Rate).await, [0.0; 0]);
    assert_eq!(play.stop().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn many_who_look_at_once_see_the_same_picture() {
    let play = Play::ready(&["up"], Monitoring::default()).await;
    let first = play.monitor.picture();
    sleep(PICTURE_AGE_MAX).await;
    assert!(Arc::ptr_eq(&first, &play.monitor.picture()));
    sleep(MILLIS).await;
    assert!(!Arc::ptr_eq(&first, &play.monitor.picture()));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_wrong_with_what_is_well() {
    let mut play = Play::ready(&["up"], Monitoring::default()).await;
    play.run();
    play.calls("up", 120, 20 * MILLIS).await;
    let diagnosis = play.monitor.diagnose(Instant::now() + SECOND).await;
    // The machine may be busy, with other tests.
    let of_servers = diagnosis.issues.iter().filter(|issue| issue.server.is_some());
    assert_eq!(of_servers.count(), 0, "{diagnosis:?}");
    assert_eq!(diagnosis.connection_health.get("up"), Some(&true));
    play.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_last_sample_is_written_when_all_stops() {
    let mut play = Play::ready(&["up"], Monitoring::default()).await;
    play.run();
    play.calls("up", 10, 20 * MILLIS).await;
    play.listen(false);
    play.until("up", |view| !view.is_ready()).await;
    play.stop().await;
    let rates = series(&play, Some("up"), Metric::Rate).await;
    assert!(matches!(rates[..], [rate] if (0.9..1.1).contains(&rate)), "{rates:?}");
    let events = play.events(Some("up")).await;
    let lost = events.iter().find(|event| event.name == "session_lost").expect("it is kept");
    assert_eq!(lost.level, "warn");
    assert!(!lost.sentence.contains("secret"), "{lost:?}");
}

/// At the stop the upstreams end before the monitor does.
#[tokio::test(start_paused = true)]
async fn no_score_is_kept_where_there_is_nothing_left_to_score() {
    let mut play = Play::ready(&["up"], Monitoring::default()).await;
    play.run();
    play.calls("up", 40, 20 * MILLIS).await;
    let before = series(&play, None, Metric::Score).await.len();
    play.reload(&[]);
    while !play.look().servers.is_empty() {
        sleep(MILLIS).await;
    }
    play.stop().await;
    assert_eq!(series(&play, None, Metric::Score).await.len(), before);
    assert_eq!(series(&play, None, Metric::Sessions).await.len(), before);
    assert!(series(&play, None, Metric::Rate).await.len() > before, "calls are");
}

#[tokio::test(start_paused = true)]
async fn work_that_is_begun_anew_does_nothing_twice() {
    let scratch = Scratch::new().expect("a directory");
    let mut play = Play::ready(&["up"], kept_in(scratch.path())).await;
    play.run();
    play.calls("up", 61, 20 * MILLIS).await;
    play.abort().await;
    play.run();
    play.calls("up", 60, 20 * MILLIS).await;
    let rates = series(&play, Some("up"), Metric::Rate).await;
    assert!(rates.iter().all(|rate| (0.9..=1.1).contains(rate)), "{rates:?}");
    assert_eq!(play.events(Some("up")).await.len(), 1, "it was ready once");
    assert_eq!(play.look().servers[0].burn.six_hours.good, 121);
    play.stop().await;
}

#[tokio::test(start_paused = true)]
async fn samples_keep_their_interval_whatever_it_is() {
    for (seconds, samples) in [(1, 60), (7, 8), (30, 2), (300, 0)] {
        let interval = Duration::from_secs(seconds);
        let mut play = Play::ready(&["up"], Monitoring { interval, ..Monitoring::default() }).await;
        // Real clocks do not stand still between a tick and what it does.
        sleep(3 * MILLIS).await;
        play.run();
        sleep(60 * SECOND + MILLIS).await;
        assert_eq!(series(&play, None, Metric::Rate).await.len(), samples, "{interval:?}");
        play.stop().await;
    }
}
