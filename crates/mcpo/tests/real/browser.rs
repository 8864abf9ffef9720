//! What a newcomer sees: `mcpo demo`, the README's curl, and the pages in a real browser
//! without a network.

use serde_json::{Value, json};

use crate::case::succeed;
use crate::places::{everything, node, npm, root, support, text};
use crate::process::Mcpo;

/// Has a browser open the pages at an address and run a tool that needs no thought.
async fn browse(address: &str, tool: &str, pictures: &str) {
    let playwright = npm("playwright-core");
    let pictures = root().join(".cache/pictures").join(pictures);
    let script = support("browser/docs.mjs");
    succeed(&[&node(), &script, &playwright, address, tool, &text(&pictures)]).await;
}

#[tokio::test]
async fn the_pages_of_the_demo_work_in_a_browser_without_a_network() {
    let mcpo = Mcpo::start(&["demo"]);
    mcpo.ready().await;
    browse(&mcpo.base(), "get_current_time", "demo").await;
    mcpo.stop().await;
}

#[tokio::test]
async fn the_pages_of_all_servers_work_in_a_browser_behind_a_root_path() {
    let mcpo =
        Mcpo::with_servers_and(json!({"real": everything()}), &["--root-path", "/proxy"]).await;
    let base = format!("{}/proxy", mcpo.base());
    browse(&base, "/real/get-structured-content", "all").await;
    browse(&format!("{base}/real"), "/get-structured-content", "one").await;
    mcpo.stop().await;
}

/// The first `curl` of the README, as it stands there but for the port.
#[tokio::test]
async fn the_demo_answers_the_curl_from_the_readme() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README");
    let curl =
        readme.lines().find(|line| line.starts_with("curl ")).expect("the README shows a call");
    let mcpo = Mcpo::start(&["demo"]);
    mcpo.ready().await;
    let here =
        curl.replace("http://localhost:8000", &mcpo.base()).replace("localhost:8000", &mcpo.base());
    let said = succeed(&["sh", "-c", &here]).await;
    let answer: Value = serde_json::from_str(&said).expect("the answer is JSON");
    assert!(answer["time"].is_string(), "{here}: {answer}");
    mcpo.stop().await;
}
