use mcpo_upstream::directory::Directory;

use super::*;
use crate::play::{Bench, Make};

/// Reason, count and seconds of what was told, with the upstream's name where it has one.
fn told(journal: &Journal) -> Vec<(Option<String>, ShedReason, u64, u64)> {
    let entries = journal.entries(0, None, 100);
    let told = entries.into_iter().map(|entry| {
        let Event::CallsShed { upstream, reason, count, over } = entry.event else {
            panic!("{entry:?}");
        };
        (upstream, reason, count, over.as_secs())
    });
    told.collect()
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_told_once_in_ten_seconds_for_each_reason_and_upstream() {
    let bench = Bench::ready(Make::default()).await;
    let meter = Arc::clone(bench.upstream().meter());
    let directory = Directory::new();
    let sheds = Sheds::new(directory.journal());
    let start = Instant::now();
    let at = |secs: u64| start + Duration::from_secs(secs);
    for second in 0..25 {
        for _ in 0..100 {
            sheds.note(&meter, ShedReason::ServerFull, at(second));
        }
    }
    sheds.note(&meter, ShedReason::TooLate, at(25));
    sheds.note(&meter, ShedReason::ProcessSlow, at(25));
    let up = || Some("up".to_owned());
    let expected = [
        (up(), ShedReason::ServerFull, 1, 0),
        (up(), ShedReason::ServerFull, 1000, 10),
        (up(), ShedReason::ServerFull, 1000, 10),
        (up(), ShedReason::TooLate, 1, 0),
        (None, ShedReason::ProcessSlow, 1, 0),
    ];
    assert_eq!(told(directory.journal()), expected);
    sheds.tell_due(at(29));
    assert_eq!(told(directory.journal()).len(), 5);
    sheds.tell_due(at(30));
    assert_eq!(told(directory.journal())[5], (up(), ShedReason::ServerFull, 499, 10));
    let all: u64 = told(directory.journal()).iter().map(|told| told.2).sum();
    assert_eq!(all, 2502, "every one is told in the end");
    sheds.tell_due(at(41));
    assert!(sheds.tallies().is_empty(), "nothing is kept of what is over");
}
