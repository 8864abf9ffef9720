//! `docs/health-score.md` says what the code does. To write it anew:
//! `MCPO_WRITE_DOCS=1 cargo nextest run -p mcpo-monitor --test health_score`.

use std::path::Path;

use mcpo_monitor::score::docs::page;

#[test]
fn the_page_on_the_score_is_made_from_its_parts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/health-score.md");
    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests decides")]
    let is_written = std::env::var_os("MCPO_WRITE_DOCS").is_some();
    if is_written {
        std::fs::write(&path, page()).expect("it can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, page(), "write it anew with MCPO_WRITE_DOCS=1");
}
