use mcpo_core::load::ShedReason;
use mcpo_upstream::directory::Directory;
use tokio::task::JoinSet;
use tokio::time::advance;

use super::*;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const BUSY: Option<f64> = Some(0.95);

fn looks(law: &mut Law, looks: usize, late: Duration, cpu: Option<f64>) {
    (0..looks).for_each(|_| law.look(late, cpu));
}

#[test]
fn only_late_and_busy_look_after_look_is_too_much() {
    let cases = [
        (millis(20), BUSY, "not late"),
        (millis(500), Some(0.8), "not busy"),
        (millis(500), None, "nobody knows"),
    ];
    for (late, cpu, why) in cases {
        let mut law = Law::new();
        looks(&mut law, 100, late, cpu);
        assert_eq!(law, Law::new(), "{why}");
    }
    let mut law = Law::new();
    for _ in 0..100 {
        law.look(millis(21), BUSY);
        assert!((law.let_in - 1.0).abs() < 1e-9, "one look in two");
        law.look(millis(0), BUSY);
    }
    looks(&mut law, 2, millis(21), BUSY);
    assert!((law.let_in - 0.95).abs() < 1e-9, "{law:?}");
}

#[test]
fn ever_fewer_are_let_in_while_it_lasts_and_ever_more_after_it() {
    let mut law = Law::new();
    looks(&mut law, 15, millis(50), BUSY);
    assert!((0.47..0.50).contains(&law.let_in), "{law:?}: half after one and a half seconds");
    looks(&mut law, 1000, millis(50), BUSY);
    assert!((law.let_in - LET_IN_MIN).abs() < 1e-9, "{law:?}");
    looks(&mut law, 89, millis(1), BUSY);
    assert!(law.let_in < 1.0, "{law:?}");
    looks(&mut law, 2, millis(1), BUSY);
    assert!((law.let_in - 1.0).abs() < 1e-9, "{law:?}: all after nine seconds");
}

#[test]
fn the_share_is_spread_evenly() {
    let guard = Guard::default();
    let turned_away = |calls: u32| (0..calls).filter(|_| guard.turns_away()).count();
    assert_eq!(turned_away(1000), 0);
    for (let_in, expected) in [(0.9, 100), (0.5, 500), (0.1, 900), (1.0, 0)] {
        guard.set(let_in);
        let first = turned_away(1000);
        assert!(first.abs_diff(expected) <= 1, "{let_in}: {first}");
        for _ in 0..10 {
            let few = turned_away(100);
            assert!(few.abs_diff(expected / 10) <= 1, "{let_in}: {few} in a row of a hundred");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn wake_ups_that_come_late_turn_calls_away_until_they_come_in_time_or_nobody_watches() {
    let directory = Directory::new();
    let sheds = Arc::new(Sheds::new(directory.journal()));
    let guard = Arc::new(Guard::default());
    let gauge = Arc::new(PipelineGauge::new(1));
    let _in_hand = gauge.enter();
    let mut tasks = JoinSet::new();
    tasks.spawn(Watch::new(Some(Arc::clone(&guard)), Arc::clone(&gauge), sheds).watch(|| BUSY));
    let turned_away = || (0..1000).filter(|_| guard.turns_away()).count();
    tokio::task::yield_now().await;
    for _ in 0..5 {
        // Somebody else has had the processor.
        advance(LOOK_EVERY + millis(40)).await;
        tokio::task::yield_now().await;
    }
    let slow = turned_away();
    assert!((150..250).contains(&slow), "{slow}: four looks in a row");
    tokio::time::sleep(LOOK_EVERY * 40).await;
    assert_eq!(turned_away(), 0);
    for _ in 0..5 {
        advance(LOOK_EVERY + millis(40)).await;
        tokio::task::yield_now().await;
    }
    assert!(turned_away() > 0);
    tasks.shutdown().await;
    assert_eq!(turned_away(), 0, "nobody watches");
}

#[tokio::test(start_paused = true)]
async fn the_watch_tells_what_was_turned_away_also_where_nothing_is_guarded() {
    let directory = Directory::new();
    let sheds = Arc::new(Sheds::new(directory.journal()));
    let mut tasks = JoinSet::new();
    let gauge = Arc::new(PipelineGauge::new(1));
    tasks.spawn(Watch::new(None, gauge, Arc::clone(&sheds)).watch(|| BUSY));
    let bench = crate::play::Bench::ready(crate::play::Make::default()).await;
    for _ in 0..5 {
        sheds.note(bench.upstream().meter(), ShedReason::ServerFull, Instant::now());
    }
    assert_eq!(directory.journal().last_seq(), 1, "the first one is told at once");
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(directory.journal().last_seq(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_does_nothing_is_looked_at_once_a_second() {
    let directory = Directory::new();
    let sheds = Arc::new(Sheds::new(directory.journal()));
    let gauge = Arc::new(PipelineGauge::new(1));
    let looks = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&looks);
    let cpu = move || {
        seen.fetch_add(1, Ordering::Relaxed);
        BUSY
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(Watch::new(Some(Arc::default()), Arc::clone(&gauge), sheds).watch(cpu));
    let ten_seconds = async || {
        tokio::time::sleep(Duration::from_secs(10)).await;
        looks.swap(0, Ordering::Relaxed)
    };
    assert!((10..=11).contains(&ten_seconds().await));
    let in_hand = gauge.enter();
    assert!((90..=101).contains(&ten_seconds().await));
    drop(in_hand);
    assert!((9..=11).contains(&ten_seconds().await));
}
