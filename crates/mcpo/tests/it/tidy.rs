//! The order of the house: which room names which, who owns which library, how long files are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// From the top of the house to the bottom: a room names only rooms above it.
const ROOMS: [&str; 8] = [
    "mcpo-core",
    "mcpo-config",
    "mcpo-mcp",
    "mcpo-upstream",
    "mcpo-policy",
    "mcpo-monitor",
    "mcpo-http",
    "mcpo",
];

/// Never shipped: rooms name it in their tests only.
const TESTKIT: &str = "mcpo-testkit";

/// Libraries and the rooms that own them; in its tests any room may use any of them.
const OWNERS: [(&str, &[&str]); 27] = [
    ("quick_cache", &["mcpo-policy"]),
    ("governor", &["mcpo-policy"]),
    ("jsonschema", &["mcpo-core"]),
    ("jsonc-parser", &["mcpo-config"]),
    ("notify", &["mcpo-config"]),
    ("strsim", &["mcpo-config"]),
    ("reqwest", &["mcpo-monitor"]),
    ("rustix", &["mcpo-mcp", "mcpo-monitor", "mcpo"]),
    ("arc-swap", &["mcpo-upstream"]),
    ("opentelemetry-proto", &["mcpo-monitor"]),
    ("procfs", &["mcpo-monitor"]),
    ("prost", &["mcpo-monitor"]),
    ("redb", &["mcpo-monitor"]),
    ("axum", &["mcpo-http"]),
    ("flate2", &["mcpo-http", "mcpo"]),
    ("hmac", &["mcpo-http"]),
    ("tower-http", &["mcpo-http"]),
    ("hyper-rustls", &["mcpo-mcp"]),
    ("hyper-util", &["mcpo-http", "mcpo-mcp"]),
    ("rustls-platform-verifier", &["mcpo-mcp"]),
    ("subtle", &["mcpo-http"]),
    ("sha2", &["mcpo-http"]),
    ("clap", &["mcpo"]),
    ("clap_complete", &["mcpo"]),
    ("ratatui", &["mcpo"]),
    ("tikv-jemallocator", &["mcpo"]),
    ("tracing-subscriber", &["mcpo"]),
];

/// Beyond this a file is two files, or says in its first lines why not.
const FILE_LINES_MAX: usize = 500;
/// ARCHITECTURE.md stays something that people read.
const ARCHITECTURE_LINES_MAX: usize = 200;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// The names in `[dependencies]` of a crate.
fn dependencies(room: &str) -> Vec<String> {
    let manifest: toml::Table =
        read(&root().join("crates").join(room).join("Cargo.toml")).parse().unwrap();
    let table =
        manifest.get("dependencies").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    table.keys().cloned().collect()
}

fn rust_files(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn all_rust_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    rust_files(&root().join("crates"), &mut files);
    rust_files(&root().join("bench"), &mut files);
    assert!(files.len() > 50, "the search for source files is broken: {} found", files.len());
    files
}

#[test]
fn every_crate_is_a_room_of_the_house() {
    let mut found: Vec<String> = std::fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    let mut rooms: Vec<&str> = ROOMS.into_iter().chain([TESTKIT]).collect();
    rooms.sort_unstable();
    assert_eq!(found, rooms);
}

#[test]
fn a_room_names_only_rooms_above_it() {
    for (floor, room) in ROOMS.iter().enumerate() {
        for dependency in dependencies(room).iter().filter(|name| name.starts_with("mcpo")) {
            let above = ROOMS[..floor].contains(&dependency.as_str());
            assert!(above, "{room} names {dependency}, which is not above it");
        }
    }
}

#[test]
fn a_library_is_named_by_its_owner_alone() {
    let owners = BTreeMap::from(OWNERS);
    for room in ROOMS {
        for dependency in dependencies(room) {
            if let Some(owners) = owners.get(dependency.as_str()) {
                assert!(owners.contains(&room), "{dependency} belongs to {owners:?}, not {room}");
            }
        }
    }
    for (library, owners) in
        OWNERS.iter().filter(|(library, _)| !matches!(*library, "axum" | "tower-http"))
    {
        for owner in *owners {
            assert!(
                dependencies(owner).contains(&(*library).to_owned()),
                "{owner} does not use {library} any more"
            );
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for path in all_rust_files() {
        let text = read(&path);
        let tests = path.file_stem().is_some_and(|stem| stem == "tests")
            || path.components().any(|part| part.as_os_str() == "tests");
        let first = text.lines().next().unwrap_or_default();
        assert!(tests || first.starts_with("//!"), "{} does not start with `//!`", path.display());
    }
}

#[test]
fn files_stay_short_enough_to_read() {
    let long: Vec<String> = all_rust_files()
        .iter()
        .map(|path| (path, read(path)))
        .filter(|(_, text)| {
            text.lines().count() > FILE_LINES_MAX && !text.contains("Longer than 500 lines:")
        })
        .map(|(path, text)| format!("{} {}", text.lines().count(), path.display()))
        .collect();
    assert!(long.is_empty(), "too long:\n{}", long.join("\n"));
}

#[test]
fn there_is_no_mod_rs_and_no_room_without_meaning() {
    for path in all_rust_files() {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let refused = ["mod", "common", "utils", "util", "types", "prelude", "helpers"];
        assert!(!refused.contains(&stem), "{} has a name that says nothing", path.display());
    }
}

#[test]
fn the_architecture_stays_short() {
    let lines = read(&root().join("ARCHITECTURE.md")).lines().count();
    assert!(lines <= ARCHITECTURE_LINES_MAX, "{lines} lines");
}

#[test]
fn nothing_is_left_undone_in_silence() {
    for path in all_rust_files() {
        if path.ends_with("tidy.rs") {
            continue;
        }
        // Python's words for a broken escape are no mark.
        let text = read(&path).replace("uXXXX", "");
        for mark in ["TODO", "FIXME", "XXX", "#[ignore", "todo!(", "unimplemented!("] {
            assert!(!text.contains(mark), "{} holds {mark}", path.display());
        }
    }
}
