//! What happens under load, part by part: each is measured, printed and kept in a file of its own.

use std::io::Write;
use std::process::Command;

use anyhow::{Context, Result};

use crate::chapter::Chapter;
use crate::options::Options;
use crate::{bulkheads, cache, doc, features, memory, overload, say, scaling, stage};

/// One part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// More servers, tools, connections, bytes.
    Scaling,
    /// More calls than the upstream can bear.
    Overload,
    /// One server of eight hangs.
    Bulkheads,
    /// Answers that are kept, and equal calls that share one.
    Cache,
    /// Everything switched on, beside everything switched off.
    Features,
    /// What each idle thing takes, and what ten million calls leave behind.
    Memory,
}

impl Subject {
    /// In the order of the doc.
    pub(crate) const ALL: [Self; 6] =
        [Self::Scaling, Self::Overload, Self::Bulkheads, Self::Cache, Self::Features, Self::Memory];

    pub(crate) fn name(self) -> &'static str {
        self.flag().trim_start_matches('-')
    }

    pub(crate) const fn flag(self) -> &'static str {
        match self {
            Self::Scaling => "--scaling",
            Self::Overload => "--overload",
            Self::Bulkheads => "--bulkheads",
            Self::Cache => "--cache",
            Self::Features => "--features",
            Self::Memory => "--memory",
        }
    }
}

/// Measures every part that was asked for. One that fails is told of; the others go on, and the
/// run fails at its end.
pub(crate) async fn study(options: &Options) -> Result<()> {
    if !options.subjects.is_empty() {
        let descriptors = stage::raise_descriptors()?;
        say(&format!("{descriptors} files may be open at once"));
    }
    let mut failed = Vec::new();
    for &subject in &options.subjects {
        let began = tokio::time::Instant::now();
        match measure(options, subject).await.and_then(|chapter| keep(options, &chapter)) {
            Ok(()) => say(&format!("{}: {:.0} s", subject.name(), began.elapsed().as_secs_f64())),
            Err(error) => {
                say(&format!("{} failed: {error:#}", subject.name()));
                failed.push(subject.name());
            }
        }
    }
    if options.publish {
        doc::write(&options.results, &options.doc)?;
    }
    anyhow::ensure!(failed.is_empty(), "failed: {}; why, stands above", failed.join(", "));
    Ok(())
}

async fn measure(options: &Options, subject: Subject) -> Result<Chapter> {
    let machine = machine();
    let (sheets, targets) = match subject {
        Subject::Scaling => scaling::measure(options).await?,
        Subject::Overload => overload::measure(options).await?,
        Subject::Bulkheads => bulkheads::measure(options).await?,
        Subject::Cache => cache::measure(options).await?,
        Subject::Features => features::measure(options).await?,
        Subject::Memory => memory::measure(options).await?,
    };
    let (part, command) = (subject.name().to_owned(), format!("bench/run {}", subject.flag()));
    Ok(Chapter { part, command, date: date()?, machine, sheets, targets })
}

/// Prints it and writes it: for good where it is published, else beside that.
fn keep(options: &Options, chapter: &Chapter) -> Result<()> {
    let text = format!("\n## {}\n\n{}", chapter.part, chapter.markdown());
    std::io::stdout().lock().write_all(text.as_bytes())?;
    std::fs::create_dir_all(&options.results)?;
    let kept = if options.publish { "" } else { "latest-" };
    let path = options.results.join(format!("{kept}{}.json", chapter.part));
    let json = serde_json::to_string_pretty(chapter)? + "\n";
    std::fs::write(&path, json).with_context(|| format!("write {}", path.display()))?;
    say(&format!("every sample is in {}", path.display()));
    Ok(())
}

fn date() -> Result<String> {
    let date =
        Command::new("date").args(["-u", "+%Y-%m-%d"]).output().context("ask for the date")?;
    Ok(String::from_utf8(date.stdout)?.trim().to_owned())
}

/// The processors and the memory, and how busy it was before.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let model = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".into());
    let kib = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let kib: u64 = kib.trim_end_matches(" kB").parse().unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.split(['-', '+', '\n']).next().unwrap_or_default();
    let load = read("/proc/loadavg");
    let minute = load.split(' ').next().unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{processors} processors ({model}), {} GiB, Linux {kernel}, load average {minute} before",
        kib >> 20
    )
}
