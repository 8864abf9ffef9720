//! Which keys a configuration file may hold: ours, those that other programs write into the same
//! file, and how a misspelt one is told from a foreign one.

use crate::field::Table;
use crate::report::Report;

/// Keys of the whole file.
pub(super) const TOP: Keys = Keys {
    ours: &["mcpServers", "monitor"],
    foreign: &[
        Foreign { key: "globalShortcut", owner: "Claude Desktop", instead: "" },
        Foreign { key: "preferences", owner: "Claude Desktop", instead: "" },
        Foreign {
            key: "inputs",
            owner: "VS Code",
            instead: "mcpo asks nothing at start; use `env`, `--env` or `--env-path`",
        },
    ],
};

/// Keys of one server.
pub(super) const SERVER: Keys = Keys {
    ours: &[
        "command",
        "args",
        "env",
        "cwd",
        "inheritEnv",
        "type",
        "url",
        "headers",
        "era",
        "timeout",
        "pool",
        "trustAnnotations",
        "disabled",
        "disabledTools",
        "disabled_tools",
        "tools",
        "maxConcurrent",
        "maxWaiting",
        "maxConcurrentPerIdentity",
        "adaptiveLimit",
        "rateLimit",
        "coalesce",
        "cache",
        "client_header_forwarding",
        "oauth",
    ],
    foreign: &[
        Foreign { key: "autoApprove", owner: "Cline", instead: "" },
        Foreign { key: "alwaysAllow", owner: "Roo Code", instead: "" },
        Foreign {
            key: "transportType",
            owner: "Cline",
            instead: "set `type` to `stdio`, `sse` or `streamable-http`",
        },
        Foreign {
            key: "transport",
            owner: "other programs",
            instead: "set `type` to `stdio`, `sse` or `streamable-http`",
        },
        Foreign { key: "networkTimeout", owner: "Cline", instead: "set `timeout`, in seconds" },
        Foreign { key: "watchPaths", owner: "Roo Code", instead: "" },
        Foreign {
            key: "enabled",
            owner: "other programs",
            instead: "to leave a server out, set `disabled` to `true`",
        },
        Foreign { key: "envFile", owner: "VS Code", instead: "start mcpo with `--env-path FILE`" },
        Foreign { key: "dev", owner: "VS Code", instead: "" },
        Foreign { key: "gallery", owner: "VS Code", instead: "" },
        Foreign { key: "auth", owner: "Cursor", instead: "set `headers`" },
        Foreign {
            key: "httpUrl",
            owner: "Gemini CLI",
            instead: "set `url`, and `type` to `streamable-http`",
        },
        Foreign {
            key: "serverUrl",
            owner: "Windsurf",
            instead: "set `url`, and `type` to `streamable-http`",
        },
        Foreign { key: "trust", owner: "Gemini CLI", instead: "" },
        Foreign {
            key: "includeTools",
            owner: "Gemini CLI",
            instead: "name the others in `disabledTools`",
        },
        Foreign { key: "excludeTools", owner: "Gemini CLI", instead: "set `disabledTools`" },
        Foreign { key: "description", owner: "other programs", instead: "" },
        Foreign { key: "name", owner: "other programs", instead: "" },
        Foreign { key: "title", owner: "other programs", instead: "" },
        Foreign { key: "icon", owner: "other programs", instead: "" },
        Foreign { key: "version", owner: "other programs", instead: "" },
    ],
};

/// Keys of `client_header_forwarding`.
pub(super) const FORWARDING: Keys =
    Keys { ours: &["enabled", "whitelist", "blacklist", "debug_headers"], foreign: &[] };

/// Keys of `pool`.
pub(super) const POOL: Keys = Keys { ours: &["min", "max"], foreign: &[] };

/// Keys of one of the `tools`.
pub(super) const TOOL: Keys = Keys {
    ours: &[
        "idempotent",
        "retry",
        "timeout",
        "readOnly",
        "maxConcurrent",
        "rateLimit",
        "coalesce",
        "cache",
    ],
    foreign: &[],
};

/// Keys of `cache` of a server.
pub(super) const CACHE: Keys = Keys {
    ours: &["ttl", "staleWhileRevalidate", "staleIfError", "refresh", "tools"],
    foreign: &[],
};

/// Keys of `cache` of a tool.
pub(super) const TOOL_CACHE: Keys =
    Keys { ours: &["ttl", "staleWhileRevalidate", "staleIfError", "refresh"], foreign: &[] };

/// Keys of `monitor`.
pub(super) const MONITOR: Keys = Keys { ours: &["slo", "alerts"], foreign: &[] };

/// Keys of `slo`.
pub(super) const SLO: Keys = Keys { ours: &["objective"], foreign: &[] };

/// Keys of `alerts`.
pub(super) const ALERTS: Keys = Keys { ours: &["rules", "webhooks"], foreign: &[] };

/// Keys of one of the `rules`.
pub(super) const ALERT_RULE: Keys =
    Keys { ours: &["enabled", "threshold", "for", "severity"], foreign: &[] };

/// Keys of one of the `webhooks`.
pub(super) const WEBHOOK: Keys =
    Keys { ours: &["url", "format", "headers", "min_severity"], foreign: &[] };

/// What one kind of object may hold.
pub(super) struct Keys {
    ours: &'static [&'static str],
    foreign: &'static [Foreign],
}

/// A key that another program reads.
struct Foreign {
    key: &'static str,
    owner: &'static str,
    /// What does the same with us; empty where nothing needs to.
    instead: &'static str,
}

/// Reports every key that is not ours: an error where it looks like a slip of one of ours, since
/// then something that was meant would not be done; else a warning, since Python's mcpo starts
/// with such a file, too. Keys that begin with `_`, `$`, `//` or `#` are comments. Gives the keys
/// of ours that others are slips of.
pub(super) fn report_unknown(
    table: &Table<'_>,
    keys: &Keys,
    report: &mut Report,
) -> Vec<&'static str> {
    let mut meant = Vec::new();
    for (name, field) in &table.fields {
        if keys.ours.contains(&name.as_str()) || is_comment(name) {
            continue;
        }
        let foreign = keys.foreign.iter().find(|foreign| foreign.key == name);
        report.push(match (foreign, closest(name, keys.ours)) {
            (Some(foreign), _) => {
                let owner = foreign.owner;
                let problem = field
                    .key_warning(format!("`{name}` is a setting of {owner} and does nothing here"));
                if foreign.instead.is_empty() { problem } else { problem.cure(foreign.instead) }
            }
            (None, Some(ours)) => {
                meant.push(ours);
                field
                    .key_error(format!("unknown key `{name}`"))
                    .cure(format!("did you mean `{ours}`?"))
            }
            (None, None) => {
                let ours = keys.ours.join("`, `");
                field
                    .key_warning(format!("unknown key `{name}` does nothing"))
                    .cure(format!("known keys are `{ours}`"))
            }
        });
    }
    meant
}

/// Whether a key is there for its reader only.
pub(super) fn is_comment(key: &str) -> bool {
    key.starts_with(['_', '$', '#']) || key.starts_with("//")
}

/// The candidate that `text` is a slip of, if there is one.
pub(super) fn closest<'c>(text: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let text = folded(text);
    let near = candidates.iter().map(|candidate| {
        let folded = folded(candidate);
        let slips_max = if folded.len().min(text.len()) <= 4 { 1 } else { 2 };
        (strsim::damerau_levenshtein(&text, &folded), slips_max, *candidate)
    });
    let near = near.filter(|(slips, slips_max, _)| slips <= slips_max);
    near.min_by_key(|(slips, _, _)| *slips).map(|(_, _, candidate)| candidate)
}

/// Without case and without what joins words.
fn folded(text: &str) -> String {
    text.chars()
        .filter(|char| !matches!(char, '-' | '_' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}
