//! The page on the score, made from the parts that it is made of.

use std::fmt::Write;

use super::{PARTS, Part, REASONS_MAX, Scope, WORST_SHARE};

/// `docs/health-score.md`.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(HEAD);
    page.push_str("\n## What an upstream loses\n\n");
    table(&mut page, Scope::Server);
    page.push_str("\nWhile it cannot be called, only `state` counts.\n");
    page.push_str("\n## What the whole loses\n\n");
    let _infallible = writeln!(
        page,
        "The mean of what its upstreams lose (each 100 at most), but at least {:.0} % of what the \
         worst of them loses,\nso that one of a thousand that is down is seen. The reasons stay \
         those of the upstreams, with their points\nin that proportion. On top of that:\n",
        WORST_SHARE * 100.0
    );
    table(&mut page, Scope::Whole);
    let _infallible = writeln!(
        page,
        "\nThe {REASONS_MAX} costliest reasons are told; where there are more, the last one, \
         `others`, stands for the rest."
    );
    page.push_str(TAIL);
    page
}

fn table(page: &mut String, scope: Scope) {
    page.push_str("| part | at most | what is lost |\n|---|---|---|\n");
    for Part { name, points_max, formula, .. } in PARTS.iter().filter(|part| part.scope == scope) {
        let _infallible = writeln!(page, "| `{name}` | {points_max} | {formula} |");
    }
}

const HEAD: &str = "\
# Health score

One number from 0 to 100 for each upstream, and one for the whole: 100 less the points of all
reasons, and 0 at least, rounded down. Every lost point has its reason in the answer, with the part
that it belongs to, the figures in words and the upstream, so that they add up:

```json
{\"score\": 74, \"reasons\": [
  {\"part\": \"errors\", \"points\": 18.0, \"why\": \"3 of 90 calls failed in the last five minutes\", \"server\": \"time\"},
  {\"part\": \"recovery\", \"points\": 8.0, \"why\": \"it had to be recovered 3 times in the last hour\", \"server\": \"time\"}]}
```

It is in `/metrics` (`system_health`), in `/diagnostics`, on the dashboard, and as
`mcpo_health_score` for Prometheus; `/metrics/history?metric=score` tells what it was.
";

const TAIL: &str = "
## What is usual

An upstream's latency is compared with its own past: the median of the medians of each of the last
24 hours in which it was called, each as heavy as it has samples. Trouble that lasts for less than
half of that time does not become usual. Until there are 60 samples (half an hour of calls at the
default interval), latency costs nothing. The history is kept, so that this is known right after a
restart.
";
