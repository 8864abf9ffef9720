//! Calls that are turned away, and rates, over sockets.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http_body::{Body, Frame};
use mcpo_config::Load;
use mcpo_core::catalog::ToolPolicy;
use mcpo_core::load::{Rate, ShedReason};
use mcpo_policy::pipeline::PipelineOptions;
use mcpo_testkit::{HttpUpstream, Reply, Request, Script, Step, What};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::scene::{KEY, PATIENCE, Scene, Setting, echo, one, server};

const HOUR: Duration = Duration::from_secs(3600);

/// What only says how mcpo is, or is for operators.
const NOT_SHED: [&str; 8] = [
    "/livez",
    "/readyz",
    "/health",
    "/metrics",
    "/alerts",
    "/admin/servers",
    "/admin/cache",
    "/one/openapi.json",
];

fn rate(calls: u32, per: Duration) -> Rate {
    let calls = NonZeroU32::new(calls).unwrap();
    Rate { calls, per, burst: calls }
}

/// One caller may call so often.
async fn limited(calls: u32) -> (HttpUpstream, Scene) {
    let upstream = HttpUpstream::start(echo()).await.unwrap();
    let scene = Setting {
        pipeline: PipelineOptions { rate: Some(rate(calls, HOUR)), ..PipelineOptions::default() },
        load: Load { identity_header: Some("x-user".parse().unwrap()), ..Load::default() },
        ..Setting::default()
    };
    let scene = scene.start(vec![server("one", &upstream.url())]).await;
    scene.ready(1).await;
    (upstream, scene)
}

async fn call_as(scene: &Scene, user: &str) -> Reply {
    let request = Request::post(&scene.url("/one/echo")).header("x-user", user);
    request.json(&json!({"a": 1})).send().await.unwrap()
}

fn told(reply: &Reply) -> [Option<&str>; 5] {
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit-policy", "ratelimit"]
        .map(|name| reply.header(name))
}

/// Looks are answered whatever becomes of calls, and no rate holds for them.
async fn not_shed(scene: &Scene) {
    for path in NOT_SHED {
        let reply = scene.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {reply}");
        assert_eq!(told(&reply), [None; 5], "{path}");
    }
}

#[tokio::test]
async fn a_caller_is_told_what_it_has_left_until_it_has_nothing_left() {
    let (upstream, scene) = limited(2).await;
    let first = call_as(&scene, "ann").await;
    assert_eq!(first.status, 200, "{first}");
    assert_eq!(told(&first), [Some("2"), Some("1"), Some("1800"), None, None]);
    assert_eq!(first.header("retry-after"), None);
    let second = call_as(&scene, "ann").await;
    assert_eq!((second.status.as_u16(), second.header("ratelimit-remaining")), (200, Some("0")));
    let third = call_as(&scene, "ann").await;
    assert_eq!(third.status, 429, "{third}");
    let detail = &third.json()["detail"];
    assert_eq!(detail["code"], "rate_limited");
    assert_eq!(detail["reason"], "rate_limited");
    assert_eq!(detail["outcome"], "not_sent");
    assert_eq!(
        detail["message"],
        "The caller calls more often than is allowed; the call was not carried out"
    );
    assert_eq!(third.header("x-mcpo-outcome"), Some("not_sent"));
    assert_eq!(third.header("x-mcpo-attempts"), Some("0"));
    // When it may come again is not before what the other headers say.
    let wait: u64 = third.header("retry-after").unwrap().parse().unwrap();
    assert!((1790..=1800).contains(&wait), "{wait}");
    assert_eq!(third.header("ratelimit-remaining"), Some("0"));
    assert_eq!(third.header("ratelimit-reset"), third.header("retry-after"));
    let left = format!(r#""identity";r=0;t={wait}"#);
    assert_eq!(told(&third)[3..], [Some(r#""identity";q=2;w=3600"#), Some(&*left)]);
    assert_eq!(upstream.journal().count(What::Received), 2);
    assert_eq!(call_as(&scene, "ben").await.status, 200, "another caller has its own");
    not_shed(&scene).await;
}

#[tokio::test]
async fn what_a_call_comes_to_changes_nothing_about_the_headers_of_its_rate() {
    let (_upstream, scene) = limited(9).await;
    let wrong = Request::post(&scene.url("/one/echo")).json(&json!({"a": "x"}));
    let wrong = wrong.send().await.unwrap();
    assert_eq!((wrong.status.as_u16(), wrong.header("ratelimit-remaining")), (422, Some("8")));
    let nobody = Request::post(&scene.url("/one/echo")).header("x-user", &"u".repeat(257));
    let nobody = nobody.json(&json!({})).send().await.unwrap();
    assert_eq!(
        (nobody.status.as_u16(), &nobody.json()["detail"]["code"]),
        (400, &json!("bad_identity"))
    );
    assert_eq!(told(&nobody), [None; 5], "nobody knows whose rate it would be");
}

#[tokio::test]
async fn servers_and_tools_have_rates_of_their_own() {
    let upstream = HttpUpstream::start(echo().on_call("rare", vec![])).await.unwrap();
    let mut one = server("one", &upstream.url());
    one.load.rate = Some(rate(3, HOUR));
    let rare = ToolPolicy { rate: Some(rate(1, HOUR)), ..ToolPolicy::default() };
    one.catalog.tools.insert("rare".to_owned(), rare);
    let scene = Setting::default().start(vec![one, server("two", &upstream.url())]).await;
    scene.ready(2).await;
    let call = async |path: &str| scene.post(path, &json!({})).await;
    let first = call("/one/rare").await;
    assert_eq!(told(&first), [Some("1"), Some("0"), Some("3600"), None, None]);
    let second = call("/one/rare").await;
    assert_eq!(told(&second)[3], Some(r#""tool";q=1;w=3600"#));
    assert_eq!(second.status, 429, "{second}");
    let message = "The tool 'rare' of the server 'one' is called more often than is allowed";
    assert!(second.json()["detail"]["message"].as_str().unwrap().starts_with(message), "{second}");
    assert_eq!(call("/one/echo").await.header("ratelimit-remaining"), Some("1"));
    assert_eq!(call("/one/echo").await.header("ratelimit-remaining"), Some("0"));
    let last = call("/one/echo").await;
    assert_eq!((last.status.as_u16(), last.header("ratelimit-limit")), (429, Some("3")));
    let message = "The server 'one' is called more often than is allowed";
    assert!(last.json()["detail"]["message"].as_str().unwrap().starts_with(message), "{last}");
    let other = call("/two/echo").await;
    assert_eq!((other.status.as_u16(), told(&other)), (200, [None; 5]));
}

#[tokio::test]
async fn a_body_that_never_comes_does_not_keep_a_refusal_back() {
    let (upstream, scene) = limited(1).await;
    assert_eq!(call_as(&scene, "ann").await.status, 200);
    for expects in ["", "expect: 100-continue\r\n"] {
        let mut socket = TcpStream::connect(scene.address).await.unwrap();
        let head = format!(
            "POST /one/echo HTTP/1.1\r\nhost: a\r\nx-user: ann\r\n{expects}\
             content-type: application/json\r\ncontent-length: 1000\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // The connection ends, since nobody can say where the next request would begin.
        timeout(PATIENCE, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
        assert!(answer.contains("ratelimit-remaining: 0"), "{answer}");
    }
    assert_eq!(upstream.journal().count(What::Received), 1);
}

/// A body that nobody may look at.
struct Unread;

impl Body for Unread {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body of a refused call is not read")
    }
}

/// Nothing is waited for, so that it takes as long as it takes to write the answer.
#[tokio::test]
async fn a_call_that_is_turned_away_is_answered_without_a_wait_or_a_look_at_its_body() {
    let (_upstream, scene) = limited(1).await;
    assert_eq!(call_as(&scene, "ann").await.status, 200);
    assert_eq!(unread(&scene), 429);
}

/// The status of an answer that is there at once, for a call by Ann with a body that nobody reads.
fn unread(scene: &Scene) -> u16 {
    let request = http::Request::post("/one/echo").header("host", "a").header("x-user", "ann");
    let request = request.body(Unread).unwrap();
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let answer = scene.surface.handle(request, here).now_or_never().expect("it is ready at once");
    answer.status().as_u16()
}

#[tokio::test]
async fn where_as_many_calls_are_in_hand_as_may_one_more_is_told_so_and_looks_are_not() {
    let upstream =
        HttpUpstream::start(echo().on_call("hang", vec![vec![Step::Hang]])).await.unwrap();
    let full = PipelineOptions { calls_in_flight_max: 1, ..PipelineOptions::default() };
    let setting = Setting { pipeline: full, ..Setting::default() };
    let scene = setting.start(vec![server("one", &upstream.url())]).await;
    scene.ready(1).await;
    let mut calls = JoinSet::new();
    let hang = Request::post(&scene.url("/one/hang")).json(&json!({}));
    calls.spawn(async move { hang.send().await });
    upstream.journal().wait_for_what(What::Received, 1).await.unwrap();
    let reply = scene.post("/one/echo", &json!({})).await;
    assert_eq!(reply.status, 503, "{reply}");
    let detail = &reply.json()["detail"];
    assert_eq!(
        (&detail["code"], &detail["reason"]),
        (&json!("overloaded"), &json!("process_full"))
    );
    assert_eq!(detail["outcome"], "not_sent");
    assert!(reply.header("retry-after").is_some(), "{reply}");
    assert_eq!(reply.header("x-mcpo-outcome"), Some("not_sent"));
    assert_eq!(reply.header("x-mcpo-attempts"), Some("0"));
    assert_eq!(unread(&scene), 503);
    not_shed(&scene).await;
    let hold = scene.post("/admin/servers/one/hold", &json!({})).await;
    assert_eq!(hold.status, 200, "orders are given under load above all: {hold}");
}

/// What a caller has too much of is no failure of the upstream's; that it was turned away is counted.
#[tokio::test]
async fn calls_beyond_the_bound_of_their_own_caller_do_not_count_against_the_server() {
    let upstream =
        HttpUpstream::start(echo().on_call("hang", vec![vec![Step::Hang]])).await.unwrap();
    let of_one = NonZeroUsize::new(1);
    let in_all = PipelineOptions { calls_per_identity_max: of_one, ..PipelineOptions::default() };
    let mut narrow = server("one", &upstream.url());
    narrow.load.max_per_identity = of_one;
    for (pipeline, one) in
        [(in_all, server("one", &upstream.url())), (PipelineOptions::default(), narrow)]
    {
        let load = Load { identity_header: Some("x-user".parse().unwrap()), ..Load::default() };
        let scene = Setting { pipeline, load, ..Setting::default() }.start(vec![one]).await;
        scene.ready(1).await;
        let came = upstream.journal().count(What::Received);
        let mut calls = JoinSet::new();
        let hang = Request::post(&scene.url("/one/hang")).header("x-user", "ann").json(&json!({}));
        calls.spawn(async move { hang.send().await });
        upstream.journal().wait_for_what(What::Received, came + 1).await.unwrap();
        for _ in 0..3 {
            let reply = call_as(&scene, "ann").await;
            assert_eq!(reply.status, 503, "{reply}");
            assert_eq!(reply.json()["detail"]["reason"], "identity_full");
        }
        assert_eq!(call_as(&scene, "ben").await.status, 200);
        let [read] = &scene.directory.meters().read()[..] else { panic!("there is one") };
        let ended: Vec<_> = read.tools.iter().map(|tool| (&*tool.tool, tool.ended)).collect();
        assert_eq!(ended, [("echo", [1, 0, 0, 0, 0, 0]), ("hang", [0; 6])]);
        assert_eq!(read.shed[ShedReason::IdentityFull as usize], 3);
    }
}

#[tokio::test]
async fn scripts_of_other_origins_may_read_what_they_are_told_about_load() {
    let (_upstream, scene) = one(echo()).await;
    let request = Request::post(&scene.url("/one/echo")).header("origin", "https://a.example");
    let reply = request.json(&json!({})).send().await.unwrap();
    let exposed = reply.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
    for name in [
        "retry-after",
        "age",
        "x-mcpo-cache",
        "ratelimit",
        "ratelimit-policy",
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
    ] {
        assert!(exposed.split(", ").any(|exposed| exposed == name), "{name}: {exposed}");
    }
}

#[tokio::test]
async fn only_a_kept_answer_is_wanted_where_none_is_ever_kept() {
    let (upstream, scene) = one(echo()).await;
    let request = Request::post(&scene.url("/one/echo")).header("cache-control", "only-if-cached");
    let reply = request.json(&json!({})).send().await.unwrap();
    assert_eq!(reply.status, 504, "{reply}");
    assert_eq!(reply.json()["detail"]["code"], "not_kept");
    assert_eq!(reply.json()["detail"]["outcome"], "not_sent");
    assert_eq!(upstream.journal().count(What::Received), 0);
}

#[tokio::test]
async fn the_cache_is_looked_at_and_emptied_by_operators_alone() {
    let upstream = HttpUpstream::start(Script::new("scripted").on_call("echo", vec![])).await;
    let upstream = upstream.unwrap();
    let servers = vec![server("one", &upstream.url()), server("two words", &upstream.url())];
    let scene = Setting { key: true, ..Setting::default() }.start(servers).await;
    scene.ready(2).await;
    let bearer = format!("Bearer {KEY}");
    let key = ("authorization", bearer.as_str());
    let foreign = ("origin", "https://a.example");
    let asked = async |method: &str, query: &str, headers: &[(&str, &str)]| {
        let asked = scene.ask(method, &format!("/admin/cache{query}"), headers).await;
        let body: serde_json::Value = serde_json::from_slice(asked.body()).unwrap_or_default();
        (asked.status().as_u16(), body)
    };
    let (status, reading) = asked("GET", "", &[key]).await;
    assert_eq!(status, 200);
    for name in ["enabled", "entries", "bytes", "max_entries", "max_bytes", "servers"] {
        assert!(reading.get(name).is_some(), "{name}: {reading}");
    }
    for method in ["DELETE", "POST"] {
        for (query, status, code) in [
            ("", 200, None),
            ("?server=one", 200, None),
            ("?server=two%20words&tool=echo", 200, None),
            ("?server=three", 404, Some("no_such_server")),
            ("?server=one&tool=ecko", 404, Some("no_such_tool")),
            ("?tool=echo", 400, Some("bad_query")),
            ("?servers=one", 400, Some("bad_query")),
        ] {
            let (got, body) = asked(method, query, &[key]).await;
            assert_eq!(got, status, "{method} {query}: {body}");
            match code {
                None => assert_eq!(body, json!({"purged": 0})),
                Some(code) => assert_eq!(body["detail"]["code"], code),
            }
        }
        assert_eq!(asked(method, "", &[]).await.0, 401);
        assert_eq!(asked(method, "", &[("authorization", "Bearer wrong")]).await.0, 403);
        assert_eq!(asked(method, "", &[key, foreign]).await.0, 403);
    }
    assert_eq!(asked("GET", "", &[]).await.0, 401);
    assert_eq!(asked("GET", "?server=one", &[key]).await.0, 400);
    assert_eq!(asked("PUT", "", &[key]).await.0, 405);
}
#[tokio::test]
async fn a_server_without_room_says_that_it_is_the_server() {
    let upstream =
        HttpUpstream::start(echo().on_call("hang", vec![vec![Step::Hang]])).await.unwrap();
    let mut narrow = server("one", &upstream.url());
    narrow.load.max_concurrent = NonZeroUsize::MIN;
    narrow.load.max_waiting = 0;
    let two = server("two", &upstream.url());
    let scene = Setting::default().start(vec![narrow, two]).await;
    scene.ready(2).await;
    let mut calls = JoinSet::new();
    let hang = Request::post(&scene.url("/one/hang")).json(&json!({}));
    calls.spawn(async move { hang.send().await });
    upstream.journal().wait_for_what(What::Received, 1).await.unwrap();
    let reply = scene.post("/one/echo", &json!({})).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["detail"]["reason"]),
        (503, &json!("server_full"))
    );
    assert!(reply.json()["detail"]["message"].as_str().unwrap().contains("'one'"), "{reply}");
    assert_eq!(scene.post("/two/echo", &json!({})).await.status, 200, "its neighbour has room");
}
