//! The results for people, in Markdown.

use std::fmt::Write;

use mcpo_testkit::faults::{Fault, Finding, Kind, Way, matrix};

use crate::outage::{Kills, Outage};
use crate::summary::{Sum, show_ms};
use crate::{Failure, Results};

/// From when an upstream is able to answer until a call succeeds.
const RECOVERY_MS_MAX: f64 = 50.0;
const CONTESTANTS: [Kind; 2] = [Kind::Mcpo, Kind::Python];

/// One trial for whoever watches the run.
pub(crate) fn line(finding: &Finding) -> String {
    let Finding { contestant, fault, way, read, write, .. } = finding;
    let recovery = finding.recovery_ms.map_or("never".into(), show_ms);
    format!(
        "{contestant:>6} {fault} over {way}: {} lost, {} duplicated, errors {}/{} idempotent, {}/{} other \
         ({} unknown), recovery {recovery}, statuses {:?}{}{}",
        finding.lost(),
        finding.duplicated,
        read.errors,
        read.calls,
        write.errors,
        write.calls,
        write.unknown,
        finding.statuses,
        if finding.told_wrongly > 0 { ", TOLD WRONGLY" } else { "" },
        if finding.was_healthy() { "" } else { ", NOT HEALTHY BEFORE THE FAULT" },
    )
}

/// The faults, their ways and what they are.
pub(crate) fn list(faults: &[Fault]) -> String {
    let mut text = String::new();
    for fault in faults {
        let ways: Vec<&str> = fault.ways.iter().map(|way| way.name()).collect();
        write_line(&mut text, &format!("{:<17} {} [{}]", fault.name, fault.about, ways.join(" ")));
    }
    text
}

pub(crate) fn markdown(results: &Results) -> String {
    let mut text = String::new();
    if !results.findings.is_empty() || !results.failures.is_empty() {
        every_trial(&mut text, results);
        every_fault(&mut text, results);
        summary(&mut text, results);
        short_of(&mut text, results);
    }
    for finding in results.findings.iter().filter(|finding| !finding.was_healthy()) {
        let Finding { fault, way, contestant, healthy_late, healthy_calls, .. } = finding;
        write_line(
            &mut text,
            &format!(
                "- worth nothing: {fault} over {way}, {contestant}: before the fault {healthy_late} of {healthy_calls} calls \
                 were not answered in time; give it less load or a quieter machine"
            ),
        );
    }
    for Failure { fault, way, contestant, why } in &results.failures {
        write_line(&mut text, &format!("- not tried: {fault} over {way}, {contestant}: {why}"));
    }
    if let Some(kills) = &results.kills {
        kills_table(&mut text, kills);
    }
    outage_table(&mut text, &results.outages);
    text
}

fn find<'a>(results: &'a Results, fault: &str, way: Way, who: Kind) -> Option<&'a Finding> {
    results.findings.iter().find(|finding| {
        (finding.fault, finding.way, finding.contestant) == (fault, way.name(), who.name())
    })
}

/// A row for each fault and way, both contestants side by side.
fn every_trial(text: &mut String, results: &Results) {
    write_line(text, "## Every trial: mcpo / python\n");
    write_line(
        text,
        "| fault | way | lost | duplicated | errors, idempotent | errors, other (of them `unknown`) | \
         recovery | own start | neighbour p99 before -> during, ms |\n|---|---|---|---|---|---|---|---|---|",
    );
    for fault in matrix() {
        for &way in fault.ways {
            let found = CONTESTANTS.map(|who| find(results, fault.name, way, who));
            if found.iter().all(Option::is_none) {
                continue;
            }
            let both = |cell: fn(&Finding) -> String| {
                found.map(|finding| finding.map_or("-".to_owned(), cell)).join(" / ")
            };
            let cells = [
                both(|finding| finding.lost().to_string()),
                both(|finding| finding.duplicated.to_string()),
                both(|finding| format!("{} of {}", finding.read.errors, finding.read.calls)),
                both(|finding| {
                    let count = finding.write;
                    format!("{} of {} ({})", count.errors, count.calls, count.unknown)
                }),
                both(|finding| finding.recovery_ms.map_or("never".into(), show_ms)),
                both(|finding| finding.own_start_ms.map_or("-".into(), show_ms)),
                both(neighbour),
            ];
            write_line(
                text,
                &format!("| {} | {} | {} |", fault.name, way.name(), cells.join(" | ")),
            );
        }
    }
}

fn neighbour(finding: &Finding) -> String {
    let ms = |us: Option<f64>| us.map_or("-".to_owned(), |us| format!("{:.1}", us / 1000.0));
    let (before, during) = (finding.neighbour_p99_before_us, finding.neighbour_p99_during_us);
    format!("{} -> {}", ms(before), ms(during))
}

/// A row for each fault, all its ways together.
fn every_fault(text: &mut String, results: &Results) {
    write_line(text, "\n## Every fault, all ways together: mcpo / python\n");
    write_line(
        text,
        "| fault | what happens | lost | run twice | visible errors, idempotent | visible errors, other | \
         calls succeed again after |\n|---|---|---|---|---|---|---|",
    );
    for fault in matrix() {
        let sums =
            CONTESTANTS.map(|who| {
                Sum::of(results.findings.iter().filter(|finding| {
                    finding.fault == fault.name && finding.contestant == who.name()
                }))
            });
        if sums.iter().all(|sum| sum.trials == 0) {
            continue;
        }
        let both = |cell: fn(&Sum) -> String| {
            let cell = |sum: &Sum| if sum.trials == 0 { "-".to_owned() } else { cell(sum) };
            sums.each_ref().map(cell).join(" / ")
        };
        let cells = [
            both(|sum| sum.lost.to_string()),
            both(|sum| sum.duplicated.to_string()),
            both(|sum| sum.read_errors.to_string()),
            both(|sum| sum.write_errors.to_string()),
            both(Sum::recovery),
        ];
        write_line(text, &format!("| {} | {} | {} |", fault.name, fault.about, cells.join(" | ")));
    }
}

fn summary(text: &mut String, results: &Results) {
    write_line(text, "\n## All together\n");
    for who in CONTESTANTS {
        let of = || results.findings.iter().filter(|finding| finding.contestant == who.name());
        let all = Sum::of(of());
        if all.trials == 0 {
            continue;
        }
        let back = Sum::of(of().filter(|finding| finding.back));
        let p99 = all.neighbour_p99_ms().map_or("-".to_owned(), |(before, during)| {
            format!("{before:.1} ms before, {during:.1} ms during")
        });
        write_line(
            text,
            &format!(
                "- **{}**: {} trials, {} calls: {} lost, {} run twice, {} told wrongly that they did not run; \
                 where the upstream was back within the deadline: {} visible errors of idempotent calls, {} of \
                 others ({} told `unknown`), slowest recovery {}; never recovered: {}; errors at the neighbour: {}, \
                 its p99: {p99}",
                who.name(),
                all.trials,
                all.calls,
                all.lost,
                all.duplicated,
                all.told_wrongly,
                back.read_errors,
                back.write_errors,
                back.write_unknown,
                back.recovery(),
                all.never,
                all.neighbour_errors,
            ),
        );
    }
}

/// What a reader looks for first in ours: where it falls short of what it should do.
fn short_of(text: &mut String, results: &Results) {
    let ours = || results.findings.iter().filter(|finding| finding.contestant == "mcpo");
    let name = |finding: &Finding| format!("{} over {}", finding.fault, finding.way);
    let seen = ours().filter(|finding| finding.back && finding.read.errors > 0);
    let seen: Vec<String> =
        seen.map(|finding| format!("{} ({})", name(finding), finding.read.errors)).collect();
    let slow = ours().filter(|finding| finding.recovery_ms.is_none_or(|ms| ms > RECOVERY_MS_MAX));
    let slow: Vec<String> = slow
        .map(|finding| {
            format!("{} ({})", name(finding), finding.recovery_ms.map_or("never".into(), show_ms))
        })
        .collect();
    for (what, which) in [
        ("idempotent calls failed visibly although the upstream was back", seen),
        ("calls succeeded more than 50 ms after the upstream was able", slow),
    ] {
        let which = if which.is_empty() { "nowhere".to_owned() } else { which.join(", ") };
        write_line(text, &format!("- mcpo, {what}: {which}"));
    }
}

fn kills_table(text: &mut String, kills: &Kills) {
    write_line(
        text,
        &format!(
            "\n## Killed every 10 s under load\n\n{} kills in {:.0} s: {} of {} idempotent calls failed visibly, {} of {} \
             others ({} told `unknown`), {} lost, {} run twice.",
            kills.kills,
            kills.seconds,
            kills.read.errors,
            kills.read.calls,
            kills.write.errors,
            kills.write.calls,
            kills.write.unknown,
            kills.read.lost + kills.write.lost,
            kills.duplicated,
        ),
    );
}

fn outage_table(text: &mut String, outages: &[Outage]) {
    if outages.is_empty() {
        return;
    }
    write_line(text, "\n## Total outage at 80 % of the upstream's capacity\n");
    write_line(
        text,
        "| how | s | calls in it | carried to the upstream | amplification | answered in the outage p50 / p99 ms | \
         back to baseline after s | lost | run twice |\n|---|---|---|---|---|---|---|---|---|",
    );
    for outage in outages {
        let ms = |ms: Option<f64>| ms.map_or("-".into(), |ms| format!("{ms:.2}"));
        write_line(
            text,
            &format!(
                "| {} | {:.0} | {} | {} | {:.2} | {} / {} | {} | {} | {} |",
                outage.how,
                outage.seconds,
                outage.calls,
                outage.carried,
                outage.amplification,
                ms(outage.fail_fast_p50_ms),
                ms(outage.fail_fast_p99_ms),
                ms(outage.baseline_after_s),
                outage.lost,
                outage.duplicated,
            ),
        );
    }
}

fn write_line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}
