//! Calls that are turned away, and what is kept of answers.

use mcpo_core::load::ShedReason;

use super::*;
use crate::diagnosis::CacheFacts;
use crate::picture::{CachePicture, CacheUse, ShedPicture};

fn shed(reason: ShedReason, count: u64) -> ShedPicture {
    let mut shed = ShedPicture::default();
    shed.five_minutes[reason as usize] = count;
    shed
}

#[test]
fn a_process_that_turns_calls_away() {
    let cases = [
        (ShedReason::ProcessFull, "process_full", "places: all taken", "MCPO_MAX_CONCURRENT"),
        (
            ShedReason::ProcessSlow,
            "process_slow",
            "processor time: too little",
            "MCPO_OVERLOAD_GUARD",
        ),
    ];
    for (reason, id, cause, setting) in cases {
        let mut facts = healthy();
        with_picture(&mut facts, |picture| picture.whole.shed = shed(reason, 9));
        none(&facts);
        with_picture(&mut facts, |picture| picture.whole.shed = shed(reason, 10));
        with(&mut facts, "search", |server| server.calls.in_flight = 4000);
        let issue = only(&facts, id, None, &[cause]);
        assert_eq!(issue.severity, Severity::Critical);
        assert_eq!(issue.evidence[0], "10 calls turned away so in the last five minutes");
        assert_eq!(issue.evidence[2], "`search` has 4000 calls of them");
        assert!(issue.fix.iter().any(|fix| fix.contains(setting)), "{:?}", issue.fix);
    }
}

#[test]
fn a_full_process_and_busy_processors_are_told_once() {
    let mut facts = healthy();
    with_picture(&mut facts, |picture| {
        picture.whole.in_flight = picture.whole.max_concurrent;
        picture.whole.shed = shed(ShedReason::ProcessFull, 100);
    });
    only(&facts, "process_full", None, &["places: all taken"]);
    let mut facts = healthy();
    with_picture(&mut facts, |picture| {
        picture.machine.as_mut().unwrap().cpu = 1.0;
        picture.whole.shed = shed(ShedReason::ProcessSlow, 100);
    });
    only(&facts, "process_slow", None, &["processor time: too little"]);
}

#[test]
fn a_server_whose_calls_are_turned_away() {
    let cases = [
        (ShedReason::ServerFull, "server_full", "queue: full", "maxConcurrent"),
        (ShedReason::TooLate, "calls_too_late", "queue: too slow", "maxConcurrent"),
        (
            ShedReason::IdentityFull,
            "identity_full",
            "places of a caller: all taken",
            "maxConcurrentPerIdentity",
        ),
        (ShedReason::RateLimited, "rate_limited", "rate: exceeded", "rateLimit"),
    ];
    for (reason, id, link, setting) in cases {
        let mut facts = healthy();
        with(&mut facts, "search", |server| server.shed = shed(reason, 9));
        none(&facts);
        with(&mut facts, "search", |server| {
            server.shed = shed(reason, 10);
            (server.calls.in_flight, server.queued) = (1024, 3);
        });
        let issue = only(&facts, id, Some("search"), &["calls are made", link]);
        assert_eq!(issue.evidence[1], "1024 of 1024 calls at once are in flight, 3 calls waiting");
        assert!(issue.fix.iter().any(|fix| fix.contains(setting)), "{:?}", issue.fix);
    }
}

/// What mcpo has no room for is no fault of the server that was called.
#[test]
fn a_server_is_not_blamed_for_the_process() {
    let mut facts = healthy();
    for reason in [ShedReason::ProcessFull, ShedReason::ProcessSlow] {
        with(&mut facts, "search", |server| server.shed = shed(reason, 1000));
        none(&facts);
    }
}

#[test]
fn a_learnt_limit_that_is_low_and_in_the_way() {
    let cause = ["calls are answered", "calls at once: too many for it"];
    let mut facts = healthy();
    with(&mut facts, "search", |server| server.limit = 12);
    none(&facts);
    with(&mut facts, "search", |server| server.queued = 1);
    let issue = only(&facts, "limit_learnt_low", Some("search"), &cause);
    assert_eq!(issue.evidence[0], "at most 12 calls at once, where 1024 may be");
    // It says why calls are turned away, and that there are such.
    with(&mut facts, "search", |server| {
        server.queued = 0;
        server.shed = shed(ShedReason::ServerFull, 60);
    });
    let issue = only(&facts, "limit_learnt_low", Some("search"), &cause);
    assert_eq!(issue.evidence[2], "60 calls of the last five minutes turned away (10 %)");
    with(&mut facts, "search", |server| server.limit = 513);
    only(&facts, "server_full", Some("search"), &["calls are made", "queue: full"]);
}

/// A server that hangs fills its queue: the hanging is told.
#[test]
fn a_silent_server_explains_that_its_queue_is_full() {
    let mut facts = healthy();
    failed_calls(&mut facts, "search", mcpo_core::fault::FaultKind::Timeout, 100);
    with(&mut facts, "search", |server| {
        (server.limit, server.queued) = (1, 1024);
        server.shed = shed(ShedReason::ServerFull, 500);
    });
    let issues = diagnose(&facts).issues;
    assert_eq!(issues.iter().map(|issue| issue.id).collect::<Vec<_>>(), ["silent_upstream"]);
}

#[test]
fn a_cache_that_is_of_no_use() {
    let mut facts = healthy();
    facts.cache = Some(CacheFacts { asked: 2000, hits: 40 });
    none(&facts);
    facts.cache = Some(CacheFacts { asked: 2000, hits: 39 });
    with(&mut facts, "search", |server| {
        let hour = CacheUse { asked: 1990, hits: 29 };
        server.cache = Some(CachePicture { hour, ..CachePicture::default() });
    });
    let issue = only(&facts, "low_cache_use", None, &["cache on", "hits: hardly any"]);
    let evidence = ["39 of 2000 calls in the last hour", "of `search`: 29 of 1990"];
    assert_eq!(issue.evidence, evidence);
}
