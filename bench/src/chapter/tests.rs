//! What is shown follows from the samples.

use super::*;

fn chapter() -> Chapter {
    let mut sheet =
        Sheet::new("servers", &["servers"], &[("calls/s", 0), ("lost", 0), ("p99 us", 1)])
            .over(Over::Sum, &["lost"]);
    sheet.note(&["1"], 0, &[Some(100.0), Some(1.0), Some(0.25)]);
    sheet.note(&["10"], 0, &[Some(90.0), Some(0.0), None]);
    sheet.note(&["1"], 1, &[Some(102.0), Some(2.0), Some(f64::NAN)]);
    sheet.note(&["1"], 2, &[Some(300.0), Some(0.0), Some(0.75)]);
    let targets = vec![
        Target::at_least("ratio", 0.95, " x", Some(0.96)),
        Target::at_most("p99", 10.0, " ms", Some(11.0)),
        Target::at_most("size", 64.0, " KiB", None),
    ];
    Chapter {
        part: "scaling".into(),
        command: "bench/run --scaling".into(),
        date: "2026-11-22".into(),
        machine: "2 processors".into(),
        sheets: vec![sheet],
        targets,
    }
}

#[test]
fn rates_are_medians_and_losses_are_sums() {
    let shown = chapter().markdown();
    assert!(shown.contains("| 1 | 102 | 3 | 0.2 |"), "{shown}");
    assert!(shown.contains("| 10 | 90 | 0 | - |"), "{shown}");
}

#[test]
fn a_target_says_whether_it_holds() {
    let shown = chapter().markdown();
    assert!(shown.contains("| ratio >= 0.95 x | 0.960 x | ok |"), "{shown}");
    assert!(shown.contains("| p99 <= 10 ms | 11.000 ms | MISSED |"), "{shown}");
    assert!(shown.contains("| size <= 64 KiB | - KiB | not measured |"), "{shown}");
}

#[test]
fn what_is_written_reads_back_and_shows_the_same() {
    let json = serde_json::to_string_pretty(&chapter()).unwrap();
    let back: Chapter = serde_json::from_str(&json).unwrap();
    assert_eq!(back, chapter());
    assert_eq!(back.markdown(), chapter().markdown());
}
