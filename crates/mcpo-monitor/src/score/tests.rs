use proptest::prelude::*;

use super::*;

fn server(facts: ServerFacts) -> Score {
    of(&Facts::Server(facts))
}

fn whole(servers: Vec<Score>) -> WholeFacts {
    WholeFacts { servers, ..WholeFacts::default() }
}

fn well() -> ServerFacts {
    ServerFacts::well("up")
}

fn down() -> ServerFacts {
    ServerFacts {
        state: "resting",
        standing: Standing::Down,
        fault: Some(FaultKind::Unreachable),
        sessions: 0,
        ..well()
    }
}

/// The parts that cost points, and how many.
fn told(score: &Score) -> Vec<(&'static str, i64)> {
    score.reasons.iter().map(|reason| (reason.part, reason.points.round() as i64)).collect()
}

#[test]
fn one_that_is_well_loses_nothing() {
    assert_eq!(server(well()), Score::full());
    let dormant = ServerFacts { state: "dormant", sessions: 0, ..well() };
    assert_eq!(server(dormant), Score::full(), "a call wakes it");
    assert_eq!(of(&Facts::Whole(whole(vec![Score::full(); 3]))), Score::full());
    assert_eq!(of(&Facts::Whole(WholeFacts::default())), Score::full(), "nobody is ill");
}

/// What is the matter, what it costs by part, and what is left.
type Case = (ServerFacts, &'static [(&'static str, i64)], u8);

#[test]
fn each_trouble_costs_its_part() {
    let calls = |good, bad| Tally { good, bad };
    let open = BreakerName::Open;
    let held = ServerFacts { state: "held", held_by: Some(HeldBy::Fault), ..down() };
    let by_operator = ServerFacts { held_by: Some(HeldBy::Operator), ..held.clone() };
    let slow = ServerFacts { median: Some(0.4), usual_median: Some(0.1), timed: 50, ..well() };
    let cases: Vec<Case> = vec![
        (down(), &[("state", 100)], 0),
        (held, &[("state", 100)], 0),
        (by_operator, &[("state", 20)], 80),
        (ServerFacts { state: "starting", fault: None, ..down() }, &[("state", 20)], 80),
        (ServerFacts { state: "starting", ..down() }, &[("state", 100)], 0),
        (ServerFacts { breaker: open, ..down() }, &[("state", 100)], 0),
        (ServerFacts { breaker: open, ..well() }, &[("breaker", 50)], 50),
        (ServerFacts { breaker: BreakerName::HalfOpen, ..well() }, &[("breaker", 30)], 70),
        (ServerFacts { calls: calls(87, 3), ..well() }, &[("errors", 18)], 82),
        (ServerFacts { calls: calls(0, 1), ..well() }, &[("errors", 55)], 45),
        (ServerFacts { calls: calls(0, 1000), ..well() }, &[("errors", 60)], 40),
        (slow.clone(), &[("latency", 10)], 90),
        (ServerFacts { median: Some(0.2), ..slow.clone() }, &[], 100),
        (ServerFacts { median: Some(50.0), ..slow.clone() }, &[("latency", 20)], 80),
        (ServerFacts { timed: 9, ..slow.clone() }, &[], 100),
        (ServerFacts { timed: 9, calls: calls(50, 0), ..slow.clone() }, &[], 100),
        (ServerFacts { median: Some(0.001), usual_median: Some(0.0001), ..slow.clone() }, &[], 100),
        (ServerFacts { usual_median: None, ..slow }, &[], 100),
        (ServerFacts { recoveries: 1, ..well() }, &[], 100),
        (ServerFacts { recoveries: 3, ..well() }, &[("recovery", 8)], 92),
        (ServerFacts { recoveries: 99, ..well() }, &[("recovery", 20)], 80),
        (ServerFacts { sessions: 1, sessions_wanted: 4, ..well() }, &[("pool", 15)], 85),
        (ServerFacts { queued: 7, ..well() }, &[("queue", 15)], 85),
        (ServerFacts { tools_missing: 2, ..well() }, &[("tools", 15)], 85),
    ];
    for (facts, reasons, score) in cases {
        let given = server(facts.clone());
        assert_eq!((told(&given).as_slice(), given.score), (reasons, score), "{facts:?}");
        assert!(given.reasons.iter().all(|reason| reason.server.as_deref() == Some("up")));
    }
}

#[test]
fn the_figures_stand_in_the_reasons() {
    let facts = ServerFacts {
        calls: Tally { good: 87, bad: 3 },
        timed: 90,
        median: Some(2.0),
        usual_median: Some(0.1),
        ..well()
    };
    let whys: Vec<String> = server(facts).reasons.into_iter().map(|reason| reason.why).collect();
    assert_eq!(
        whys,
        [
            "it takes 2.0 s where 100 ms is usual (median)",
            "3 of 90 calls failed in the last five minutes"
        ]
    );
}

#[test]
fn the_whole_loses_the_mean_and_sees_one_of_a_thousand() {
    let (ill, fine) = (server(down()), Score::full());
    let score = |servers: Vec<Score>| of(&Facts::Whole(whole(servers))).score;
    assert_eq!(score(vec![ill.clone()]), 0);
    assert_eq!(score(vec![ill.clone(), fine.clone()]), 50);
    assert_eq!(score(vec![ill.clone(), ill.clone()]), 0);
    let mut many = vec![fine; 999];
    many.push(ill.clone());
    let seen = of(&Facts::Whole(whole(many.clone())));
    assert_eq!((seen.score, told(&seen)), (75, vec![("state", 25)]));
    many.extend(vec![ill; 1000]);
    assert_eq!(score(many), 49, "half of them");
}

#[test]
fn calls_that_mcpo_turns_away_cost_the_whole() {
    let turned_away = |turned_away, came| {
        of(&Facts::Whole(WholeFacts { turned_away, came, ..WholeFacts::default() }))
    };
    assert_eq!(turned_away(0, 1000), Score::full());
    let score = turned_away(50, 990);
    assert_eq!((told(&score), score.score), (vec![("shed", 30)], 70));
    assert_eq!(score.reasons[0].why, "50 of 990 calls were turned away in the last five minutes");
    assert_eq!(turned_away(500, 990).score, 40);
    assert_eq!(turned_away(1, 1).score, 45, "one among few is not all");
}

#[test]
fn the_machine_costs_the_whole_alone() {
    let facts = WholeFacts {
        cpu: Some(0.9),
        memory: Some(1.0),
        files: Some(0.9),
        room: Some(0.96),
        disk_bytes_free: Some(1 << 20),
        ..WholeFacts::default()
    };
    let score = of(&Facts::Whole(facts.clone()));
    let reasons = vec![("memory", 30), ("limits", 24), ("disk", 10), ("cpu", 8)];
    assert_eq!((told(&score), score.score), (reasons, 28));
    assert!(score.reasons.iter().all(|reason| reason.server.is_none()));
    let easy = WholeFacts {
        cpu: Some(0.8),
        memory: Some(0.5),
        files: Some(0.1),
        room: Some(0.0),
        disk_bytes_free: None,
        ..facts
    };
    assert_eq!(of(&Facts::Whole(easy)), Score::full());
}

#[test]
fn what_is_usual_needs_a_past_and_outlives_short_trouble() {
    const HOUR: u64 = 3600;
    let mut usual = Baselines::default();
    let mut learn = |from: u64, samples: u64, median: f64| {
        (0..samples).for_each(|sample| usual.learn("up", from + sample * 30, median));
        usual.median("up").map(|median| (median * 1000.0).round())
    };
    let start = 500_000 * HOUR;
    assert_eq!(learn(start, 59, 0.1), None);
    assert_eq!(learn(start + 1770, 1, f64::NAN), None);
    assert_eq!(learn(start + 1770, 61, 0.1), Some(100.0));
    assert_eq!(learn(start + HOUR, 11 * 120, 0.1), Some(100.0));
    assert_eq!(learn(start + 12 * HOUR, 11 * 120, 9.0), Some(100.0), "eleven bad hours of 23");
    assert_eq!(learn(start + 23 * HOUR, 13 * 120, 9.0), Some(9000.0), "that is how it is now");
    assert_eq!(learn(start - HOUR, 60, 0.2), Some(200.0), "the clock was set back");
    let whole = crate::history::ROW_EMPTY;
    usual.follow(&crate::history::Frame { at: 0, whole, servers: Vec::new() });
    assert_eq!(usual.median("up"), None, "it is not configured any more");
}

fn any_facts() -> impl Strategy<Value = ServerFacts> {
    let standings = prop_oneof![Just(Standing::Ok), Just(Standing::Degraded), Just(Standing::Down)];
    let breakers = prop_oneof![
        Just(BreakerName::Closed),
        Just(BreakerName::Open),
        Just(BreakerName::HalfOpen)
    ];
    let lengths = || proptest::option::of(prop_oneof![0.0..1e6, Just(f64::INFINITY)]);
    let counts = (0..9usize, 0..9usize, 0..9usize, 0..9usize, 0..99u64);
    (standings, breakers, lengths(), lengths(), counts, (0..2000u64, 0..2000u64)).prop_map(
        |(standing, breaker, median, usual_median, counts, (good, bad))| {
            let (sessions, sessions_wanted, tools_missing, queued, recoveries) = counts;
            ServerFacts {
                standing,
                breaker,
                median,
                usual_median,
                sessions,
                sessions_wanted,
                tools_missing,
                queued,
                recoveries,
                calls: Tally { good, bad },
                ..well()
            }
        },
    )
}

proptest! {
    #[test]
    fn all_lost_points_are_explained(all in proptest::collection::vec(any_facts(), 0..60)) {
        let servers: Vec<Score> = all.into_iter().map(server).collect();
        let whole = of(&Facts::Whole(whole(servers.clone())));
        for score in servers.iter().chain([&whole]) {
            let lost = score.lost();
            let left = (100.0 - lost + POINTS_BLUR).clamp(0.0, 100.0).floor();
            prop_assert_eq!(f64::from(score.score), left);
            prop_assert!(score.reasons.len() <= REASONS_MAX);
            prop_assert!(score.reasons.iter().all(|reason| reason.points > 0.0));
            let in_order =
                |one: &Reason, other: &Reason| one.points >= other.points || other.part == "others";
            prop_assert!(score.reasons.is_sorted_by(in_order));
        }
        let worst = servers.iter().map(|score| score.lost().min(100.0)).fold(0.0, f64::max);
        prop_assert!(whole.lost() <= worst + 1e-6 && whole.lost() >= worst * WORST_SHARE - 1e-6);
    }

    #[test]
    fn no_part_costs_more_than_it_says(facts in any_facts()) {
        for reason in server(facts).reasons {
            let part = PARTS.iter().find(|part| part.name == reason.part);
            prop_assert!(part.is_some_and(|part| reason.points <= part.points_max));
        }
    }
}
