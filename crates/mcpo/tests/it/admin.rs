//! What operators see and order: each order has its effect, only operators come in, and
//! `mcpo admin` does all that from the command line.

use std::time::Duration;

use mcpo_testkit::{
    HttpStep, HttpUpstream, Reply, Request, Script, Step, What, World, WorldBuilder,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::program::{Ended, ready, run, run_with, world};

/// How long something may take that must happen; generous, since CI machines stall.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// An upstream with a tool that works at once and one that waits at a gate.
fn gated() -> Script {
    Script::echo().on_call("slow", vec![vec![Step::Gate("slow".into()), Step::Text("done".into())]])
}

async fn one() -> World {
    ready(world().stdio("one", gated()).unwrap()).await
}

async fn order(world: &World, order: &str) -> Value {
    let reply = world.post(&format!("/admin/servers/one/{order}"), &json!({})).await.unwrap();
    assert_eq!(reply.status, 200, "{order}: {reply}");
    reply.json()
}

async fn server(world: &World) -> Value {
    world.get("/admin/servers/one").await.unwrap().json()
}

/// Waits until the server stands as wanted.
async fn until(world: &World, wanted: impl Fn(&Value) -> bool) -> Value {
    let wanted = |reply: &Reply| wanted(&reply.json());
    world.wait_reply("/admin/servers/one", wanted).await.unwrap().json()
}

async fn call(world: &World) -> Reply {
    world.post("/one/echo", &json!({"key": "k"})).await.unwrap()
}

async fn works(world: &World) {
    let reply = call(world).await;
    assert_eq!(reply.status, 200, "{reply}\n{}", world.stderr());
}

fn numbers(server: &Value) -> Vec<u64> {
    let sessions = server["sessions"].as_array().unwrap();
    sessions.iter().map(|session| session["number"].as_u64().unwrap()).collect()
}

fn starts(world: &World) -> usize {
    world.journal("one").count(What::Start)
}

#[tokio::test]
async fn a_server_is_shown_in_full() {
    let world = one().await;
    works(&world).await;
    let all = world.get("/admin/servers").await.unwrap().json();
    let mut shown = all["servers"][0].clone();
    assert_eq!(shown, server(&world).await);
    shown.as_object_mut().unwrap().remove("since_seconds");
    let expected = json!({
        "name": "one", "status": "ok", "state": "ready", "fault": null,
        "sessions": [{"number": 1, "in_flight": 0, "doubted": false}],
        "withheld": [],
        "pool": {"min": 1, "max": 1, "starting": 0, "draining": 0},
        "breaker": {"state": "closed"}, "retry_tokens": 500, "tools": 2, "missing_tools": [],
        "reconnects": 0,
        "counters": {
            "errors": {}, "replays": 0, "told_unknown": 0,
            "recoveries": {"tried": 0, "succeeded": 0, "success_rate": null, "seconds": {
                "count": 0, "sum": 0.0, "p50": null, "p99": null, "buckets": [],
            }},
        },
    });
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn a_held_server_keeps_its_sessions_and_gets_no_calls_until_it_is_released() {
    let world = one().await;
    works(&world).await;
    assert_eq!(order(&world, "hold").await["state"], "held");
    let reply = call(&world).await;
    assert_eq!(reply.status, 503, "{reply}");
    let detail = &reply.json()["detail"];
    assert_eq!((&detail["code"], &detail["outcome"]), (&json!("held"), &json!("not_sent")));
    assert!(reply.header("retry-after").is_some(), "{reply}");
    let missing = world.get("/readyz").await.unwrap().json();
    assert_eq!(missing["missing"][0]["held_by"], "operator");
    order(&world, "release").await;
    until(&world, |server| server["state"] == "ready").await;
    works(&world).await;
    assert_eq!(starts(&world), 1, "the session stayed");
    assert_eq!(world.journal("one").runs("k"), 2);
}

#[tokio::test]
async fn a_call_in_flight_ends_before_its_drained_server_does() {
    let world = one().await;
    let url = world.url("/one/slow");
    let drain = async {
        world.control("one").wait_at("slow", 1).await.unwrap();
        order(&world, "drain").await;
        let reply = call(&world).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["detail"]["code"]), (503, &json!("held")));
        assert_eq!(world.journal("one").count(What::Eof), 0, "its call is not over");
        world.control("one").open("slow").unwrap();
    };
    let (reply, ()) = tokio::join!(Request::post(&url).send(), drain);
    assert_eq!(reply.unwrap().json(), "done");
    world.journal("one").wait_for_what(What::Eof, 1).await.unwrap();
    assert_eq!(server(&world).await["state"], "held");
    order(&world, "release").await;
    until(&world, |server| server["state"] == "ready").await;
    works(&world).await;
    assert_eq!(starts(&world), 2);
}

#[tokio::test]
async fn a_reconnected_server_has_other_sessions() {
    let world = one().await;
    works(&world).await;
    let before = numbers(&server(&world).await);
    order(&world, "reconnect").await;
    let after = until(&world, |server| {
        server["state"] == "ready" && !numbers(server).is_empty() && numbers(server) != before
    })
    .await;
    assert!(numbers(&after).iter().all(|number| !before.contains(number)), "{after}");
    works(&world).await;
}

#[tokio::test]
async fn a_reset_closes_the_breaker_that_failures_opened() {
    let failing = vec![vec![Step::Http(HttpStep::status(500))]];
    let script = Script::echo().on_call("fail", failing);
    let upstream = HttpUpstream::start(script).await.unwrap();
    let world = ready(world().server("one", upstream.config())).await;
    let opened = |server: &Value| server["breaker"]["state"] == "open";
    for _ in 0..7 {
        world.post("/one/fail", &json!({})).await.unwrap();
    }
    let shown = server(&world).await;
    assert!(opened(&shown) && shown["status"] == "degraded", "{shown}");
    assert_eq!(world.get("/health").await.unwrap().json()["status"], "degraded");
    let shown = order(&world, "reset").await;
    assert_eq!(shown["breaker"], json!({"state": "closed"}));
    works(&world).await;
}

#[tokio::test]
async fn a_check_of_all_connections_finds_the_one_that_hangs() {
    let world = world().stdio("one", gated()).unwrap().stdio("two", Script::echo()).unwrap();
    let world = ready(world).await;
    let validate = async |seconds: &str| {
        let path = format!("/admin/validate?timeout={seconds}");
        world.post(&path, &json!({})).await.unwrap().json()
    };
    let pid = world.journal("one").matching(|entry| entry.what == What::Start)[0].pid;
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let told = validate("2").await;
    assert_eq!((&told["ok"], &told["servers"][1]["ok"]), (&json!(false), &json!(true)), "{told}");
    let hanging = &told["servers"][0];
    assert_eq!((&hanging["name"], &hanging["ok"]), (&json!("one"), &json!(false)), "{told}");
    assert_eq!(hanging["fault"]["code"], "timeout", "{told}");
    assert!(hanging["took_ms"].as_u64().unwrap() >= 2000, "{told}");
    kill_process(pid, Signal::CONT).unwrap();
    let began = Instant::now();
    while validate("20").await["ok"] != true {
        assert!(began.elapsed() < PATIENCE, "{}", world.stderr());
        sleep(LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn what_is_unknown_is_told_with_what_is_known() {
    let world = one().await;
    let post = async |path: &str| world.post(path, &json!({})).await.unwrap();
    let reply = post("/admin/servers/nobody/hold").await;
    assert_eq!(reply.json()["detail"]["message"], "There is no server 'nobody'", "{reply}");
    assert_eq!(reply.status, 404);
    let reply = post("/admin/servers/one/melt").await;
    let message = "There is no order 'melt'; there are reconnect, hold, release, drain, reset";
    assert_eq!((reply.status.as_u16(), &reply.json()["detail"]["message"]), (404, &json!(message)));
    let reply = world.get("/admin/servers/one/hold").await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, Some("POST")));
    let reply = post("/admin/servers").await;
    assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, Some("GET, HEAD")));
    let reply = post("/admin/validate?timeout=61").await;
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["detail"]["code"]),
        (400, &json!("bad_query"))
    );
}

/// What a GET of the servers is answered with these headers.
async fn asked(world: &World, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::get(&world.url("/admin/servers"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    world.send(request).await.unwrap()
}

#[tokio::test]
async fn without_a_key_only_a_person_at_this_machine_is_an_operator() {
    let world = one().await;
    assert_eq!(asked(&world, &[]).await.status, 200);
    for header in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("x-forwarded-for", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
        // As after DNS rebinding. The client sends its own host, too; one bad name is enough.
        ("host", "evil.example"),
    ] {
        let reply = asked(&world, &[header]).await;
        assert_eq!(reply.status, 403, "{header:?}: {reply}");
        assert_eq!(reply.json()["detail"]["code"], "forbidden", "{header:?}");
        assert_eq!(reply.header("access-control-allow-origin"), None, "{header:?}");
    }
    assert_eq!(call(&world).await.status, 200, "what is not for operators stays open");
}

#[tokio::test]
async fn once_there_is_a_key_operators_show_it() {
    let keyed = world().stdio("one", gated()).unwrap().arg("--api-key").arg("sesame");
    let world = ready(keyed).await;
    assert_eq!(asked(&world, &[]).await.status, 401);
    assert_eq!(asked(&world, &[("authorization", "Bearer wrong")]).await.status, 403);
    let bearer = ("authorization", "Bearer sesame");
    assert_eq!(asked(&world, &[bearer]).await.status, 200);
    assert_eq!(asked(&world, &[("authorization", "Basic dTpzZXNhbWU=")]).await.status, 200);
    assert_eq!(asked(&world, &[bearer, ("x-forwarded-for", "10.0.0.1")]).await.status, 200);
    assert_eq!(asked(&world, &[bearer, ("origin", "https://evil.example")]).await.status, 403);
}

#[tokio::test]
async fn the_journal_tells_what_happened_and_how_it_was_mended() {
    let script = Script::echo().on_call("die", vec![vec![Step::Exit(3)]]);
    let world = ready(world().stdio("one", script).unwrap()).await;
    assert_eq!(world.post("/one/die", &json!({})).await.unwrap().status, 502);
    let counted = |reply: &Reply| reply.json()["counters"]["recoveries"]["succeeded"] == 1;
    let told = world.wait_reply("/admin/journal?server=one", counted).await.unwrap().json();
    let entries = told["entries"].as_array().unwrap();
    let named = |name: &str| entries.iter().find(|entry| entry["event"] == name).unwrap();
    let lost = named("session_lost");
    assert_eq!((&lost["level"], &lost["severity"]), (&json!("warn"), &json!("medium")), "{told}");
    assert_eq!((&lost["cure"], &lost["server"]), (&json!("reconnect"), &json!("one")), "{told}");
    assert_eq!(lost["fields"]["fault"], "disconnected", "{told}");
    assert!(lost["fields"]["detail"].as_str().unwrap().contains('3'), "{told}");
    assert!(named("recovered")["fields"]["away_ms"].is_u64(), "{told}");
    let counters = &told["counters"];
    assert_eq!(counters["told_unknown"], 1, "{told}");
    assert!(counters["recoveries"]["seconds"]["p50"].is_f64(), "{told}");
    let after = told["next_after"].as_u64().unwrap();
    let rest = world.get(&format!("/admin/journal?after={after}")).await.unwrap().json();
    assert_eq!((&rest["entries"], &rest["next_after"]), (&json!([]), &json!(after)));
    let newest = world.get("/admin/journal?limit=1").await.unwrap().json();
    assert_eq!(newest["entries"][0]["seq"], after);
}

#[tokio::test]
async fn a_call_with_a_key_is_carried_out_once() {
    let world = one().await;
    let send = async |key: &str, body: Value| {
        let request = Request::post(&world.url("/one/echo")).header("idempotency-key", key);
        world.send(request.json(&body)).await.unwrap()
    };
    let reply = send("\"a-key\"", json!({"key": "once"})).await;
    assert_eq!((reply.status.as_u16(), reply.header("idempotent-replayed")), (200, None));
    let again = send("a-key", json!({"key": "once"})).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again}");
    assert_eq!((again.status, again.json()), (reply.status, reply.json()));
    assert_eq!(world.journal("one").runs("once"), 1);
    let other = send("a-key", json!({"key": "another"})).await;
    assert_eq!(other.json()["detail"]["code"], "idempotency_key_used", "{other}");
    assert_eq!((other.status.as_u16(), world.journal("one").runs("another")), (422, 0));
    let bad = send("two words", json!({})).await;
    assert_eq!(
        (bad.status.as_u16(), &bad.json()["detail"]["code"]),
        (400, &json!("bad_idempotency_key"))
    );
}

async fn admin(world: &World, words: &[&str]) -> Ended {
    let url = world.url("");
    let words = [&["admin", "--url", &url], words].concat();
    run(&words).await
}

#[tokio::test]
async fn the_command_line_shows_servers_and_gives_orders() {
    let world = one().await;
    let shown = admin(&world, &["servers"]).await;
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""), "{shown:?}");
    let lines: Vec<Vec<&str>> =
        shown.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..3], ["SERVER", "STATE", "SINCE"], "{}", shown.stdout);
    assert_eq!((lines[1][0], lines[1][1], lines[1][3]), ("one", "ready", "1/1"));
    let held = admin(&world, &["hold", "one"]).await;
    assert!(held.code == Some(0) && held.stdout.contains("held until `release`"), "{held:?}");
    assert_eq!(call(&world).await.status, 503);
    let invalid = admin(&world, &["validate", "--json"]).await;
    assert_eq!(invalid.code, Some(1), "{invalid:?}");
    let told: Value = serde_json::from_str(&invalid.stdout).unwrap();
    assert_eq!(told["servers"][0]["fault"]["code"], "held");
    assert_eq!(admin(&world, &["release", "one"]).await.code, Some(0));
    until(&world, |server| server["state"] == "ready").await;
    let valid = admin(&world, &["validate"]).await;
    assert!(valid.code == Some(0) && valid.stdout.contains("ok"), "{valid:?}");
    let cache = admin(&world, &["cache"]).await;
    assert!(cache.code == Some(0) && cache.stdout.starts_with("0 of 1000 answers"), "{cache:?}");
    let purged = admin(&world, &["purge", "one"]).await;
    assert_eq!(
        (purged.code, purged.stdout.as_str()),
        (Some(0), "forgot 0 answers\n"),
        "{purged:?}"
    );
    let misspelt = admin(&world, &["purge", "on"]).await;
    assert!(misspelt.code == Some(1) && misspelt.stderr.contains("no server 'on'"), "{misspelt:?}");
    let journal = admin(&world, &["journal", "--server", "one"]).await;
    assert!(journal.code == Some(0) && journal.stdout.contains("order_given"), "{journal:?}");
    works(&world).await;
}

#[tokio::test]
async fn the_command_line_says_why_it_could_not() {
    let keyed = world().stdio("one", gated()).unwrap().arg("--api-key").arg("sesame");
    let world = ready(keyed).await;
    let refused = admin(&world, &["servers"]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("MCPO_API_KEY"), "{refused:?}");
    let environment = [("MCPO_ADMIN_URL", world.url("")), ("MCPO_API_KEY", "sesame".to_owned())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let shown = run_with(&["admin", "servers"], &environment).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let unknown = run_with(&["admin", "hold", "nobody"], &environment).await;
    assert!(unknown.stderr.contains("There is no server 'nobody'"), "{unknown:?}");
    let nobody = run(&["admin", "--url", "http://127.0.0.1:1", "servers"]).await;
    assert!(nobody.code == Some(1) && nobody.stderr.contains("is mcpo running"), "{nobody:?}");
    let tls = run(&["admin", "--url", "https://127.0.0.1:1", "servers"]).await;
    assert!(tls.code == Some(2) && tls.stderr.contains("https://"), "{tls:?}");
    assert_eq!(run(&["admin", "melt"]).await.code, Some(2));
}

/// One server of a command line, behind a root path.
#[tokio::test]
async fn a_single_server_is_ordered_behind_its_root_path() {
    let upstream = HttpUpstream::start(gated()).await.unwrap();
    let url = upstream.url();
    let builder: WorldBuilder = world().alone(&[url.as_str()]).arg("--root-path").arg("/api");
    let builder = builder.arg("--type").arg("streamable-http");
    let world = ready(builder).await;
    let url = world.url("/api");
    let held = run(&["admin", "hold", "default", "--url", &url, "--json"]).await;
    let told: Value = serde_json::from_str(&held.stdout).unwrap();
    assert_eq!((held.code, &told["state"]), (Some(0), &json!("held")), "{held:?}");
}
