//! The dashboard in a real browser: it turns when a server does, does what its buttons say, asks
//! for the key, knows when mcpo is gone, and is fit for every screen and everybody.

use std::path::Path;

use crate::case::succeed;
use crate::places::{node, npm, root, scratch, text};

/// The pictures of the documentation are taken anew where this variable says so.
const WRITE_DOCS: &str = "MCPO_WRITE_DOCS";

#[expect(clippy::disallowed_methods, reason = "a switch for whoever runs the test, not for mcpo")]
fn is_written() -> bool {
    std::env::var_os(WRITE_DOCS).is_some()
}

/// Runs one test of `dashboard/page.mjs`, which starts its own mcpo and ends it.
#[expect(clippy::print_stdout, reason = "how long things took is told, not judged")]
async fn browse(test: &str, pictures: &Path) {
    let script = text(&root().join("crates/mcpo/tests/real/dashboard/page.mjs"));
    let (playwright, axe) = (npm("playwright-core"), npm("axe-core/axe.min.js"));
    let folder = text(&scratch().join(test));
    let program = env!("CARGO_BIN_EXE_mcpo");
    let command = [&node(), &script, test, &playwright, &axe, program, &folder, &text(pictures)];
    let said = succeed(&command).await;
    println!("{said}");
}

/// Runs one whose pictures are for those who look into a failure.
async fn drive(test: &str) {
    browse(test, &root().join(".cache/pictures/dashboard").join(test)).await;
}

#[tokio::test]
async fn the_page_turns_within_a_second_of_an_outage_and_of_its_end() {
    drive("heals").await;
}

#[tokio::test]
async fn every_order_of_the_page_is_carried_out_and_holding_asks_first() {
    drive("orders").await;
}

#[tokio::test]
async fn a_tool_is_tried_from_its_schema_and_a_hostile_name_stays_text() {
    drive("tools").await;
}

#[tokio::test]
async fn the_page_asks_for_the_key_and_forgets_it_when_told_to() {
    drive("login").await;
}

#[tokio::test]
async fn the_page_knows_at_once_that_mcpo_is_gone_and_when_it_is_back() {
    drive("lost").await;
}

#[tokio::test]
async fn the_page_says_why_there_is_nothing_to_see_and_shows_nothing() {
    drive("closed").await;
}

#[tokio::test]
async fn a_page_that_nobody_sees_gives_its_connection_back_and_goes_on_when_seen() {
    drive("unseen").await;
}

#[tokio::test]
async fn charts_say_where_things_go_only_where_that_is_sure() {
    drive("trends").await;
}

#[tokio::test]
async fn the_page_is_light_and_fits_every_screen_in_both_themes_for_everybody() {
    drive("everybody").await;
}

#[tokio::test]
async fn a_hundred_servers_stay_usable() {
    drive("many").await;
}

#[tokio::test]
async fn the_pictures_of_the_documentation_are_there() {
    let pictures = root().join("docs/screenshots");
    if is_written() {
        browse("documentation", &pictures).await;
    }
    let page = std::fs::read_to_string(root().join("docs/dashboard.md")).expect("there is a page");
    let shown: Vec<_> = page.split("(screenshots/").skip(1).collect();
    assert!(!shown.is_empty(), "the page shows the dashboard");
    for name in shown {
        let name = name.split(')').next().expect("there is always a first piece");
        assert!(pictures.join(name).exists(), "{name} is missing: set {WRITE_DOCS}=1 to take it");
    }
}
