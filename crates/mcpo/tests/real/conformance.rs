//! The official conformance suite's scenarios for clients. What every check of every scenario
//! comes to stands in `tests/real/conformance/expected.txt`; any change fails, for better too.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::case::succeed;
use crate::places::{node, npm, scratch, support, text};

fn suite() -> String {
    npm("@modelcontextprotocol/conformance/dist/index.js")
}

/// The lines of the list without comments.
fn expected() -> Vec<String> {
    let file = std::fs::read_to_string(support("conformance/expected.txt"))
        .expect("it is part of the repository");
    file.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Runs one scenario and compares each of its checks with the list.
async fn check(version: &str, scenario: &str) {
    let results = scratch().join("conformance");
    let client =
        format!("python3 {} {}", support("conformance/driver.py"), env!("CARGO_BIN_EXE_mcpo"));
    let arguments = [
        &suite(),
        "client",
        "--command",
        &client,
        "--scenario",
        scenario,
        "--spec-version",
        version,
        "--output-dir",
        &text(&results),
    ];
    let output = tokio::process::Command::new(node())
        .args(arguments)
        .output()
        .await
        .expect("it is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    let start = format!("{version} {scenario} ");
    let wanted: BTreeSet<_> =
        expected().into_iter().filter(|line| line.starts_with(&start)).collect();
    let came: BTreeSet<_> =
        checks(&results).iter().map(|check| format!("{start}{check}")).collect();
    assert_eq!(came, wanted, "the results differ from tests/real/conformance/expected.txt\n{said}");
    assert!(!said.contains("CLIENT EXITED WITH ERROR"), "the driver failed\n{said}");
}

/// Every check of the one run in this folder that says more than what passed over the wire.
fn checks(results: &Path) -> Vec<String> {
    let mut runs = std::fs::read_dir(results).expect("the suite writes its results");
    let run = runs.next().expect("there is one run").expect("the folder is readable").path();
    let file = std::fs::read_to_string(run.join("checks.json")).expect("each run has its checks");
    let checks: Vec<Value> = serde_json::from_str(&file).expect("the checks are JSON");
    let field =
        |check: &Value, key: &str| check[key].as_str().expect("each check has it").to_owned();
    let said = checks.iter().filter(|check| check["status"] != "INFO");
    said.map(|check| {
        format!("{} {} {}", field(check, "id"), field(check, "name"), field(check, "status"))
    })
    .collect()
}

#[tokio::test]
async fn legacy_initialize() {
    check("2025-11-25", "initialize").await;
}

#[tokio::test]
async fn legacy_tools_call() {
    check("2025-11-25", "tools_call").await;
}

#[tokio::test]
async fn legacy_sse_retry() {
    check("2025-11-25", "sse-retry").await;
}

#[tokio::test]
async fn legacy_json_schema_2020_12_preservation() {
    check("2025-11-25", "json-schema-2020-12-preservation").await;
}

#[tokio::test]
async fn modern_tools_call() {
    check("2026-07-28", "tools_call").await;
}

#[tokio::test]
async fn modern_request_metadata() {
    check("2026-07-28", "request-metadata").await;
}

#[tokio::test]
async fn modern_http_standard_headers() {
    check("2026-07-28", "http-standard-headers").await;
}

#[tokio::test]
async fn modern_http_custom_headers() {
    check("2026-07-28", "http-custom-headers").await;
}

#[tokio::test]
async fn modern_http_invalid_tool_headers() {
    check("2026-07-28", "http-invalid-tool-headers").await;
}

#[tokio::test]
async fn modern_json_schema_ref_no_deref() {
    check("2026-07-28", "json-schema-ref-no-deref").await;
}

#[tokio::test]
async fn modern_json_schema_2020_12_preservation() {
    check("2026-07-28", "json-schema-2020-12-preservation").await;
}

/// A scenario of the suite is either run here, or the list says why not.
#[tokio::test]
async fn every_client_scenario_is_named() {
    let said = succeed(&[&node(), &suite(), "list"]).await;
    let (_, clients) = said.split_once("Client scenarios").expect("the suite lists them");
    let (clients, _) =
        clients.split_once("Authorization server scenarios").expect("these come next");
    let names =
        clients.lines().filter_map(|line| line.trim().strip_prefix("- ")?.split(' ').next());
    let named: BTreeSet<_> =
        expected().iter().filter_map(|line| Some(line.split(' ').nth(1)?.to_owned())).collect();
    let unnamed: Vec<_> = names
        .filter(|name| {
            !named.contains(*name)
                && !named.contains(&format!("{}*", &name[..=name.find('/').unwrap_or(0)]))
        })
        .collect();
    assert!(unnamed.is_empty(), "not in tests/real/conformance/expected.txt: {unnamed:?}");
}
