//! What a newcomer sees: `mcpo demo`, the README's curl, and the pages in a real browser
//! without a network.

use crate::case::succeed;
use crate::places::{node, npm, root, support, text};
use crate::process::Mcpo;

#[tokio::test]
async fn the_pages_of_the_demo_work_in_a_browser_without_a_network() {
    let mcpo = Mcpo::start(&["demo"]);
    mcpo.ready().await;
    let playwright = root().join(".cache/real/npm/node_modules/playwright-core");
    let pictures = root().join(".cache/pictures");
    let script = support("browser/docs.mjs");
    npm("playwright-core/package.json");
    succeed(&[&node(), &script, &text(&playwright), &mcpo.base(), "echo", &text(&pictures)]).await;
    mcpo.stop().await;
}
