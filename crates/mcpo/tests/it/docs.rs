//! The documentation keeps up with the program: every option, variable, key and code stands in it,
//! and its links lead somewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use mcpo_config::RESERVED_NAMES;
use mcpo_core::fault::FaultKind;
use mcpo_core::outcome::OutcomeKind;
use mcpo_testkit::Scratch;

/// What people read.
const PAGES: [&str; 17] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/alerts.md",
    "docs/configuration.md",
    "docs/dashboard.md",
    "docs/diagnostics.md",
    "docs/faults.md",
    "docs/health-score.md",
    "docs/history.md",
    "docs/http.md",
    "docs/metrics.md",
    "docs/migrating.md",
    "docs/operating.md",
    "docs/performance.md",
    "docs/recovery.md",
];
/// The README stays something that people read.
const README_LINES_MAX: usize = 140;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// What the program says, on whichever of the two it says it.
fn said(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mcpo")).args(arguments).output().unwrap();
    let texts = [output.stdout, output.stderr];
    texts.into_iter().map(|text| String::from_utf8(text).unwrap()).collect()
}

/// The words of a text that begin so.
fn words(text: &str, start: &str) -> BTreeSet<String> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
    text.split(|char| !is_part(char))
        .filter(|word| word.len() > start.len() && word.starts_with(start))
        .map(str::to_owned)
        .collect()
}

/// What stands between two marks, every time that it does.
fn between<'t>(text: &'t str, start: &str, end: &str) -> BTreeSet<&'t str> {
    text.split(start).skip(1).filter_map(|rest| Some(rest.split_once(end)?.0)).collect()
}

#[track_caller]
fn assert_has(page: &str, wanted: impl IntoIterator<Item = impl AsRef<str>>) {
    let text = read(page);
    let missing: Vec<String> = wanted
        .into_iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .filter(|name| !text.contains(name))
        .collect();
    assert!(missing.is_empty(), "{page} lacks {}", missing.join(", "));
}

#[test]
fn every_option_is_explained() {
    let options = words(&said(&["--help"]), "--");
    assert!(options.len() > 20, "the search for options is broken: {options:?}");
    assert_has("docs/configuration.md", options);
}

/// Those of serving are explained elsewhere, and so are those that every command has.
#[test]
fn every_option_of_the_doctor_is_explained() {
    let of = |arguments: &[&str]| words(&said(arguments), "--");
    let own = &of(&["doctor", "--help"]) - &of(&["--help"]);
    assert!(own.contains("--bundle"), "the search for options is broken: {own:?}");
    let page = read("docs/operating.md");
    let missing: Vec<_> = own.iter().filter(|option| !page.contains(option.as_str())).collect();
    assert!(missing.is_empty(), "docs/operating.md lacks {missing:?}");
}

#[test]
fn every_variable_is_explained() {
    let help = said(&["--help"]);
    let mut variables: BTreeSet<String> =
        between(&help, "[env:", "]").into_iter().map(|name| name.trim().to_owned()).collect();
    variables.extend(words(&read("crates/mcpo-config/src/check/settings.rs"), "MCPO_"));
    variables.extend(words(&read("crates/mcpo-config/src/check/settings/load.rs"), "MCPO_"));
    assert!(variables.len() > 13, "the search for variables is broken: {variables:?}");
    assert_has("docs/configuration.md", variables);
}

/// The program itself lists its keys where it meets one that it does not know.
#[test]
fn every_key_of_the_file_is_explained() {
    let scratch = Scratch::new().unwrap();
    let server = r#"{"command": "x", "quux": 1, "client_header_forwarding": {"quux": 1},
        "pool": {"quux": 1}, "cache": {"quux": 1},
        "tools": {"a": {"quux": 1, "cache": {"quux": 1}}}}"#;
    let monitor = r#"{"quux": 1, "slo": {"quux": 1}, "alerts": {"quux": 1,
        "rules": {"held": {"quux": 1}}, "webhooks": [{"url": "http://a", "quux": 1}]}}"#;
    let text = format!(r#"{{"mcpServers": {{"a": {server}}}, "monitor": {monitor}}}"#);
    let file = scratch.write("keys.json", &text).unwrap();
    let said = said(&["check", "--config", file.to_str().unwrap()]);
    let lists = between(&said, "known keys are ", "\n");
    assert_eq!(lists.len(), 11, "{said}");
    let keys: BTreeSet<&str> = lists.iter().flat_map(|list| between_ticks(list)).collect();
    assert!(keys.contains("trustAnnotations") && keys.contains("whitelist"), "{keys:?}");
    assert_has("docs/configuration.md", keys);
}

fn between_ticks(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_key_of_other_programs_is_named() {
    let source = read("crates/mcpo-config/src/check/keys.rs");
    let keys = between(&source, "key: \"", "\"");
    assert!(keys.len() > 20, "the search for keys is broken: {keys:?}");
    assert_has("docs/configuration.md", keys);
    assert_has("docs/configuration.md", RESERVED_NAMES);
}

#[test]
fn every_fault_and_outcome_is_explained() {
    assert_has("docs/http.md", FaultKind::ALL.map(FaultKind::name));
    let outcomes =
        [OutcomeKind::Reply, OutcomeKind::NotSent, OutcomeKind::Refused, OutcomeKind::Unknown];
    assert_has("docs/http.md", outcomes.map(OutcomeKind::name));
}

/// Headers and codes of ours, as `mcpo-http` writes them.
#[test]
fn every_header_and_code_of_ours_is_explained() {
    let codes = [
        "tool_error",
        "body_too_large",
        "body_too_slow",
        "bad_timeout",
        "bad_idempotency_key",
        "idempotency_key_used",
        "internal",
        "starting",
        "forbidden",
        "bad_query",
        "no_such_server",
        "no_such_order",
        "no_such_tool",
        "bad_login",
        "bad_identity",
        "not_kept",
        "monitoring_off",
    ];
    let problem = read("crates/mcpo-http/src/problem/body.rs");
    for code in codes {
        assert!(problem.contains(&format!("\"{code}\"")), "{code} is gone");
    }
    assert_has("docs/http.md", codes);
    let exposed = read("crates/mcpo-http/src/cors.rs");
    let exposed = between(&exposed, "EXPOSED: &str = \"", "\"");
    assert_eq!(exposed.len(), 1, "the search for headers is broken");
    // A backslash joins the lines of the list.
    let exposed = exposed.iter().flat_map(|list| list.split([',', '\\']));
    let exposed = exposed.map(str::trim).filter(|name| !name.is_empty());
    assert_has("docs/http.md", exposed.chain(["X-Tool-Timeout"]));
}

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    for page in PAGES {
        let text = read(page);
        let folder = root().join(page).parent().unwrap().to_owned();
        for link in between(&text, "](", ")").into_iter().filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root().join(page) } else { folder.join(file) };
            assert!(target.exists(), "{page} links to {link}, which is not there");
            let known =
                heading.is_empty() || headings(&read(&target)).any(|known| known == heading);
            assert!(known, "{page} links to {link}, which has no such heading");
        }
    }
}

/// The anchors of a page's headings.
fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
}

#[test]
fn the_readme_stays_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= README_LINES_MAX, "{lines} lines");
}

#[test]
fn the_readmes_first_command_finds_the_program() {
    assert!(read("README.md").contains("\ncargo run --release -- demo\n"));
    let manifest: toml::Table = read("crates/mcpo/Cargo.toml").parse().unwrap();
    assert_eq!(manifest["package"]["default-run"].as_str(), Some("mcpo"));
}
