//! An hour as it is in life: load that comes and goes, tools that are slow or refuse, an operator
//! who reconnects, a restart that heals. Nobody is told of anything, unless something is added.

use fastrand::Rng;
use mcpo_upstream::order::Order;
use tokio::task::JoinSet;

use super::*;
use crate::diagnosis::Issue;
use crate::resources::{MachineSample, ProcessSample, Sampled};

const MIB: u64 = 1 << 20;
const SERVERS: [&str; 3] = ["files", "search", "reports"];

/// What is added to the hour, from its half on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    None,
    /// `search` goes away and stays away.
    Down,
    /// Most of the calls of `search` take much longer.
    Slow,
    /// Every call of `search` takes as long, but `search` does not have it for that long.
    SlowMcpo,
    /// One in forty calls of `search` fails where one in a thousand may.
    Burn,
    /// The processes of `search` take more memory each minute, from the beginning on.
    Growth,
    /// The disk of the state directory fills up.
    Disk,
}

/// What was told in the hour.
#[derive(Debug, Default)]
struct Told {
    issues: Vec<Issue>,
    firing: Vec<Alert>,
    least_score: u8,
    /// How many calls were made.
    calls: u64,
    /// And not answered.
    failed: u64,
}

fn machine(seconds: u64, defect: Defect) -> MachineSample {
    let disk_mib = if defect == Defect::Disk && seconds > 1800 { 100 } else { 50_000 };
    MachineSample {
        cpu: 0.2 + 0.1 * load(seconds),
        memory: 0.4 + rss(seconds, defect) as f64 / (1024 * MIB) as f64,
        memory_bytes_max: 1024 * MIB,
        processors: 4.0,
        is_container: false,
        state_disk_bytes_free: Some(disk_mib * MIB),
    }
}

/// From 0 to 1, up and down once in the hour.
fn load(seconds: u64) -> f64 {
    (seconds as f64 / 3600.0 * std::f64::consts::PI).sin()
}

/// Of `search`.
fn rss(seconds: u64, defect: Defect) -> u64 {
    let grown = if defect == Defect::Growth { seconds * MIB / 20 } else { 0 };
    // Never the same, as those of real processes.
    60 * MIB + grown + seconds * 7919 % 512 * 1024
}

fn used(seconds: u64, defect: Defect) -> Sampled {
    let process = |rss_bytes| ProcessSample {
        processes: 1,
        cpu: 0.05,
        cpu_seconds: 0.05 * seconds as f64,
        rss_bytes,
        fds: Some(40),
        fds_max: Some(1024),
        threads: 4,
        uptime_seconds: seconds as f64,
    };
    Sampled {
        own: Some(process(30 * MIB)),
        machine: Some(machine(seconds, defect)),
        servers: vec![(1, process(rss(seconds, defect)))],
    }
}

/// What is called at a second: where, what, for how long, and what comes of it.
fn calls(seconds: u64, defect: Defect, dice: &mut Rng) -> Vec<(&'static str, u64, Act)> {
    let count = 1 + u64::from(dice.f64() < 2.0 * load(seconds) - 0.5);
    let has_begun = seconds >= 1800;
    let one = |_| {
        let rolled = dice.u64(0..1000);
        let act = if rolled.is_multiple_of(25) { Act::Err } else { Act::Answer };
        match rolled {
            0..500 => ("files", 20 + rolled % 60, act),
            500..950 if has_begun && defect == Defect::Slow => ("search", 6000, act),
            500..950 if has_begun && defect == Defect::Burn && rolled % 40 == 7 => {
                ("search", 100, Act::Fail)
            }
            // One of twenty takes its time.
            500..950 if rolled % 20 == 3 => ("search", 3000, act),
            500..950 => ("search", 100 + rolled % 200, act),
            _rare => ("reports", 2000 + rolled, act),
        }
    };
    (0..count).map(one).collect()
}

async fn hour(defect: Defect) -> (Play, Told) {
    let slo_objective = if defect == Defect::Burn { 0.999 } else { 0.99 };
    let monitoring = Monitoring { slo_objective, ..Monitoring::default() };
    let mut play = Play::ready(&SERVERS, monitoring).await;
    play.uses(used(0, defect));
    play.run();
    let (mut told, mut dice) = (Told { least_score: 100, ..Told::default() }, Rng::with_seed(1));
    let mut calling: JoinSet<CallResult> = JoinSet::new();
    for seconds in 0..3600 {
        play.uses(used(seconds, defect));
        disturb(&play, seconds, defect).await;
        for (server, millis, act) in calls(seconds, defect, &mut dice) {
            let took = Duration::from_millis(millis);
            told.calls += 1;
            if server == "search" && defect == Defect::SlowMcpo && seconds >= 1800 {
                calling.spawn(play.caller.clone().late(server, "read", 6 * SECOND));
            } else {
                calling.spawn(play.caller.clone().call(server, "read", took, act));
            }
        }
        sleep(SECOND).await;
        while let Some(ended) = calling.try_join_next() {
            told.failed += u64::from(ended.expect("it does not break").is_failure());
        }
        if seconds % 30 == 29 {
            look(&play, &mut told).await;
        }
    }
    while let Some(ended) = calling.join_next().await {
        told.failed += u64::from(ended.expect("it does not break").is_failure());
    }
    (play, told)
}

/// What happens to everybody, and what does not.
async fn disturb(play: &Play, seconds: u64, defect: Defect) {
    match seconds {
        600 => {
            let by = Instant::now() + SECOND;
            play.upstream("files").order(Order::Reconnect, by).await.expect("it is carried out");
        }
        1200 => {
            play.listens("search", false);
            sleep(300 * MILLIS).await;
            play.listens("search", true);
        }
        1800 if defect == Defect::Down => play.listens("search", false),
        _calm => {}
    }
}

async fn look(play: &Play, told: &mut Told) {
    let diagnosis = play.monitor.diagnose(Instant::now() + 10 * SECOND).await;
    told.least_score = told.least_score.min(diagnosis.score);
    for issue in diagnosis.issues {
        if !told.issues.iter().any(|one| (one.id, &one.server) == (issue.id, &issue.server)) {
            told.issues.push(issue);
        }
    }
    let alerts = Arc::clone(&play.monitor.alerts().borrow());
    let is_told = |one: &&Alert| one.phase == Phase::Firing && one.inhibited_by.is_none();
    told.firing.extend(alerts.active.iter().filter(is_told).cloned());
}

/// A rule, and the server that it is about.
type Id<'a> = (&'a str, Option<&'a str>);

/// The rules of all issues and alerts, each with the server that it is about.
fn ids(told: &Told) -> (Vec<Id<'_>>, Vec<Id<'_>>) {
    let mut alerts: Vec<_> =
        told.firing.iter().map(|one| (one.rule.as_str(), one.server.as_deref())).collect();
    alerts.sort_unstable();
    alerts.dedup();
    (told.issues.iter().map(|one| (one.id, one.server.as_deref())).collect(), alerts)
}

#[tokio::test(start_paused = true)]
async fn a_healthy_hour_gives_no_issue_and_no_alert() {
    let (mut play, told) = hour(Defect::None).await;
    assert_eq!(ids(&told), (vec![], vec![]), "{told:#?}");
    assert!(told.least_score >= 95, "{}", told.least_score);
    // All of it was seen.
    let picture = play.look();
    assert_eq!(picture.whole.calls.total(), told.calls);
    assert_eq!(picture.whole.calls.tally().bad, told.failed);
    assert!(told.calls > 5000 && told.failed <= 1, "{told:?}");
    let hour = &picture.whole.calls.windows[HOUR];
    assert!(hour.total() >= told.calls * 3 / 4, "{} of {}", hour.total(), told.calls);
    assert_eq!(picture.whole.burn.six_hours.total(), told.calls);
    assert!(picture.whole.calls.ended[CallResult::ToolError as usize] > 100);
    let [files, search, _reports] = &picture.servers[..] else { panic!("{picture:?}") };
    assert!(search.tools[0].calls.duration.quantile(0.99) > Some(2.9));
    assert_eq!((files.reconnects, files.recoveries_last_hour), (1, 0), "an operator wanted it");
    assert_eq!((search.counters.recoveries_tried, search.counters.recoveries_succeeded), (1, 1));
    let rates = series(&play, None, Metric::Rate).await;
    let kept = rates.iter().sum::<f64>() * 30.0 / told.calls as f64;
    assert!((119..=121).contains(&rates.len()) && (0.98..1.02).contains(&kept), "{kept} {rates:?}");
    play.stop().await;
}

/// Rules of issues and alerts, each with the server that it is about.
type Ids<'a> = &'a [Id<'a>];

const SEARCH: Option<&str> = Some("search");

/// The same hour with a defect tells of that, and of nothing else.
async fn check(defect: Defect, issues: Ids<'_>, alerts: Ids<'_>) {
    let (mut play, told) = hour(defect).await;
    assert_eq!(ids(&told), (issues.to_vec(), alerts.to_vec()), "{told:#?}");
    play.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_in_which_a_server_goes_away_tells_of_that() {
    let (issues, alerts) = ([("upstream_unreachable", SEARCH)], [("server_down", SEARCH)]);
    check(Defect::Down, &issues, &alerts).await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_in_which_a_server_gets_slow_tells_of_that() {
    let (issues, alerts) = ([("slow_upstream", SEARCH)], [("slow_responses", SEARCH)]);
    check(Defect::Slow, &issues, &alerts).await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_in_which_we_get_slow_tells_of_that() {
    let (issues, alerts) = ([("slow_mcpo", SEARCH)], [("slow_responses", SEARCH)]);
    check(Defect::SlowMcpo, &issues, &alerts).await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_in_which_the_error_budget_burns_tells_of_that() {
    let (issues, alerts) = ([("error_budget_burn", SEARCH)], [("slo_burn_slow", SEARCH)]);
    check(Defect::Burn, &issues, &alerts).await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_in_which_memory_leaks_tells_of_that() {
    check(Defect::Growth, &[("memory_growth", SEARCH)], &[]).await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_in_which_the_disk_fills_up_tells_of_that() {
    check(Defect::Disk, &[("disk_full", None)], &[]).await;
}
