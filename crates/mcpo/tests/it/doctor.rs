//! `mcpo doctor` before the first start: what is wrong, why, what to do; and its archive.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output};

use mcpo_testkit::Scratch;
use serde_json::{Value, json};

const KEY: &str = "key-0f7c1d2e3b4a";
const TOKEN: &str = "token-93b1c2d4e5f6";
const HOOK: &str = "hook-7788aa99bbcc";

fn doctor(scratch: &Scratch, config: &Value, options: &[&str]) -> Output {
    let file = scratch.write("config.json", &config.to_string()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_mcpo"))
        .arg("doctor")
        .args(["--timeout", "20", "--api-key", KEY, "--port", "9", "--config"])
        .arg(file)
        .args(options)
        .output()
        .unwrap()
}

fn demo() -> Value {
    json!({"command": env!("CARGO_BIN_EXE_mcpo"), "args": ["demo-server"],
        "env": {"MAIL_TOKEN": TOKEN}})
}

fn issues(output: &Output) -> BTreeMap<String, String> {
    let diagnosis: Value = serde_json::from_slice(&output.stdout).unwrap();
    let issues = diagnosis["issues"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    issues.map(|issue| (text(&issue["server"]), text(&issue["id"]))).collect()
}

#[test]
fn what_works_is_healthy() {
    let scratch = Scratch::new().unwrap();
    let output = doctor(&scratch, &json!({"mcpServers": {"demo": demo()}}), &["--json"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(issues(&output), BTreeMap::new());
}

#[test]
fn each_broken_server_has_its_own_issue_and_the_exit_code_says_so() {
    let scratch = Scratch::new().unwrap();
    // Port 9 (discard) is nobody's.
    let config = json!({"mcpServers": {
        "demo": demo(),
        "missing": {"command": "no-such-command-anywhere"},
        "dies": {"command": "sh", "args": ["-c", "echo no database >&2; exit 3"]},
        "refused": {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"},
        "nowhere": {"type": "streamable-http", "url": "http://no-such-host.invalid/mcp"},
    }});
    let output = doctor(&scratch, &config, &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let expected = [
        ("dies", "command_fails"),
        ("missing", "command_not_found"),
        ("nowhere", "dns_failed"),
        ("refused", "upstream_unreachable"),
    ];
    let expected = expected.map(|(server, id)| (server.to_owned(), id.to_owned()));
    assert_eq!(issues(&output), BTreeMap::from(expected));
    let said = String::from_utf8(doctor(&scratch, &config, &[]).stdout).unwrap();
    for word in ["no database", "exit code 3", "tcp refused", "  do  "] {
        assert!(said.contains(word), "{word} is missing in {said}");
    }
}

/// The files of an archive by their names.
fn unpacked(path: &Path) -> BTreeMap<String, String> {
    let file = std::fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let read = |mut entry: tar::Entry<'_, _>| {
        let name = entry.path().unwrap().display().to_string();
        assert!(entry.header().mtime().unwrap() > 1_700_000_000, "{name} is from 1970");
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (name, text)
    };
    archive.entries().unwrap().map(|entry| read(entry.unwrap())).collect()
}

#[test]
fn the_archive_has_what_helps_and_no_secret() {
    let scratch = Scratch::new().unwrap();
    let script = format!("echo refused {TOKEN} >&2; exit 1");
    let config = json!({
        "mcpServers": {
            "mail": {"command": "sh", "args": ["-c", script], "env": {"MAIL_TOKEN": TOKEN}},
            "far": {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp",
                "headers": {"Authorization": format!("Bearer {TOKEN}")}},
        },
        "monitor": {"alerts": {"webhooks": [{"url": format!("http://127.0.0.1:9/{HOOK}")}]}},
    });
    let path = scratch.path().join("support.tar.gz");
    let bundle = path.to_str().unwrap().to_owned();
    let output = doctor(&scratch, &config, &["--bundle", &bundle]);
    let files = unpacked(&path);
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["README.txt", "configuration.txt", "diagnosis.json", "system.txt"]
            .map(|name| format!("mcpo-support/{name}"))
    );
    let diagnosis: Value = serde_json::from_str(&files["mcpo-support/diagnosis.json"]).unwrap();
    assert_eq!(diagnosis["status"], "critical");
    let everything = format!("{files:?} {output:?}");
    for secret in [KEY, TOKEN, HOOK] {
        assert!(!everything.contains(secret), "{secret} is in {everything}");
    }
    // What is there already is nobody's to write over.
    let again = doctor(&scratch, &config, &["--bundle", &bundle]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("cannot write"), "{again:?}");
}
