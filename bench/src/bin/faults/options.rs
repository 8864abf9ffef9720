//! What to try, from the command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use mcpo_testkit::faults::{Contestant, Fault, Kind, Way};

const USAGE: &str = "\
usage: bench/faults [--quick | --outage | --list] [OPTIONS]
  without --outage: the matrix of faults, against us and the original
  --quick           ours only, a handful of faults; fails if a call is lost or runs twice
  --outage          ours only: killed every 10 s for a minute, and outages of 30 s
  --list            the faults, and what they are
  --only A,B,..     these faults
  --ways A,B,..     of stdio,stdio-modern,http,http-modern,sse
  --against WHO     python or none (python)
  --strict          fail if a call of ours is lost or runs twice
  --load SHARE      of the usual load of 200 calls a second (1)
  --seconds S       how long an outage lasts (30); kills go on for twice as long
  --json FILE       everything as JSON (bench/results/faults.json)
  --logs DIR        leaves what ours said and what the victim did, for each trial
  --mcpo PATH       our binary (beside this program)
  --python PATH     the original (.cache/bench-venv/bin/mcpo)";

/// Faults of many kinds that take little time.
const QUICK: [&str; 8] = [
    "kill-9",
    "crash-after",
    "crash-loop",
    "half-line",
    "restart-0.5s",
    "session-404",
    "reset-after",
    "stream-cut",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Matrix,
    Outage,
    List,
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) part: Part,
    pub(crate) quick: bool,
    pub(crate) strict: bool,
    /// Empty: all.
    pub(crate) only: Vec<String>,
    /// Empty: all.
    pub(crate) ways: Vec<Way>,
    pub(crate) contestants: Vec<Contestant>,
    pub(crate) outage_seconds: u64,
    pub(crate) load: f64,
    pub(crate) json: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let program = std::env::current_exe().context("find this program")?;
        let mut mcpo = program.parent().context("a program has a directory")?.join("mcpo");
        let mut python = Some(PathBuf::from(".cache/bench-venv/bin/mcpo"));
        let mut logs = None;
        let mut options = Self {
            part: Part::Matrix,
            quick: false,
            strict: false,
            only: Vec::new(),
            ways: Vec::new(),
            contestants: Vec::new(),
            outage_seconds: 30,
            load: 1.0,
            json: Some("bench/results/faults.json".into()),
        };
        while let Some(flag) = arguments.next() {
            if options.set_switch(&flag) {
                continue;
            }
            let value = arguments
                .next()
                .with_context(|| format!("{flag} is unknown or needs a value\n{USAGE}"))?;
            match flag.as_str() {
                "--only" => options.only.extend(value.split(',').map(str::to_owned)),
                "--ways" => {
                    options.ways = value.split(',').map(str::parse).collect::<Result<_>>()?;
                }
                "--against" => match value.as_str() {
                    "python" => {}
                    "none" => python = None,
                    other => bail!("nobody is called {other}\n{USAGE}"),
                },
                "--seconds" => options.outage_seconds = value.parse()?,
                "--load" => options.load = value.parse()?,
                "--json" => options.json = Some(value.into()),
                "--logs" => logs = Some(PathBuf::from(value)),
                "--mcpo" => mcpo = value.into(),
                "--python" => python = Some(value.into()),
                _ => bail!("{flag} is unknown\n{USAGE}"),
            }
        }
        options.contestants.push(Contestant { logs, ..Contestant::new(Kind::Mcpo, mcpo) });
        if options.part == Part::Matrix && !options.quick {
            options
                .contestants
                .extend(python.map(|program| Contestant::new(Kind::Python, program)));
        }
        Ok(options)
    }

    fn set_switch(&mut self, flag: &str) -> bool {
        match flag {
            "--quick" => (self.quick, self.strict) = (true, true),
            "--outage" => self.part = Part::Outage,
            "--list" => self.part = Part::List,
            "--strict" => self.strict = true,
            _ => return false,
        }
        true
    }

    /// Ours.
    pub(crate) fn ours(&self) -> &Contestant {
        self.contestants.first().expect("ours is always there")
    }

    pub(crate) fn wants(&self, fault: &Fault) -> bool {
        if self.only.is_empty() {
            return !self.quick || QUICK.contains(&fault.name);
        }
        self.only.iter().any(|name| name == fault.name)
    }
}
