//! Callers that call all the time, each as soon as its last call was answered, and what they were
//! told.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use mcpo_testkit::{Journal, Reply, Request, What, World};
use serde_json::json;

use super::timed;

/// One call and its answer.
#[derive(Debug)]
pub(super) struct Called {
    /// `/SERVER/TOOL`.
    pub(super) path: &'static str,
    pub(super) key: String,
    pub(super) reply: Reply,
    pub(super) took: Duration,
}

/// Lets so many callers call each path until `meanwhile` is over; gives what that gave, and all
/// calls.
pub(super) async fn under_load<T>(
    world: &World,
    callers: &[(&'static str, usize)],
    meanwhile: impl Future<Output = T>,
) -> (T, Vec<Called>) {
    let is_over = Cell::new(false);
    let paths = callers.iter().flat_map(|&(path, count)| std::iter::repeat_n(path, count));
    let callers = paths.enumerate().map(|(number, path)| call_until(world, path, number, &is_over));
    let meanwhile = async {
        let given = meanwhile.await;
        is_over.set(true);
        given
    };
    let (called, given) = tokio::join!(join_all(callers), meanwhile);
    (given, called.into_iter().flatten().collect())
}

async fn call_until(
    world: &World,
    path: &'static str,
    caller: usize,
    is_over: &Cell<bool>,
) -> Vec<Called> {
    let mut called = Vec::new();
    while !is_over.get() {
        let key = format!("call-{caller}-{}", called.len());
        let request = Request::post(&world.url(path)).json(&json!({ "key": key }));
        let (reply, took) = timed(world.send(request)).await;
        called.push(Called { path, key, reply: reply.unwrap(), took });
    }
    called
}

/// How often each call was acted upon.
pub(super) fn runs_by_key(journal: &Journal) -> HashMap<String, usize> {
    let mut runs = HashMap::new();
    for entry in journal.matching(|entry| entry.what == What::Run) {
        *runs.entry(entry.key).or_default() += 1;
    }
    runs
}
