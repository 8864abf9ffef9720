//! The seeds of the fuzz targets, and what fuzzing once found, go through the same functions as
//! under `scripts/fuzz`.

use std::path::{Path, PathBuf};

#[path = "../../../../fuzz/src/schemas.rs"]
#[expect(unreachable_pub, reason = "it is public where it is a library")]
mod schemas;

/// How many there are at least for each target: files do not get lost.
const SEEDS_MIN: usize = 13;

#[test]
fn frames() {
    feed("frame", mcpo_mcp::fuzzing::frame);
}

#[test]
fn event_streams() {
    feed("sse", mcpo_mcp::fuzzing::sse);
}

#[test]
fn waits() {
    feed("retry_after", mcpo_mcp::fuzzing::retry_after);
}

#[test]
fn schemas_of_tools() {
    feed("schema", schemas::schema);
}

#[test]
fn arguments_of_callers() {
    feed("arguments", schemas::arguments);
}

fn feed(target: &str, play: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let entries = std::fs::read_dir(folder).unwrap();
    let paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(paths.len() >= SEEDS_MIN, "only {} seeds", paths.len());
    let fails = |path: &&PathBuf| {
        let data = std::fs::read(path).unwrap();
        std::panic::catch_unwind(|| play(&data)).is_err()
    };
    let failed: Vec<_> = paths.iter().filter(fails).collect();
    assert!(failed.is_empty(), "what failed is told above; it was met in {failed:?}");
}
