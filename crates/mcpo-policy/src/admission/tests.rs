use super::*;
use crate::play::{Bench, Make};

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
