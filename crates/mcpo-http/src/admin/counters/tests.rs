use std::time::Duration;

use mcpo_core::event::Event;
use mcpo_core::fault::Fault;
use mcpo_upstream::journal::Journal;

use super::*;

fn lost(upstream: &str) -> Event {
    let fault = Fault::new(FaultKind::Disconnected, "it ended");
    Event::SessionLost { upstream: upstream.to_owned(), fault, retry_in: Duration::ZERO }
}

fn back(upstream: &str, millis: u64) -> Event {
    let fault = Fault::new(FaultKind::Disconnected, "it ended");
    let away = Duration::from_millis(millis);
    Event::Recovered { upstream: upstream.to_owned(), away, fault }
}

#[test]
fn recoveries_are_counted_with_their_times() {
    let journal = Journal::new();
    for event in [lost("a"), back("a", 40), lost("b"), back("b", 3000), lost("b")] {
        journal.record(&event);
    }
    let counters = journal.counters();
    let all = of_all(&counters);
    assert_eq!(all["errors"], json!({"disconnected": 3}));
    let recoveries = &all["recoveries"];
    assert_eq!((&recoveries["tried"], &recoveries["succeeded"]), (&json!(3), &json!(2)));
    let seconds = &recoveries["seconds"];
    assert_eq!((&seconds["p50"], &seconds["p99"]), (&json!(0.05), &json!(5.0)));
    assert_eq!(
        seconds["buckets"],
        json!([{"at_most": 0.05, "count": 1}, {"at_most": 5.0, "count": 1}])
    );
    assert_eq!(of_upstream(&counters, "a")["recoveries"]["success_rate"], json!(1.0));
    assert_eq!(of_upstream(&counters, "nobody")["recoveries"]["success_rate"], Value::Null);
}

#[test]
fn a_percentile_beyond_all_bounds_is_not_known() {
    let mut buckets = [0; RECOVERY_BUCKETS_SECONDS.len() + 1];
    assert_eq!(percentile(&buckets, 0, 50), None);
    buckets[0] = 98;
    buckets[RECOVERY_BUCKETS_SECONDS.len()] = 2;
    assert_eq!(percentile(&buckets, 100, 50), Some(RECOVERY_BUCKETS_SECONDS[0]));
    assert_eq!(percentile(&buckets, 100, 99), None);
}
