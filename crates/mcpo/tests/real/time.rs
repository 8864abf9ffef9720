//! `mcp-server-time` on the Python SDKs of both eras.

use serde_json::{Value, json};

use crate::case::{check, fails, refused, satisfies};
use crate::places::time_server;

async fn check_time(environment: &str) {
    let tokyo = json!({"source_timezone": "Asia/Tokyo", "time": "12:30", "target_timezone": "Asia/Kolkata"});
    let missing = json!([{"type": "missing", "loc": ["body", "timezone"], "msg": "Field required", "input": {}}]);
    let calls = [
        satisfies("get_current_time", json!({"timezone": "UTC"}), |answer| {
            answer["timezone"] == "UTC"
                && answer["is_dst"] == false
                && ends_with(&answer["datetime"], "+00:00")
        }),
        satisfies("convert_time", tokyo, |answer| {
            answer["time_difference"] == "-3.5h"
                && ends_with(&answer["source"]["datetime"], "T12:30:00+09:00")
                && ends_with(&answer["target"]["datetime"], "T09:00:00+05:30")
        }),
        refused("get_current_time", json!({}), missing),
        fails(
            "get_current_time",
            json!({"timezone": "Nowhere/Land"}),
            "No time zone found with key Nowhere/Land",
        ),
    ];
    check(time_server(environment), &["get_current_time", "convert_time"], &calls).await;
}

fn ends_with(value: &Value, end: &str) -> bool {
    value.as_str().is_some_and(|text| text.ends_with(end))
}

#[tokio::test]
async fn time_works_on_the_modern_python_sdk() {
    check_time("modern").await;
}

#[tokio::test]
async fn time_works_on_the_legacy_python_sdk() {
    check_time("legacy").await;
}
