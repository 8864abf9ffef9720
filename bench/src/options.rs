//! What to measure, from the command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mcpo_testkit::Scratch;

use crate::contestant::Kind;
use crate::parts::Part;
use crate::under_load::Subject;

const USAGE: &str = "\
usage: bench [--quick] [--start] [--million] [--recovery] [--monitor] [--all] [OPTIONS]
       bench --under-load | --scaling --overload --bulkheads --cache --features --memory [OPTIONS]
       bench --publish
  without a part: load only; --all: everything above; --under-load: everything in the second line
  --quick               one short round, to see that it runs
  --smoke               the same with few servers, connections and calls
  --publish             keep what parts of the second line found, and rewrite their tables in the doc
  --results DIR         where their JSON goes (bench/results)
  --doc FILE            (docs/performance.md)
  --calls N             calls while memory is watched (10000000)
  --rounds N            rounds, interleaved (3)
  --seconds S           length of one measurement (2)
  --connections A,B,..  (1,16,64)
  --only A,B,..         of python,mcpo,floor,direct,bare
  --upstreams A,B,..    of rust,node,http
  --mcpo PATH           our binary (beside this program)
  --python PATH         the original (.cache/bench-venv/bin/mcpo)
  --node PATH           (node)
  --echo-mjs PATH       (bench/upstreams/echo.mjs)
  --out FILE            (bench/results/latest.json)";

/// What to measure, and with what.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) load: bool,
    pub(crate) start: bool,
    pub(crate) million: bool,
    pub(crate) parts: Vec<Part>,
    pub(crate) subjects: Vec<Subject>,
    /// Small numbers of everything: only to see that it runs and counts rightly.
    pub(crate) smoke: bool,
    /// Whether the tables of the doc are rewritten.
    pub(crate) publish: bool,
    /// While memory is watched.
    pub(crate) calls: u64,
    pub(crate) results: PathBuf,
    pub(crate) doc: PathBuf,
    pub(crate) rounds: usize,
    pub(crate) warm_up: Duration,
    pub(crate) length: Duration,
    pub(crate) connections: Vec<usize>,
    pub(crate) contestants: Vec<Kind>,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) mcpo: PathBuf,
    pub(crate) python: PathBuf,
    pub(crate) node: String,
    pub(crate) echo_mjs: PathBuf,
    pub(crate) out: PathBuf,
    /// What contestants keep goes in here, and with it.
    pub(crate) state: Scratch,
    /// Where this program and its upstreams were built.
    pub(crate) programs: PathBuf,
}

/// What stands behind the proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// Our stdio echo.
    RustStdio,
    /// The stdio echo in Node.
    NodeStdio,
    /// Our Streamable HTTP echo.
    Http,
}

impl Upstream {
    pub(crate) const ALL: [Self; 3] = [Self::RustStdio, Self::NodeStdio, Self::Http];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RustStdio => "rust",
            Self::NodeStdio => "node",
            Self::Http => "http",
        }
    }
}

impl FromStr for Upstream {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|upstream| upstream.name() == text)
            .with_context(|| format!("no upstream {text}"))
    }
}

impl Options {
    /// Reads the command line.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self::usual()?;
        let mut chosen = false;
        while let Some(flag) = arguments.next() {
            if options.set_switch(&flag, &mut chosen) {
                continue;
            }
            let value = arguments
                .next()
                .with_context(|| format!("{flag} is unknown or needs a value\n{USAGE}"))?;
            options.set_value(&flag, &value).with_context(|| format!("read {flag} {value}"))?;
        }
        Ok(options)
    }

    fn usual() -> Result<Self> {
        let program = std::env::current_exe().context("find this program")?;
        let programs = program.parent().context("a program lives in a directory")?.to_owned();
        Ok(Self {
            load: true,
            start: false,
            million: false,
            parts: Vec::new(),
            subjects: Vec::new(),
            smoke: false,
            publish: false,
            calls: 10_000_000,
            results: "bench/results".into(),
            doc: "docs/performance.md".into(),
            rounds: 3,
            warm_up: Duration::from_millis(300),
            length: Duration::from_secs(2),
            connections: vec![1, 16, 64],
            contestants: Kind::ALL.to_vec(),
            upstreams: Upstream::ALL.to_vec(),
            mcpo: programs.join("mcpo"),
            python: ".cache/bench-venv/bin/mcpo".into(),
            node: "node".into(),
            echo_mjs: "bench/upstreams/echo.mjs".into(),
            out: "bench/results/latest.json".into(),
            state: Scratch::new()?,
            programs,
        })
    }

    /// Whether it was a switch. The first one that names a part turns the usual part off.
    fn set_switch(&mut self, flag: &str, chosen: &mut bool) -> bool {
        if let Some(subject) = Subject::ALL.into_iter().find(|subject| subject.flag() == flag) {
            self.study(&[subject], chosen);
            return true;
        }
        match flag {
            "--quick" => self.shorten(100, 400),
            "--smoke" => {
                self.smoke = true;
                self.calls = 5000;
                self.connections = vec![1, 64];
                self.shorten(50, 250);
            }
            "--publish" => {
                self.publish = true;
                self.study(&[], chosen);
            }
            "--under-load" => self.study(&Subject::ALL, chosen),
            "--all" => {
                (self.load, self.start, self.million) = (true, true, true);
                self.parts = vec![Part::Recovery, Part::Monitor];
                *chosen = true;
            }
            "--start" => (self.load, self.start, *chosen) = (self.load && *chosen, true, true),
            "--million" => (self.load, self.million, *chosen) = (self.load && *chosen, true, true),
            "--recovery" => self.choose(Part::Recovery, chosen),
            "--monitor" => self.choose(Part::Monitor, chosen),
            _ => return false,
        }
        true
    }

    /// One round of that length, in milliseconds.
    fn shorten(&mut self, warm_up: u64, length: u64) {
        self.rounds = 1;
        self.warm_up = Duration::from_millis(warm_up);
        self.length = Duration::from_millis(length);
    }

    fn study(&mut self, subjects: &[Subject], chosen: &mut bool) {
        (self.load, *chosen) = (self.load && *chosen, true);
        self.subjects.extend_from_slice(subjects);
    }

    fn choose(&mut self, part: Part, chosen: &mut bool) {
        (self.load, *chosen) = (self.load && *chosen, true);
        self.parts.push(part);
    }

    fn set_value(&mut self, flag: &str, value: &str) -> Result<()> {
        match flag {
            "--rounds" => self.rounds = value.parse()?,
            "--seconds" => self.length = Duration::try_from_secs_f64(value.parse()?)?,
            "--connections" => self.connections = list(value)?,
            "--only" => self.contestants = list(value)?,
            "--upstreams" => self.upstreams = list(value)?,
            "--mcpo" => self.mcpo = value.into(),
            "--python" => self.python = value.into(),
            "--node" => value.clone_into(&mut self.node),
            "--echo-mjs" => self.echo_mjs = value.into(),
            "--out" => self.out = value.into(),
            "--results" => self.results = value.into(),
            "--doc" => self.doc = value.into(),
            "--calls" => self.calls = value.parse()?,
            _ => bail!("{flag} is unknown\n{USAGE}"),
        }
        Ok(())
    }

    /// Rounds where so many times the usual number are needed; one where it only has to run.
    pub(crate) const fn turns(&self, times: usize) -> usize {
        if self.smoke { 1 } else { self.rounds * times }
    }

    /// The command of a stdio upstream.
    pub(crate) fn command(&self, upstream: Upstream) -> Vec<String> {
        match upstream {
            Upstream::RustStdio => vec![self.program("echo-stdio")],
            Upstream::NodeStdio => {
                vec![self.node.clone(), self.echo_mjs.to_string_lossy().into_owned()]
            }
            Upstream::Http => Vec::new(),
        }
    }

    /// The path of a program that is built with this one.
    pub(crate) fn program(&self, name: &str) -> String {
        self.programs.join(name).to_string_lossy().into_owned()
    }
}

fn list<T: FromStr>(text: &str) -> Result<Vec<T>>
where
    anyhow::Error: From<T::Err>,
{
    text.split(',').map(|item| Ok(item.parse()?)).collect()
}
