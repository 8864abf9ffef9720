//! What is taken in hand at once, how often, and what is kept, in words.

use std::num::NonZeroUsize;

use mcpo_config::{CacheBounds, Config, Load, Server};
use mcpo_core::load::{Rate, ServerLoad};

use crate::render;

/// What holds for the whole, and for one caller of it.
pub(super) fn in_hand(load: &Load) -> String {
    let whose = match &load.identity_header {
        Some(header) => format!("for each {header}"),
        None => "for all callers together".to_owned(),
    };
    let words = [
        Some(at_once(load.max_concurrent)),
        load.max_per_identity.map(|max| format!("{} {whose}", at_once(max))),
        load.rate.map(|rate| format!("{} {whose}", often(rate))),
        (!load.guard).then(|| "no guard of the processor".to_owned()),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What is kept of answers at most.
pub(super) fn cache(bounds: CacheBounds) -> String {
    let CacheBounds { enabled, entries_max, bytes_max } = bounds;
    if enabled {
        let (entries, bytes) = (entries_max.get(), render::bytes(bytes_max.get() as f64));
        format!("{} at most, {bytes}", render::counted(entries, "answer"))
    } else {
        "off, no answer is kept".to_owned()
    }
}

/// How many calls of a server there are at once, how often, and what is kept of their answers, where
/// that is not as usual.
pub(super) fn of_server(config: &Config, server: &Server) -> [Option<String>; 4] {
    let ServerLoad { max_concurrent, rate, max_per_identity, .. } = server.load;
    let kept = server.catalog.cache.as_ref().filter(|_| config.load.cache.enabled);
    [
        (max_concurrent != ServerLoad::MAX_CONCURRENT).then(|| at_once(max_concurrent)),
        max_per_identity.map(|max| format!("{} of a caller", at_once(max))),
        rate.map(often),
        kept.map(|kept| {
            let of = if kept.tools.is_empty() {
                String::new()
            } else {
                format!(" of {}", kept.tools.join(", "))
            };
            format!("answers{of} kept for {} s", kept.times.ttl.as_secs_f64())
        }),
    ]
}

fn at_once(max: NonZeroUsize) -> String {
    format!("{} at once", render::counted(max.get(), "call"))
}

fn often(rate: Rate) -> String {
    let calls = render::counted(rate.calls.get() as usize, "call");
    format!("{calls} in {} s", rate.per.as_secs_f64())
}
