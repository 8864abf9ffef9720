use mcpo_core::catalog::{Catalog, CatalogPolicy, ServerIdentity, ToolDefinition};

use super::*;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[tokio::test(start_paused = true)]
async fn the_fastest_answer_counts_for_a_while_and_then_nothing_is_known() {
    let start = Instant::now();
    let pace = Pace::new(start);
    let (one, other) = (Slot(3), Slot(4));
    assert_eq!(pace.fastest(one, start), Duration::ZERO);
    pace.answered(one, secs(7), start + secs(1));
    pace.answered(one, secs(5), start + secs(2));
    pace.answered(one, secs(6), start + secs(3));
    assert_eq!(pace.fastest(one, start + secs(4)), secs(5));
    assert_eq!(pace.fastest(other, start + secs(4)), Duration::ZERO);
    pace.answered(one, secs(8), start + secs(12));
    assert_eq!(pace.fastest(one, start + secs(13)), secs(5), "of the window before");
    assert_eq!(pace.fastest(one, start + secs(22)), secs(8), "the next one is over");
    assert_eq!(pace.fastest(one, start + secs(30)), Duration::ZERO, "nothing of late");
    pace.answered(one, secs(9), start + secs(31));
    assert_eq!(pace.fastest(one, start + secs(31)), secs(9));
}

#[tokio::test(start_paused = true)]
async fn the_usual_length_follows_what_is_seen() {
    let start = Instant::now();
    let pace = Pace::new(start);
    assert_eq!(pace.usual(), Duration::ZERO);
    pace.answered(Slot(0), secs(4), start);
    assert_eq!(pace.usual(), secs(4));
    for _ in 0..100 {
        pace.answered(Slot(0), secs(1), start);
    }
    let usual = pace.usual();
    assert!(usual >= secs(1) && usual < secs(1) + Duration::from_millis(1), "{usual:?}");
    pace.answered(Slot(0), Duration::MAX, start);
    assert!(pace.usual() > secs(1), "the longest there is breaks nothing");
}

#[test]
fn neighbours_in_a_catalog_have_slots_of_their_own() {
    let tools = (0..16).filter_map(|number| {
        ToolDefinition::from_json(&serde_json::json!({"name": format!("tool{number}")}))
    });
    let policy = CatalogPolicy::default();
    let catalog = Catalog::new(ServerIdentity::default(), tools.collect(), &policy);
    let mut slots: Vec<u8> = catalog.tools().iter().map(|tool| Slot::of(tool).0).collect();
    slots.sort_unstable();
    assert_eq!(slots, (0..16).collect::<Vec<u8>>());
}
