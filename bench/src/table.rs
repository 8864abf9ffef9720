//! The results for people: tables in Markdown, and the targets with what was measured.

use std::fmt::Write;

use crate::parts::Part;
use crate::report::{Growth, Load, Place, Resident, Results, Sample, Turn, median};

const CONTESTANTS: [&str; 5] = ["python", "mcpo", "floor", "direct", "bare"];
/// How many rows the million calls take at most; the file has them all.
const MILLION_ROWS_MAX: usize = 12;
const UPSTREAMS: [&str; 3] = ["rust", "node", "http"];

/// A target: what is asked, what was measured, whether it holds.
struct Target {
    asked: &'static str,
    measured: Option<f64>,
    unit: &'static str,
    holds: fn(f64) -> bool,
}

pub(crate) fn markdown(results: &Results) -> String {
    let mut text = format!("{}\n", results.machine);
    for load in [Load::Full, Load::Half, Load::PythonHalf] {
        load_table(&mut text, results, load);
    }
    memory_table(&mut text, results);
    start_table(&mut text, results);
    parts_table(&mut text, results);
    target_table(&mut text, results);
    text
}

fn load_table(text: &mut String, results: &Results, load: Load) {
    if !results.samples.iter().any(|sample| sample.load == load) {
        return;
    }
    let title = match load {
        Load::Full => "Full load (closed loop): capacity",
        Load::Half => "Half of its own capacity (open loop): latency from the intended send time",
        Load::PythonHalf => "Half of the Python mcpo's capacity (open loop), the same rate for all",
    };
    line(text, &format!("\n## {title}\n"));
    line(
        text,
        "| upstream | conn. | who | calls/s | x python | x floor | p50 us | p99 us | p99.9 us | p50 x floor | p50 - direct us | p99 x python | cpu us/call | errors |",
    );
    line(text, "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for upstream in UPSTREAMS {
        for &connections in &results.connections {
            for who in CONTESTANTS {
                let place = Place { upstream, contestant: who, connections };
                if let Some(row) = load_row(results, place, load) {
                    line(text, &row);
                }
            }
        }
    }
}

fn load_row(results: &Results, place: Place, load: Load) -> Option<String> {
    let value = |pick: fn(&Sample) -> f64| results.median(place, load, pick);
    let ratio = |to, pick: fn(&Sample) -> f64| show(results.ratio(place, to, load, pick), 2);
    let Place { upstream, contestant, connections } = place;
    let direct = results.median(Place { contestant: "direct", ..place }, load, p50);
    Some(format!(
        "| {upstream} | {connections} | {contestant} | {:.0} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        value(rate)?,
        ratio("python", rate),
        ratio("floor", rate),
        show(value(p50), 0),
        show(value(p99), 0),
        show(value(|sample| sample.p999_us), 0),
        ratio("floor", p50),
        show(value(p50).zip(direct).map(|(ours, direct)| ours - direct), 0),
        show(results.ratio(place, "python", load, p99), 4),
        show(value(|sample| sample.processor_us.unwrap_or(f64::NAN)), 1),
        show(value(|sample| sample.generator_late_us), 0),
        results.errors(place, load),
    ))
}

fn rate(sample: &Sample) -> f64 {
    sample.per_second
}

fn p50(sample: &Sample) -> f64 {
    sample.p50_us
}

fn p99(sample: &Sample) -> f64 {
    sample.p99_us
}

fn memory_table(text: &mut String, results: &Results) {
    if !results.memory.is_empty() {
        line(
            text,
            "\n## Resident memory of the proxy alone, MiB (of it: allocated, the rest is its file)\n",
        );
        line(text, "| upstream | who | after the first answer | after load |\n|---|---|---|---|");
    }
    let show =
        |memory: Resident| format!("{:.1} ({:.1})", mib(memory.kib), mib(memory.allocated_kib));
    for memory in &results.memory {
        let (start, end) = (show(memory.at_start), show(memory.after_load));
        line(text, &format!("| {} | {} | {start} | {end} |", memory.upstream, memory.contestant));
    }
    if !results.million.is_empty() {
        line(
            text,
            "\n## Resident memory over a million calls, MiB\n\n| calls | all | allocated |\n|---|---|---|",
        );
    }
    for growth in
        results.million.iter().step_by(results.million.len().div_ceil(MILLION_ROWS_MAX).max(1))
    {
        let Growth { calls, resident } = growth;
        line(
            text,
            &format!("| {calls} | {:.2} | {:.2} |", mib(resident.kib), mib(resident.allocated_kib)),
        );
    }
}

fn start_table(text: &mut String, results: &Results) {
    if !results.starts.is_empty() {
        line(
            text,
            "\n## From exec (medians)\n\n| who | to listening ms | to the first answer ms |\n|---|---|---|",
        );
    }
    for start in &results.starts {
        let (listening, answer) =
            (median(start.listening_ms.clone()), median(start.first_answer_ms.clone()));
        line(
            text,
            &format!("| {} | {} | {} |", start.contestant, show(listening, 1), show(answer, 1)),
        );
    }
    if let Some(twenty) = &results.twenty {
        let last = twenty.callable_ms.iter().copied().fold(0.0, f64::max);
        let after = twenty.silent_ms;
        let status =
            twenty.silent_status.map_or("no answer".to_owned(), |status| status.to_string());
        line(
            text,
            &format!(
                "\nTwenty servers, one silent: {} callable, the last one {last:.0} ms after exec; a call of the silent one \
             got {status} after {after:.0} ms.",
                twenty.callable_ms.len()
            ),
        );
    }
}

fn parts_table(text: &mut String, results: &Results) {
    if results.parts.is_empty() {
        return;
    }
    line(text, "\n## What parts cost a healthy upstream (closed loop, medians over the rounds)\n");
    line(
        text,
        "| part | upstream | conn. | on calls/s | off calls/s | on / off | memory on - off |\n|---|---|---|---|---|---|---|",
    );
    for part in [Part::Recovery, Part::Monitor].map(Part::name) {
        for upstream in UPSTREAMS {
            for &connections in &results.connections {
                let is_here = |turn: &&Turn| {
                    (turn.part, turn.upstream, turn.connections) == (part, upstream, connections)
                };
                let here: Vec<&Turn> = results.parts.iter().filter(is_here).collect();
                if !here.is_empty() {
                    line(text, &parts_line((part, upstream, connections), &here));
                }
            }
        }
    }
}

fn parts_line((part, upstream, connections): (&str, &str, usize), here: &[&Turn]) -> String {
    let of = |value: fn(&Turn) -> f64| median(here.iter().map(|turn| value(turn)).collect());
    let (on, off) = (of(|turn| turn.on_per_second), of(|turn| turn.off_per_second));
    let memory = median(here.iter().filter_map(|turn| memory_of(turn)).collect());
    format!(
        "| {part} | {upstream} | {connections} | {} | {} | {} | {} MiB |",
        show(on, 0),
        show(off, 0),
        show(of(ratio_of), 3),
        show(memory, 1)
    )
}

fn ratio_of(turn: &Turn) -> f64 {
    turn.on_per_second / turn.off_per_second
}

/// What it takes more, in MiB.
fn memory_of(turn: &Turn) -> Option<f64> {
    Some(mib(turn.on_resident?.kib) - mib(turn.off_resident?.kib))
}

fn target_table(text: &mut String, results: &Results) {
    line(text, "\n## Targets\n\n| target | measured | |\n|---|---|---|");
    for target in targets(results) {
        let verdict = target
            .measured
            .map_or("not measured", |value| if (target.holds)(value) { "ok" } else { "MISSED" });
        line(
            text,
            &format!(
                "| {} | {}{} | {verdict} |",
                target.asked,
                show(target.measured, 3),
                target.unit
            ),
        );
    }
}

fn targets(results: &Results) -> Vec<Target> {
    let mut targets = load_targets(results);
    targets.extend(other_targets(results));
    targets
}

fn target(
    asked: &'static str,
    measured: Option<f64>,
    unit: &'static str,
    holds: fn(f64) -> bool,
) -> Target {
    Target { asked, measured, unit, holds }
}

fn load_targets(results: &Results) -> Vec<Target> {
    let ratio = |to, connections, load, pick: fn(&Sample) -> f64| {
        results.ratio(Place { upstream: "rust", contestant: "mcpo", connections }, to, load, pick)
    };
    let to_python = |load| ratio("python", 64, load, p99);
    vec![
        target(
            "throughput at 64 >= 40 x python",
            ratio("python", 64, Load::Full, rate),
            " x",
            |v| v >= 40.0,
        ),
        target(
            "throughput at 64 >= 0.8 x floor",
            ratio("floor", 64, Load::Full, rate),
            " x",
            |v| v >= 0.8,
        ),
        target(
            "p50 at 1, full load <= 1.25 x floor",
            ratio("floor", 1, Load::Full, p50),
            " x",
            |v| v <= 1.25,
        ),
        target(
            "p50 at 1, half load <= 1.25 x floor",
            ratio("floor", 1, Load::Half, p50),
            " x",
            |v| v <= 1.25,
        ),
        target("p99 at 64, full load <= 1/40 of python", to_python(Load::Full), " x", |v| {
            v <= 0.025
        }),
        target("p99 at 64, half load <= 1/40 of python", to_python(Load::Half), " x", |v| {
            v <= 0.025
        }),
        target("p99 at 64, same rate <= 1/40 of python", to_python(Load::PythonHalf), " x", |v| {
            v <= 0.025
        }),
    ]
}

fn other_targets(results: &Results) -> Vec<Target> {
    let memory = results
        .memory
        .iter()
        .find(|memory| (memory.upstream, memory.contestant) == ("rust", "mcpo"));
    let start = results.starts.iter().find(|start| start.contestant == "mcpo");
    let listening = start.and_then(|start| median(start.listening_ms.clone()));
    let turns = |part: Part| results.parts.iter().filter(move |turn| turn.part == part.name());
    let ratio = |part| median(turns(part).map(ratio_of).collect());
    let memory_of_monitor = median(turns(Part::Monitor).filter_map(memory_of).collect());
    let slowest = |times: &[f64]| times.iter().copied().fold(0.0, f64::max);
    let callable = results.twenty.as_ref().map(|twenty| slowest(&twenty.callable_ms));
    vec![
        target(
            "memory after start <= 12 MiB",
            memory.map(|memory| mib(memory.at_start.kib)),
            " MiB",
            |v| v <= 12.0,
        ),
        target("growth over a million calls <= 0.5 MiB", growth(&results.million), " MiB", |v| {
            v <= 0.5
        }),
        target(
            "throughput with recovery >= 0.97 of that without",
            ratio(Part::Recovery),
            " x",
            |v| v >= 0.97,
        ),
        target(
            "throughput with monitor >= 0.98 of that without",
            ratio(Part::Monitor),
            " x",
            |v| v >= 0.98,
        ),
        target("memory of monitor <= 10 MiB", memory_of_monitor, " MiB", |v| v <= 10.0),
        target("exec to listening <= 20 ms", listening, " ms", |v| v <= 20.0),
        target("19 of 20 servers callable within 2 s", callable, " ms", |v| v <= 2000.0),
    ]
}

/// From the second fifth of the calls to the last one, medians: the first fifth fills pools and
/// buffers, and allocators breathe by more than a leak would show in between.
fn growth(million: &[Growth]) -> Option<f64> {
    let fifth = million.len() / 5;
    let middle =
        |part: &[Growth]| median(part.iter().map(|growth| mib(growth.resident.kib)).collect());
    Some(middle(million.get(million.len() - fifth..)?)? - middle(million.get(fifth..2 * fifth)?)?)
}

#[expect(clippy::cast_precision_loss, reason = "memory sizes are far below 2^52")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn show(value: Option<f64>, digits: usize) -> String {
    value.filter(|value| value.is_finite()).map_or("-".into(), |value| format!("{value:.digits$}"))
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}
