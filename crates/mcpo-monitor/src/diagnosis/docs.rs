//! The page about the rules, made from them.

use std::fmt::Write as _;

use super::{RULES, Rule};
use crate::alerts::Severity;

/// `docs/diagnostics.md`, whole.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| id | about | severity | what |\n|---|---|---|---|\n");
    for rule in RULES {
        let Rule { id, title, .. } = rule;
        let (about, severity) = (about(rule), severity(rule.severity));
        writeln!(page, "| [`{id}`](#{id}) | {about} | {severity} | {title} |").expect(STRING);
    }
    RULES.iter().for_each(|rule| section(&mut page, rule));
    page.push_str(TAIL);
    page
}

const STRING: &str = "writing to a string cannot fail";

const HEAD: &str = "\
<!-- Made from the rules: MCPO_WRITE_DOCS=1 cargo nextest run -p mcpo-monitor diagnosis_docs -->
# Diagnostics

`GET /diagnostics` and `mcpo doctor` say what is wrong, why, and what you can do about it. The first
reasons over what a running mcpo knows; the second needs none: it connects to every configured server
once, ends each session again, and looks at the machine and the state directory.

```json
{\"status\": \"critical\", \"score\": 60,
 \"issues\": [{\"id\": \"upstream_unreachable\", \"severity\": \"critical\", \"server\": \"search\",
   \"what\": \"`search` cannot be reached at http://10.0.0.7:9000: tcp refused\", \"since\": 1790000000.0,
   \"evidence\": [\"connect: http://10.0.0.7:9000: tcp connect error: Connection refused (os error 111)\"],
   \"cause\": [\"tcp refused\"],
   \"fix\": [\"See that the server behind `search` runs, and that the port in its `url` is the one that it listens on.\"]}],
 \"recommendations\": [], \"metrics\": {}, \"connection_health\": {\"search\": false}, \"timestamp\": 1790000060.0}
```

- `status` is `healthy` without an issue, `warning` with warnings only, else `critical`.
- `cause` is the chain from the first link that holds to the one that is broken, such as `dns ok`,
  `tcp ok`, `tls failed`. A look follows it link by link: of a URL the name, the connection, TLS, the
  handshake and the list of tools; of a command its start, the handshake and the tools.
- A running mcpo looks only at servers over HTTP that cannot be called or whose calls fail. Of a
  command it knows how the last start went; a second process could fight the first over a port or
  a file. What an operator holds is not looked at.
- At most 16 servers are looked at at once, each for 10 s at most, all of them until the deadline of
  the answer. A server that hangs does not hold up the others.
- One cause is told once: the sections below say which other issues each one explains.
- Secrets of the configuration are masked in all of it. Commands are named, their arguments are not.
- `recommendations` come from the trends: what rises, or has jumped in the last six hours, and what
  happened at that time.

## Issues

";

const TAIL: &str = "
## Trends

The slope of a series is the median of the slopes between all pairs of its points (Theil 1950, Sen
1968), since its last jump. Its band of 95 % comes from the variance of Kendall's S, with ties (Sen
1968), and is wider where neighbours are alike (Yue and Wang 2004). A series rises or falls where the
band leaves 0 out and the change over the whole of it is 5 % of its level at least. A jump is found
by Pettitt's test (1979) with a chance of less than one in a thousand, by binary segmentation; it
changes the level by a fifth and by three times the noise, and fits better than a slope does. With a
week of history the medians by the hour of the day are taken out first, where they explain two fifths
of the ups and downs. When a threshold is crossed is told for four times the span that was seen.
";

fn section(page: &mut String, rule: &Rule) {
    let Rule { id, when, fix, explains, .. } = rule;
    write!(page, "\n### {id}\n\n{when}\n\n").expect(STRING);
    for text in *fix {
        writeln!(page, "- {}", text.replace("{server}", "NAME")).expect(STRING);
    }
    if !explains.is_empty() {
        let names: Vec<String> = explains.iter().map(|id| format!("`{id}`")).collect();
        write!(page, "\nExplains: {}.\n", names.join(", ")).expect(STRING);
    }
}

const fn about(rule: &Rule) -> &'static str {
    if rule.is_about_servers() { "a server" } else { "mcpo or the machine" }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}
