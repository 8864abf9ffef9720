//! Everything between a call and its upstream, played in virtual time against servers in memory
//! that fail in every way they know: whatever happens follows from a seed. A run that breaks a
//! promise prints its seed, and the command that plays it again.

mod check;
mod doctor;
mod fake;
mod history;
mod play;
mod scenario;

use std::cell::Cell;
use std::sync::{Arc, Once};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::history::{Happening, History};
use crate::scenario::{Family, Scenario};

/// Runs of an ordinary test run, over all parts.
const SEEDS: u64 = 2400;
/// The parts run beside each other.
const PARTS: u64 = 8;
/// How often a seed that a person names is played: see [`runtime`].
const AGAIN: u64 = 100;
/// How much of a history is printed.
const LINES_MAX: usize = 120;

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// A task that breaks is caught by whoever awaits it; here it is counted first.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            before(info);
        }));
    });
}

/// `MCPO_SIM_SEED` plays one seed alone, `MCPO_SIM_SEEDS` that many, from `MCPO_SIM_SEED_FROM` on.
#[expect(clippy::disallowed_methods, reason = "how a person says what to play")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("it is a number"))
}

fn play_part(part: u64) {
    count_panics();
    match setting("MCPO_SIM_SEED") {
        Some(seed) if part == 0 => (0..AGAIN).for_each(|_| expect_nothing_wrong(seed)),
        Some(_) => {}
        None => {
            let seeds = setting("MCPO_SIM_SEEDS").unwrap_or(SEEDS);
            let from = setting("MCPO_SIM_SEED_FROM").unwrap_or(0);
            (from..from + seeds).filter(|seed| seed % PARTS == part).for_each(expect_nothing_wrong);
        }
    }
}

/// All that is random follows from the seed, but for one thing: `watch` of tokio wakes those who
/// wait together in an order of its own dice, which can be seeded in a build with
/// `RUSTFLAGS="--cfg tokio_unstable"` alone. In any other build a seed stands for a few orders.
#[allow(unexpected_cfgs, reason = "it is tokio's, and set by hand")]
fn runtime(seed: u64) -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes()));
    let _used_above = seed;
    builder.build().expect("a runtime")
}

/// Whether a seed stands for one order.
#[allow(unexpected_cfgs, reason = "it is tokio's, and set by hand")]
fn is_exact(seed: u64) -> bool {
    cfg!(tokio_unstable) || Scenario::draw(seed).family == Family::Trickle
}

/// Plays a seed; gives what happened and what was wrong.
fn run(seed: u64) -> (Scenario, Arc<History>, Vec<String>) {
    PANICS.set(0);
    let runtime = runtime(seed);
    let history = runtime.block_on(play::play(Scenario::draw(seed)));
    let scenario = Scenario::draw(seed);
    let mut wrong = check::check(&scenario, &history.all());
    let tasks = runtime.metrics().num_alive_tasks();
    drop(runtime);
    let alive = history.count_alive();
    if (alive, tasks, PANICS.get()) != (0, 0, 0) {
        let panics = PANICS.get();
        wrong.push(format!("left: {alive} sessions and calls, {tasks} tasks, {panics} panics"));
    }
    (scenario, history, wrong)
}

#[expect(clippy::print_stdout, reason = "a run that never ends names itself by the last line")]
fn expect_nothing_wrong(seed: u64) {
    print!("{seed} ");
    let (scenario, history, wrong) = run(seed);
    assert!(wrong.is_empty(), "{}", report(&scenario, &history.all(), &wrong));
}

fn report(scenario: &Scenario, all: &[(Duration, Happening)], wrong: &[String]) -> String {
    let seed = scenario.seed;
    let (servers, changes) = (&scenario.servers, &scenario.changes);
    let told = setting("MCPO_SIM_SEED").is_some();
    let lines = all.iter().map(|(at, what)| format!("  {at:?} {what:?}\n"));
    let history: String = lines.take(if told { usize::MAX } else { LINES_MAX }).collect();
    let wrong: String = wrong.iter().take(10).map(|one| format!("- {one}\n")).collect();
    format!(
        "seed {seed} ({:?}) went wrong:\n{wrong}{servers:#?}\n{changes:#?}\n{history}\n\
         again: MCPO_SIM_SEED={seed} cargo nextest run -p mcpo-policy simulation\n\
         exactly, where that does not find it: RUSTFLAGS=\"--cfg tokio_unstable\" before it",
        scenario.family
    )
}

#[test]
fn simulation_is_the_same_for_the_same_seed() {
    count_panics();
    for seed in (0..400).filter(|&seed| is_exact(seed)).take(40) {
        let [first, second] = [run(seed), run(seed)].map(|(_, history, _)| history);
        let (one, other) = (first.all(), second.all());
        let differ = one.iter().zip(&other).find(|(one, other)| one != other);
        assert!(differ.is_none(), "seed {seed}: {differ:#?}");
        assert_eq!(first.fingerprint(), second.fingerprint(), "seed {seed}");
    }
}

/// Of runs with nothing wrong: a change of one thing that was told is found. Each row says what is
/// told otherwise; `None` where the run has no such thing.
#[test]
fn simulation_finds_what_is_shared_wrongly() {
    count_panics();
    let mut found = doctor::ALL.map(|_| 0);
    for seed in 0..80 {
        let (scenario, history, wrong) = run(seed);
        assert!(wrong.is_empty(), "{}", report(&scenario, &history.all(), &wrong));
        for (doctored, count) in doctor::ALL.iter().zip(&mut found) {
            let mut all = history.all();
            if doctored(&scenario, &mut all).is_some() {
                assert!(!check::check(&scenario, &all).is_empty(), "seed {seed}, {count}");
                *count += 1;
            }
        }
    }
    assert!(found.iter().all(|count| *count > 0), "{found:?}");
}

#[test]
fn simulation_part_0() {
    play_part(0);
}

#[test]
fn simulation_part_1() {
    play_part(1);
}

#[test]
fn simulation_part_2() {
    play_part(2);
}

#[test]
fn simulation_part_3() {
    play_part(3);
}

#[test]
fn simulation_part_4() {
    play_part(4);
}

#[test]
fn simulation_part_5() {
    play_part(5);
}

#[test]
fn simulation_part_6() {
    play_part(6);
}

#[test]
fn simulation_part_7() {
    play_part(7);
}
