//! The dashboard in a real browser: it turns when a server does, does what its buttons say, asks
//! for the key, knows when mcpo is gone, and is fit for every screen and everybody.

use std::path::PathBuf;

use crate::case::succeed;
use crate::places::{node, npm, root, scratch, text};

/// Where the pictures of the documentation are.
const PICTURES: &str = "docs/screenshots";

/// Runs one test of `dashboard/page.mjs`, which starts its own mcpo and ends it.
async fn browse(test: &str) {
    let script = text(&root().join("crates/mcpo/tests/real/dashboard/page.mjs"));
    let (playwright, axe) = (npm("playwright-core"), npm("axe-core/axe.min.js"));
    let folder = text(&scratch().join(test));
    let pictures = text(&pictures().join(test));
    let program = env!("CARGO_BIN_EXE_mcpo");
    let command = [&node(), &script, test, &playwright, &axe, program, &folder, &pictures];
    let said = succeed(&command).await;
    println!("{said}");
}

/// They are kept outside of the documentation unless they are wanted there.
fn pictures() -> PathBuf {
    root().join(".cache/pictures/dashboard")
}

#[tokio::test]
async fn the_page_turns_within_a_second_of_an_outage_and_of_its_end() {
    browse("heals").await;
}

#[tokio::test]
async fn every_order_of_the_page_is_carried_out_and_holding_asks_first() {
    browse("orders").await;
}

#[tokio::test]
async fn a_tool_is_tried_from_its_schema_and_a_hostile_name_stays_text() {
    browse("tools").await;
}

#[tokio::test]
async fn the_page_asks_for_the_key_and_forgets_it_when_told_to() {
    browse("login").await;
}

#[tokio::test]
async fn the_page_knows_at_once_that_mcpo_is_gone_and_when_it_is_back() {
    browse("lost").await;
}

#[tokio::test]
async fn the_page_is_light_and_fits_every_screen_in_both_themes_for_everybody() {
    browse("everybody").await;
}

#[tokio::test]
async fn a_hundred_servers_stay_usable() {
    browse("many").await;
}
