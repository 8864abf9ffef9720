//! Random moves: whatever happens to an upstream and whoever orders what, once all is well again it
//! works, no more sessions are open than its pool allows, and a stop leaves none.

use fastrand::Rng;

use super::*;

const SEEDS: u64 = 50;
const MOVES: usize = 40;

fn break_or_heal(dice: &mut Rng, bench: &Bench) {
    let made = bench.up.made();
    match dice.u8(..10) {
        0 if bench.up.open() > 0 => bench.up.kill_one(),
        1 => bench.up.kill_all(),
        2 => bench.up.set(|manner| manner.listens = !manner.listens),
        3 => bench.up.set(|manner| manner.hung = made),
        4 => bench.up.set(|manner| manner.expired = made),
        5 => bench.up.set(|manner| manner.dial_takes = Duration::from_millis(dice.u64(..20_000))),
        6 => bench.up.set(|manner| manner.call_takes = Duration::from_millis(dice.u64(..60_000))),
        7 => {
            let status = *dice.choice(&[401, 500, 503]).expect("there are some");
            bench.up.set(|manner| manner.dial_fails = Some(super::status(status)));
        }
        8 => bench.up.set(|manner| *manner = Manner::default()),
        _ => bench.up.tell_tools_changed(),
    }
}

async fn meddle(dice: &mut Rng, bench: &Bench) {
    match dice.u8(..4) {
        0 => {
            let order = *dice.choice(&Order::ALL).expect("there are some");
            let soon = Instant::now() + Duration::from_millis(dice.u64(..3000));
            let _told_or_late = bench.upstream().order(order, soon).await;
        }
        1 => {
            let max = dice.usize(1..5);
            let sizes = mcpo_config::PoolSizes { min: dice.usize(1..=max), max };
            let era = *dice.choice(&[mcpo_config::Era::Auto, mcpo_config::Era::Modern]).unwrap();
            let server = mcpo_config::Server { era, ..server("up", sizes) };
            bench.wanted.send_replace(Arc::new(vec![server]));
        }
        2 => bench.upstream().want(),
        _ => bench.upstream().doubt_time(),
    }
}

async fn play(seed: u64) {
    let mut dice = Rng::with_seed(seed);
    let bench = bench(Manner::default(), 1, 3);
    bench.until_ready(1).await;
    let mut calls = JoinSet::new();
    for _ in 0..MOVES {
        match dice.u8(..4) {
            0 | 1 => break_or_heal(&mut dice, &bench),
            2 => meddle(&mut dice, &bench).await,
            _ => {
                if let Some(live) = bench.view().pick(&[]).cloned() {
                    let limit = Duration::from_millis(dice.u64(..120_000));
                    for _ in 0..dice.usize(..40) {
                        let live = live.clone();
                        calls.spawn(async move { attempt(&live, limit).await.1 });
                    }
                }
            }
        }
        sleep(Duration::from_millis(dice.u64(..30_000))).await;
        let view = bench.view();
        assert_eq!(view.is_ready(), view.state == State::Ready, "{seed}: {view:?}");
        assert!(view.sessions.len() <= 4, "{seed}: {view:?}");
    }
    bench.up.set(|manner| *manner = Manner::default());
    bench.order(Order::Release).await;
    bench.order(Order::Reset).await;
    let view = bench.until("ready", |view| view.is_ready() && view.pool.draining == 0).await;
    assert!(view.pick(&[]).is_some(), "{seed}: {view:?}");
    works(&bench).await;
    while calls.join_next().await.is_some() {}
    sleep(10 * MINUTE).await;
    let view = bench.view();
    assert_eq!(view.sessions.len(), view.pool.min, "{seed}: {view:?}");
    assert_eq!(view.outstanding(), 0, "{seed}: {view:?}");
    assert_eq!(bench.up.open(), view.pool.min, "{seed}: {view:?}");
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_an_upstream_that_is_well_again_works_and_leaks_nothing() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        play(seed).await;
    }
}
