//! The doc says what was measured.

use super::*;

#[test]
fn the_tables_of_the_doc_are_those_of_the_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let doc = root.join("../docs/performance.md");
    let text = std::fs::read_to_string(&doc).expect("docs/performance.md is there");
    let right = rewritten(&text, &root.join("results")).unwrap();
    assert!(
        text == right,
        "docs/performance.md does not say what bench/results/*.json say: `bench/run --publish` rewrites it"
    );
}

#[test]
fn a_doc_without_a_mark_is_told_of() {
    let error = rewritten("# Nothing\n", Path::new("nowhere")).unwrap_err();
    assert!(error.to_string().contains("scaling: begin"), "{error}");
}
