//! The picture as JSON: what `/metrics` answers, and what the dashboard is sent each second.

mod live;
mod metrics;
mod moment;

pub use live::live;
pub use metrics::metrics;
pub use moment::rfc_3339;

use mcpo_core::fault::FaultKind;
use mcpo_core::life::HeldBy;

use crate::picture::{Picture, ServerPicture, Standing};

/// Who holds it, in answers.
const fn held_by(by: HeldBy) -> &'static str {
    match by {
        HeldBy::Operator => "operator",
        HeldBy::Fault => "fault",
    }
}

/// Why an upstream cannot be called, in fixed words; `None` of one that is ready.
fn reason(server: &ServerPicture) -> Option<&'static str> {
    match (server.state, server.held_by, server.fault) {
        ("ready", _, _) => None,
        ("dormant", _, _) => Some("it is connected when it is called"),
        ("stopped", _, _) => Some(FaultKind::Stopping.reason()),
        (_, Some(HeldBy::Operator), _) | (_, Some(HeldBy::Fault), None) => {
            Some(FaultKind::Held.reason())
        }
        (_, _, Some(kind)) => Some(kind.reason()),
        (_, None, None) => Some("it is still starting"),
    }
}

/// The whole in one word: `unhealthy` when no upstream can be called, `degraded` when one cannot,
/// or lacks something.
fn status(picture: &Picture) -> &'static str {
    let standings = || picture.servers.iter().map(|server| server.standing);
    if standings().all(|one| one == Standing::Down) {
        "unhealthy"
    } else if standings().any(|one| one != Standing::Ok) {
        "degraded"
    } else {
        "healthy"
    }
}

#[cfg(test)]
mod tests;
