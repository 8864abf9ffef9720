use std::time::Duration;

use mcpo_config::Monitoring;
use mcpo_upstream::meter::CallResult;
use serde_json::{Value, json};

use super::*;
use crate::monitor::play::Play;
use crate::picture::{CacheCounts, CachePicture, WholeCachePicture};

const MILLIS: Duration = Duration::from_millis(1);

/// What the page draws of each server.
const SERVER: [&str; 35] = [
    "name",
    "state",
    "standing",
    "since",
    "fault",
    "reason",
    "detail",
    "held_by",
    "retry_in",
    "sessions",
    "in_use",
    "pool_min",
    "pool_max",
    "breaker",
    "retry_tokens",
    "reconnects",
    "tools",
    "missing_tools",
    "calls_per_second",
    "error_rate",
    "p50",
    "p99",
    "in_flight",
    "queued",
    "limit",
    "limit_max",
    "shed",
    "turned_away",
    "cache",
    "total",
    "recoveries",
    "last_error",
    "processes",
    "score",
    "reasons",
];

/// One upstream that was called, and one that is away.
async fn picture() -> (Play, std::sync::Arc<Picture>) {
    let play = Play::ready(&["time"], Monitoring::default()).await;
    for took in [10, 20, 40] {
        play.call("time", "now", took * MILLIS, CallResult::Ok).await;
    }
    play.call("time", "now", 30 * MILLIS, CallResult::Unknown).await;
    let picture = play.monitor.picture();
    (play, picture)
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn near(value: &Value, expected: f64) -> bool {
    value.as_f64().is_some_and(|value| (value / expected - 1.0).abs() < 0.011)
}

#[tokio::test(start_paused = true)]
async fn metrics_have_the_shape_that_was_promised() {
    let (_play, picture) = picture().await;
    let shown = metrics(&picture);
    assert_eq!(
        keys(&shown),
        [
            "performance",
            "concurrency",
            "cache",
            "connection",
            "error_recovery",
            "system_health",
            "timestamp"
        ]
    );
    let tool = &shown["performance"]["time/now"];
    assert_eq!((&tool["total_requests"], &tool["success_rate"]), (&json!(4), &json!(0.75)));
    assert_eq!((&tool["min_duration"], &tool["max_duration"]), (&json!(0.01), &json!(0.04)));
    assert_eq!(tool["avg_duration"], json!(0.025));
    assert!(near(&tool["p50"], 0.02) && near(&tool["p90"], 0.04) && near(&tool["p99"], 0.04));
    assert!(near(&tool["qps_1m"], 40.0), "four in a tenth of a second: {tool}");
    assert_eq!((&tool["current_concurrent"], &tool["peak_concurrent"]), (&json!(0), &json!(1)));
    let none = json!({"process_full": 0, "process_slow": 0, "server_full": 0, "too_late": 0,
                      "identity_full": 0, "rate_limited": 0});
    assert_eq!(
        shown["concurrency"],
        json!({"max_concurrent": 10_000, "current_concurrent": 0, "peak_concurrent": 0,
               "queued": 0, "shed_total": 0, "shed": none, "servers": {"time": {
                    "current_concurrent": 0, "peak_concurrent": 1, "limit": 1024,
                    "max_concurrent": 1024, "queued": 0, "shed_total": 0, "shed": none}}})
    );
    assert_eq!(
        shown["connection"]["time"],
        json!({"state": "ready", "sessions": 1, "in_use": 0, "idle": 1, "error_count": 0,
               "last_error": null, "reconnects": 0, "last_change": "2026-01-01T12:00:00.000Z"})
    );
    assert_eq!(
        shown["error_recovery"],
        json!({"total_errors_last_hour": 0, "error_types": {}, "total_recovery_attempts": 0,
               "recovery_success_rate": 1.0, "time_to_recover_p50": 0.0,
               "time_to_recover_p99": 0.0, "current_error_rate": 0.25, "system_status": "healthy"})
    );
    let health = &shown["system_health"];
    assert_eq!(
        keys(health),
        [
            "overall_status",
            "score",
            "reasons",
            "connection_health",
            "error_rate",
            "active_errors",
            "resources"
        ]
    );
    assert_eq!(health["connection_health"], json!({"time": true}));
    assert_eq!(keys(&health["resources"]), ["cpu_percent", "memory_percent", "rss_bytes"]);
    assert!(near(&shown["timestamp"], 1_767_268_800.1));
}

/// The whole has what its servers have, its bounds, and the servers.
#[tokio::test(start_paused = true)]
async fn the_cache_is_shown_whole_and_by_server() {
    let (_play, picture) = picture().await;
    let counts = CacheCounts { hits: 6, misses: 1, stale: 1, bypassed: 9, ..Default::default() };
    let kept = CachePicture { counts, entries: 4, bytes: 512, ..CachePicture::default() };
    let mut picture = (*picture).clone();
    picture.whole.cache =
        WholeCachePicture { enabled: true, entries_max: 10, bytes_max: 1024, all: kept };
    assert_eq!(metrics(&picture)["cache"]["servers"], json!({}));
    picture.servers[0].cache = Some(kept);
    let shown = &metrics(&picture)["cache"];
    let of_server = json!({"hits": 6, "misses": 1, "stale": 1, "bypassed": 9, "coalesced": 0,
        "evictions": 0, "expirations": 0, "purged": 0, "refreshes": 0, "hit_rate": 0.875,
        "entries": 4, "bytes": 512});
    assert_eq!(shown["servers"]["time"], of_server);
    for (name, value) in of_server.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name}");
    }
    let bounds = ["enabled", "max_entries", "max_bytes"].map(|name| shown[name].clone());
    assert_eq!(bounds, [json!(true), json!(10), json!(1024)]);
    assert_eq!(shown.as_object().unwrap().len(), 12 + 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_away_says_so_without_its_address() {
    let (play, _) = picture().await;
    play.listen(false);
    play.until("time", |view| view.state.name() == "resting").await;
    tokio::time::sleep(crate::monitor::PICTURE_AGE_MAX * 2).await;
    let picture = play.monitor.picture();
    let shown = metrics(&picture);
    assert_eq!(shown["system_health"]["overall_status"], "unhealthy");
    assert_eq!(shown["system_health"]["score"], 0);
    let error = &shown["system_health"]["active_errors"][0];
    assert_eq!((&error["server"], &error["code"]), (&json!("time"), &json!("unreachable")));
    assert_eq!(shown["connection"]["time"]["last_error"], "it cannot be reached");
    assert!(shown["error_recovery"]["total_errors_last_hour"].as_u64() > Some(0));
    assert!(!shown.to_string().contains("secret"), "{shown}");
    let live = live(&picture);
    let server = &live["servers"][0];
    assert_eq!((&server["standing"], &server["fault"]), (&json!("down"), &json!("unreachable")));
    assert_eq!(server["reason"], "it cannot be reached");
    assert!(server["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    assert!(server["last_error"]["at"].as_f64() > Some(1_767_268_800.0));
}

#[tokio::test(start_paused = true)]
async fn the_live_picture_has_all_that_the_page_draws() {
    let (_play, picture) = picture().await;
    let shown = live(&picture);
    assert_eq!(
        keys(&shown),
        [
            "at", "uptime", "version", "status", "score", "reasons", "whole", "process", "machine",
            "servers"
        ]
    );
    assert_eq!(
        keys(&shown["whole"]),
        [
            "calls_per_second",
            "error_rate",
            "p50",
            "p90",
            "p99",
            "in_flight",
            "queued",
            "max_concurrent",
            "total",
            "shed",
            "turned_away",
            "cache"
        ]
    );
    let mut server = keys(&shown["servers"][0]);
    server.sort_unstable();
    let mut promised = SERVER;
    promised.sort_unstable();
    assert_eq!(server, promised);
    let server = &shown["servers"][0];
    assert!(near(&server["p50"], 0.02), "{server}");
    assert_eq!(server["recoveries"], json!({"tried": 0, "succeeded": 0, "rate": 1.0, "p50": null}));
    assert_eq!(shown["process"], Value::Null, "nothing was sampled");
}

#[test]
fn moments_are_written_as_in_the_calendar() {
    for (millis, written) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (1_767_225_599_001, "2025-12-31T23:59:59.001Z"),
        (1_767_225_600_000, "2026-01-01T00:00:00.000Z"),
        (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ] {
        let at = std::time::SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        assert_eq!(rfc_3339(at), written);
    }
}
