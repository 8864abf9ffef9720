//! Answers that are kept, and calls that share one, over sockets.

use std::time::Duration;

use mcpo_config::{Load, Server};
use mcpo_core::catalog::ToolPolicy;
use mcpo_core::load::{CacheRule, CacheTimes};
use mcpo_testkit::{HttpUpstream, Reply, Request, Step, What};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::scene::{PATIENCE, Scene, Setting, echo, json_of, server};

const HOUR: Duration = Duration::from_secs(3600);

const KEPT: CacheTimes = CacheTimes {
    ttl: HOUR,
    stale_while_revalidate: Duration::ZERO,
    stale_if_error: Duration::ZERO,
    refresh: false,
};

/// The answers of `echo` are kept.
fn keeping(url: &str) -> Server {
    let mut one = server("one", url);
    let echo = ToolPolicy {
        read_only: Some(true),
        cache: Some(CacheRule::Keep(KEPT)),
        ..ToolPolicy::default()
    };
    one.catalog.tools.insert("echo".to_owned(), echo);
    one
}

async fn scene() -> (HttpUpstream, Scene) {
    let upstream = HttpUpstream::start(echo()).await.unwrap();
    let load = Load { identity_header: Some("x-user".parse().unwrap()), ..Load::default() };
    let setting = Setting { load, ..Setting::default() };
    let scene = setting.start(vec![keeping(&upstream.url())]).await;
    scene.ready(1).await;
    (upstream, scene)
}

async fn call(scene: &Scene, headers: &[(&str, &str)]) -> Reply {
    let request = Request::post(&scene.url("/one/echo")).json(&json!({"a": 1}));
    let with = |request: Request, (name, value): &(&str, &str)| request.header(name, value);
    headers.iter().fold(request, with).send().await.unwrap()
}

/// The status, where the answer comes from, whether it says how old it is, and how often it was sent.
fn told(reply: &Reply) -> (u16, Option<&str>, bool, Option<&str>) {
    let age = reply.header("age").map(|age| age.parse::<u64>().unwrap());
    let attempts = reply.header("x-mcpo-attempts");
    (reply.status.as_u16(), reply.header("x-mcpo-cache"), age.is_some(), attempts)
}

const MISS: (u16, Option<&str>, bool, Option<&str>) = (200, Some("miss"), false, Some("1"));
const HIT: (u16, Option<&str>, bool, Option<&str>) = (200, Some("hit"), true, Some("0"));
const BYPASS: (u16, Option<&str>, bool, Option<&str>) = (200, Some("bypass"), false, Some("1"));

#[tokio::test]
async fn a_kept_answer_says_that_it_is_one() {
    let (upstream, scene) = scene().await;
    assert_eq!(told(&call(&scene, &[]).await), MISS);
    let hit = call(&scene, &[]).await;
    assert_eq!(told(&hit), HIT);
    assert_eq!((hit.json(), hit.header("x-mcpo-outcome")), (json!({"a": 1}), Some("reply")));
    assert_eq!(upstream.journal().count(What::Received), 1);
    // What another caller is given is another caller's.
    assert_eq!(told(&call(&scene, &[("x-user", "ann")]).await), MISS);
    assert_eq!(told(&call(&scene, &[("x-user", "ann")]).await), HIT);
    assert_eq!(told(&call(&scene, &[("x-user", "ben")]).await), MISS);
    // Tools whose answers are not kept say nothing of it.
    let mut plain = server("one", &upstream.url());
    plain.catalog.tools.clear();
    let plain = Setting::default().start(vec![plain]).await;
    plain.ready(1).await;
    assert_eq!(told(&call(&plain, &[]).await), (200, None, false, Some("1")));
}

#[tokio::test]
async fn a_caller_has_a_say_in_whether_a_kept_answer_will_do() {
    let (upstream, scene) = scene().await;
    let only = [("cache-control", "only-if-cached")];
    let none = call(&scene, &only).await;
    assert_eq!(none.status, 504, "{none}");
    assert_eq!(none.json()["detail"]["code"], "not_kept");
    assert_eq!(none.header("x-mcpo-attempts"), Some("0"));
    assert_eq!(upstream.journal().count(What::Received), 0);
    // What one caller does not want stored is not there for the next one.
    let unstored = call(&scene, &[("cache-control", "no-store")]).await;
    assert_eq!(unstored.status, 200);
    assert_eq!(told(&call(&scene, &[]).await), MISS);
    assert_eq!(told(&call(&scene, &only).await), HIT);
    for headers in [[("cache-control", "no-cache")], [("pragma", "no-cache")]] {
        assert_eq!(told(&call(&scene, &headers).await), BYPASS);
    }
    assert_eq!(told(&call(&scene, &[("cache-control", "max-age=3600")]).await), HIT);
    let new = call(&scene, &[("cache-control", "max-age=0")]).await;
    assert_eq!((new.status.as_u16(), new.header("x-mcpo-attempts")), (200, Some("1")));
    // A key makes a call that call alone.
    let keyed = [("idempotency-key", "k"), ("cache-control", "only-if-cached")];
    assert_eq!(call(&scene, &keyed).await.status, 504);
    let keyed = call(&scene, &keyed[..1]).await;
    assert_eq!(told(&keyed), (200, None, false, Some("1")));
}

#[tokio::test]
async fn operators_see_what_is_kept_and_have_it_forgotten() {
    let (_upstream, scene) = scene().await;
    let cache = async |method: &str, query: &str| -> Value {
        json_of(&scene.ask(method, &format!("/admin/cache{query}"), &[]).await)
    };
    assert_eq!(told(&call(&scene, &[]).await), MISS);
    assert_eq!(told(&call(&scene, &[]).await), HIT);
    let reading = cache("GET", "").await;
    assert_eq!((&reading["enabled"], &reading["entries"]), (&json!(true), &json!(1)), "{reading}");
    let one = &reading["servers"]["one"];
    assert_eq!((&one["hits"], &one["misses"], &one["entries"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!((&one["hit_rate"], &reading["hit_rate"]), (&json!(0.5), &json!(0.5)));
    // Both faces of it are the same.
    let shown = json_of(&scene.ask("GET", "/metrics", &[]).await);
    let names = |shown: &Value| shown.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&reading), names(&shown["cache"]));
    for query in ["", "?server=one", "?server=one&tool=echo"] {
        for method in ["DELETE", "POST"] {
            assert_eq!(cache(method, query).await, json!({"purged": 1}), "{method} {query}");
            assert_eq!(cache(method, query).await, json!({"purged": 0}), "{method} {query}");
            assert_eq!(told(&call(&scene, &[]).await), MISS, "{method} {query}");
        }
    }
    assert_eq!(cache("GET", "").await["servers"]["one"]["purged"], 6);
}

#[tokio::test]
async fn equal_calls_at_once_are_sent_once_and_say_so() {
    const CALLS: usize = 20;
    let script =
        echo().on_call("slow", vec![vec![Step::Gate("slow".into()), Step::Text("done".into())]]);
    let upstream = HttpUpstream::start(script).await.unwrap();
    let mut one = server("one", &upstream.url());
    let slow = ToolPolicy { read_only: Some(true), ..ToolPolicy::default() };
    one.catalog.tools.insert("slow".to_owned(), slow);
    one.catalog.coalesce = true;
    let scene = Setting::default().start(vec![one]).await;
    scene.ready(1).await;
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let request = Request::post(&scene.url("/one/slow")).json(&json!({}));
        calls.spawn(async move { request.send().await.unwrap() });
    }
    upstream.control().wait_at("slow", 1).await.unwrap();
    let in_hand = async {
        while scene.directory.meters().read().iter().all(|one| one.in_flight < CALLS) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, in_hand).await.unwrap();
    upstream.control().open("slow").unwrap();
    let replies = timeout(PATIENCE, calls.join_all()).await.unwrap();
    let mut attempts: Vec<_> =
        replies.iter().map(|reply| reply.header("x-mcpo-attempts")).collect();
    attempts.sort_unstable();
    assert!(replies.iter().all(|reply| reply.status == 200 && reply.json() == "done"));
    assert_eq!(attempts.iter().filter(|attempts| **attempts == Some("1")).count(), 1);
    assert_eq!(attempts.iter().filter(|attempts| **attempts == Some("0")).count(), CALLS - 1);
    assert_eq!(upstream.journal().runs("slow"), 1);
}
