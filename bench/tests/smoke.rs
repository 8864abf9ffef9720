//! Every part of `bench` under load runs from its beginning to its end and counts rightly, with few
//! of everything. No time is looked at: this machine does other things meanwhile.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use mcpo_testkit::Scratch;
use serde_json::Value;

/// What a part wrote.
struct Chapter(Value);

/// Runs one part; fails with all that it said.
fn run(part: &str) -> Chapter {
    match measured(part) {
        Ok(chapter) => chapter,
        Err(error) => unreachable!("bench --{part} --smoke: {error:#}"),
    }
}

fn measured(part: &str) -> Result<Chapter> {
    let bench = Path::new(env!("CARGO_BIN_EXE_bench"));
    let mcpo = bench.with_file_name("mcpo");
    ensure!(mcpo.exists(), "{} is not there: cargo build -p mcpo", mcpo.display());
    let scratch = Scratch::new()?;
    let results = scratch.path().join("results");
    let output = Command::new(bench)
        .args([&format!("--{part}"), "--smoke", "--python", "/nowhere/mcpo", "--mcpo"])
        .args([&mcpo, Path::new("--results"), &results])
        .env("RUST_BACKTRACE", "0")
        .output()?;
    ensure!(output.status.success(), "it says\n{}", told(&output));
    let path = results.join(format!("latest-{part}.json"));
    let json = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let chapter: Value = serde_json::from_slice(&json).context("read its JSON")?;
    ensure!(chapter["part"] == part, "it wrote {chapter}");
    ensure!(told(&output).contains(&format!("## {part}")), "its tables are not printed");
    Ok(Chapter(chapter))
}

fn told(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned()).concat()
}

impl Chapter {
    /// The values of that column in rows whose labels hold all of these, over all rounds, of every
    /// table that has the column.
    fn values(&self, labels: &[&str], column: &str) -> Vec<f64> {
        let mut found = Vec::new();
        for sheet in self.0["sheets"].as_array().expect("tables") {
            let columns = sheet["columns"].as_array().expect("columns");
            let Some(at) = columns.iter().position(|one| one["name"] == column) else { continue };
            for sample in sheet["samples"].as_array().expect("samples") {
                let has = |label: &&str| {
                    sample["labels"]
                        .as_array()
                        .is_some_and(|own| own.iter().any(|own| own == label))
                };
                if labels.iter().all(has) {
                    found.extend(sample["values"][at].as_f64());
                }
            }
        }
        found
    }

    fn sum(&self, labels: &[&str], column: &str) -> f64 {
        let values = self.values(labels, column);
        assert!(!values.is_empty(), "there is no {column} of {labels:?} in {}", self.0);
        values.iter().sum()
    }

    #[track_caller]
    fn check_all(&self, labels: &[&str], column: &str, is_right: fn(f64) -> bool) {
        let values = self.values(labels, column);
        assert!(
            !values.is_empty() && values.iter().copied().all(is_right),
            "{column} of {labels:?}: {values:?}"
        );
    }
}

#[test]
fn scaling_loses_nothing_at_any_size() {
    let chapter = run("scaling");
    chapter.check_all(&[], "calls/s", |rate| rate > 0.0);
    assert_eq!((chapter.sum(&[], "lost"), chapter.sum(&[], "refused")), (0.0, 0.0));
    for body in ["64 B", "1 KiB", "64 KiB", "1 MiB", "10 MB"] {
        assert_eq!(chapter.values(&[body, "mcpo"], "calls/s").len(), 2, "{body}: stdio and HTTP");
    }
    chapter.check_all(&["/openapi.json"], "MiB", |size| size > 0.01);
}

#[test]
fn under_overload_every_call_comes_to_one_thing() {
    // That what was due adds up is checked by the part itself: it fails where it does not. How much
    // of it is in time is the machine's to say, which is busy with other tests.
    let chapter = run("overload");
    for load in ["0.5 x", "0.8 x", "1 x", "1.5 x", "2 x", "3 x"] {
        assert_eq!(chapter.values(&[load], "good/s").len(), 2, "{load}: told and not told");
    }
    assert!(chapter.sum(&[], "good/s") > 0.0);
    assert_eq!(chapter.sum(&[], "unsent"), 0.0, "the generator kept up");
}

#[test]
fn neighbours_of_a_hung_server_lose_nothing() {
    let chapter = run("bulkheads");
    for turn in ["all well", "one hangs"] {
        chapter.check_all(&[turn, "the seven"], "good/s", |rate| rate > 0.0);
        assert_eq!(chapter.sum(&[turn, "the seven"], "refused"), 0.0, "{turn}");
        assert_eq!(chapter.sum(&[turn, "the seven"], "lost"), 0.0, "{turn}");
    }
    chapter.check_all(&["one hangs", "the eighth"], "good/s", |rate| rate == 0.0);
    assert!(chapter.sum(&["one hangs", "the eighth"], "refused") > 0.0);
    assert_eq!(chapter.sum(&[], "lost"), 0.0, "whoever called the hung one was told so");
}

#[test]
fn a_stampede_reaches_the_upstream_once() {
    let chapter = run("cache");
    for with in ["cache and coalescing", "coalescing alone"] {
        chapter.check_all(&[with], "upstream calls", |calls| calls == 1.0);
    }
    // Otherwise nobody knows whether there was a stampede at all.
    chapter.check_all(&["neither"], "upstream calls", |calls| calls == 100.0);
    chapter.check_all(&[], "right answers", |answers| answers == 100.0);
    assert_eq!((chapter.sum(&[], "lost"), chapter.sum(&[], "refused")), (0.0, 0.0));
    chapter.check_all(&["hit"], "upstream calls", |calls| calls <= 1.0);
}

#[test]
fn with_every_feature_on_nothing_is_lost_or_refused() {
    let chapter = run("features");
    for who in ["all on", "all off", "floor"] {
        chapter.check_all(&[who], "calls/s", |rate| rate > 0.0);
    }
    assert_eq!((chapter.sum(&[], "lost"), chapter.sum(&[], "refused")), (0.0, 0.0));
}

#[test]
fn memory_is_watched_while_calls_go_by() {
    let chapter = run("memory");
    assert!(chapter.values(&[], "RSS MiB").len() >= 5, "at least five points");
    chapter.check_all(&[], "RSS MiB", |size| size > 0.0);
    assert_eq!(chapter.sum(&[], "lost"), 0.0);
    for what in ["HTTP upstream", "silent connection", "connection after a call"] {
        chapter.check_all(&[what], "KiB each", f64::is_finite);
    }
}
