//! What becomes of bodies: against the Python original's recorded answers, by example, and by
//! random play.

use serde_json::{Value, json};

use super::*;

mod cases;
mod glance;
mod play;
mod python;

/// What a check came to, as the original would answer: status, and what the tool received or
/// what the caller is told.
fn answer(schema: &Value, body: &[u8]) -> (u64, Value) {
    let (check, _) = ArgumentCheck::compile(schema);
    match check.check(body) {
        Ok(Checked::AsSent) => {
            (200, json!({"received": serde_json::from_slice::<Value>(body).unwrap()}))
        }
        Ok(Checked::Rewritten(bytes)) => {
            (200, json!({"received": serde_json::from_slice::<Value>(&bytes).unwrap()}))
        }
        Err(ArgumentError::NotUtf8) => {
            (400, json!({"detail": "There was an error parsing the body"}))
        }
        Err(ArgumentError::Invalid(problems)) => {
            (422, json!({"detail": problems.iter().map(Problem::to_json).collect::<Vec<_>>()}))
        }
    }
}
