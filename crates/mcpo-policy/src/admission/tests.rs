use std::time::Duration;

use mcpo_core::event::Event;
use mcpo_core::outcome::OutcomeKind;
use mcpo_mcp::error::Sent;
use tokio::task::JoinSet;

use super::*;
use crate::play::{Act, Bench, Make, status};

mod bulkhead;

const MINUTE: Duration = Duration::from_secs(60);

fn admission(options: &PipelineOptions, bench: &Bench) -> Admission {
    Admission::new(options, bench.directory.journal())
}

#[tokio::test(start_paused = true)]
async fn one_identity_does_not_take_all_places() {
    let bench = Bench::ready(Make::default()).await;
    let options = PipelineOptions {
        calls_in_flight_max: 4,
        calls_per_identity_max: NonZeroUsize::new(2),
        ..PipelineOptions::default()
    };
    let (admission, upstream) = (admission(&options, &bench), bench.upstream());
    let (one, other) = (Identity::named("one"), Identity::COMMON);
    let first = admission.enter(&upstream, &one).expect("there is room");
    let _second = admission.enter(&upstream, &one).expect("there is room");
    assert_eq!(admission.enter(&upstream, &one).err(), Some(ShedReason::IdentityFull));
    assert_eq!(admission.gauge.in_flight(), 2, "nothing is held of what was turned away");
    let _third = admission.enter(&upstream, &other).expect("there is room for another");
    drop(first);
    let _fourth = admission.enter(&upstream, &one).expect("there is room again");
    let _fifth = admission.enter(&upstream, &other).expect("there is room for another");
    assert_eq!(admission.look(), Err(ShedReason::ProcessFull));
    let third = Identity::named("third");
    assert_eq!(admission.enter(&upstream, &third).err(), Some(ShedReason::ProcessFull));
    assert_eq!(admission.identities.identities(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_turned_away_is_counted_by_its_reason() {
    let bench = Bench::ready(Make::default()).await;
    let (admission, upstream) = (admission(&PipelineOptions::default(), &bench), bench.upstream());
    for reason in ShedReason::ALL {
        admission.turned_away(&upstream, reason);
    }
    admission.turned_away(&upstream, ShedReason::TooLate);
    assert_eq!(admission.gauge.shed(), [1, 1, 1, 2, 1, 1]);
    assert_eq!(admission.gauge.shed_total(), 7);
    assert_eq!(upstream.meter().read().shed, [1, 1, 1, 2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_calls_beyond_the_room_is_told_in_one_entry_and_nothing_of_it_is_sent() {
    let options = PipelineOptions { calls_in_flight_max: 1, ..PipelineOptions::default() };
    let bench = Arc::new(Bench::ready(Make { options, ..Make::default() }).await);
    bench.up.always(Act::Slow(Duration::from_secs(5)));
    let entries = bench.directory.journal().last_seq();
    let mut first = JoinSet::new();
    let caller = Arc::clone(&bench);
    first.spawn(async move { caller.call("write", MINUTE).await });
    while bench.pipeline.gauge().in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..1000 {
        let report = bench.call("write", MINUTE).await;
        assert_eq!((report.outcome.kind(), report.attempts), (OutcomeKind::NotSent, 0));
        assert_eq!(report.shed, Some(ShedReason::ProcessFull));
        let wait = report.outcome.fault().and_then(|fault| fault.retry_after);
        assert!(wait.is_some_and(|wait| wait >= Duration::from_secs(1)), "{wait:?}");
    }
    assert_eq!(bench.pipeline.gauge().shed_total(), 1000);
    let told = bench.directory.journal().entries(entries, None, 10);
    assert!(matches!(told[..], [_]), "{told:?}");
    assert!(matches!(told[0].event, Event::CallsShed { upstream: None, count: 1, .. }));
    let replies = first.join_all().await;
    assert_eq!(replies[0].outcome.kind(), OutcomeKind::Reply);
    assert_eq!(bench.up.seen(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_refuses_is_sent_fewer_calls_at_once_until_it_answers() {
    let bench = Bench::ready(Make::default()).await;
    let limit = || bench.upstream().meter().read().limit;
    let most = limit();
    for _ in 0..5 {
        bench.up.acts([
            Act::Fail(Sent::Maybe, status(429, None)),
            Act::Fail(Sent::Maybe, status(429, None)),
        ]);
        let _report = bench.call("write", MINUTE).await;
        tokio::time::advance(MINUTE).await;
    }
    let learnt = limit();
    assert!(learnt < most * 7 / 10, "{learnt} of {most}");
    let report = bench.call("write", MINUTE).await;
    assert_eq!(
        (report.outcome.kind(), limit()),
        (OutcomeKind::Reply, learnt),
        "one proves nothing"
    );
}

/// Its own bounds are far from reached: those would be the wrong ones to raise.
#[tokio::test(start_paused = true)]
async fn an_upstream_beyond_its_half_of_the_process_is_told_of_the_process_bound() {
    let options = PipelineOptions { calls_in_flight_max: 6, ..PipelineOptions::default() };
    let bench = Bench::ready(Make { options, ..Make::default() }).await;
    bench.and_another().await;
    let upstream = bench.upstream();
    let admission = Admission::new(&options, bench.directory.journal());
    let enter = || admission.enter(&upstream, &Identity::COMMON);
    let in_hand: Vec<_> = (0..3).map(|_| enter().expect("there is room")).collect();
    assert_eq!(enter().err(), Some(ShedReason::ProcessFull));
    drop(in_hand);
    assert!(enter().is_ok());
}
