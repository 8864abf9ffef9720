//! Each fault of a real upstream gives the right issue with the right cause, and no other; one that
//! is well gives none.

use std::fs::Permissions;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use mcpo_monitor::diagnosis::RULES;
use mcpo_testkit::{
    HttpStep, HttpUpstream, Request, Scratch, Script, ScriptedChild, ScriptedStdio, Step, What,
    World, WorldBuilder, tool,
};
use mcpo_upstream::directory::CALLS_IN_FLIGHT_MAX;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::program::{run, world};

/// How long something may take that must happen, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the machine that runs the tests lacks is not what they are about.
const OF_THE_MACHINE: [&str; 3] = ["cpu_saturated", "memory_pressure", "disk_full"];

async fn diagnosis(world: &World) -> Value {
    let reply = world.get("/diagnostics?timeout=3").await.unwrap();
    assert_eq!(reply.status, 200, "{reply}");
    reply.json()
}

/// The issues but for those of the machine.
fn issues(diagnosis: &Value) -> Vec<Value> {
    let all = diagnosis["issues"].as_array().unwrap();
    let is_ours = |issue: &&Value| !OF_THE_MACHINE.iter().any(|id| issue["id"] == *id);
    all.iter().filter(is_ours).cloned().collect()
}

/// Waits until there is exactly one issue, this one; gives it.
async fn only(world: &World, id: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = diagnosis(world).await;
        let found = issues(&told);
        if let [issue] = &found[..]
            && issue["id"] == id
        {
            assert!(!issue["fix"].as_array().unwrap().is_empty(), "{issue}");
            assert!(!issue["evidence"].as_array().unwrap().is_empty(), "{issue}");
            let is_critical = issue["severity"] == "critical";
            assert!(told["status"] == if is_critical { "critical" } else { "warning" }, "{told}");
            return issue.clone();
        }
        assert!(Instant::now() < deadline, "not {id} but {told:#}\n{}", world.stderr());
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until nothing is wrong, and every server can be called.
async fn well(world: &World) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = diagnosis(world).await;
        let health = told["connection_health"].as_object().unwrap();
        if issues(&told).is_empty() && health.values().all(|well| *well == json!(true)) {
            return;
        }
        assert!(Instant::now() < deadline, "not well: {told:#}\n{}", world.stderr());
        sleep(LOOK_EVERY).await;
    }
}

/// mcpo with an upstream `up` in whatever state, and one that is well.
async fn with(more: impl FnOnce(WorldBuilder) -> WorldBuilder) -> World {
    let builder = world().stdio("well", Script::echo()).unwrap();
    let world = more(builder).start().await.unwrap();
    world.wait_reply("/well/openapi.json", |reply| reply.status == 200).await.unwrap();
    world
}

async fn with_http(script: Script) -> (World, HttpUpstream) {
    let up = HttpUpstream::start(script).await.unwrap();
    (with(|world| world.server("up", up.config())).await, up)
}

/// Calls a tool of `up` that is not answered, so often.
async fn call(world: &World, tool: &str, times: usize) {
    let request = Request::post(&world.url(&format!("/up/{tool}"))).json(&json!({}));
    for _ in 0..times {
        world.send(request.clone().header("x-tool-timeout", "1")).await.unwrap();
    }
}

fn cause(issue: &Value) -> Vec<&str> {
    issue["cause"].as_array().unwrap().iter().map(|link| link.as_str().unwrap()).collect()
}

/// A port of this machine on which nobody listens.
async fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn servers_that_are_well_give_no_issue() {
    let (world, up) = with_http(Script::echo()).await;
    world.wait_ready().await.unwrap();
    for _ in 0..50 {
        assert_eq!(world.post("/up/echo", &json!({})).await.unwrap().status, 200);
        assert_eq!(world.post("/well/echo", &json!({})).await.unwrap().status, 200);
    }
    let told = diagnosis(&world).await;
    assert_eq!(issues(&told), [] as [Value; 0], "{told:#}");
    assert!(told["score"].as_u64().is_some_and(|score| score >= 90), "{told:#}");
    assert_eq!(told["connection_health"], json!({"well": true, "up": true}));
    assert_eq!(told["metrics"]["servers_usable"], 2.0);
    assert_eq!(up.sessions_made(), 1, "one that is well is not looked at");
}

#[tokio::test]
async fn a_command_that_is_not_there() {
    let world = with(|world| world.server("up", json!({"command": "no-such-program"}))).await;
    let issue = only(&world, "command_not_found").await;
    assert_eq!(
        (issue["server"].as_str(), cause(&issue)),
        (Some("up"), vec!["command cannot be started"])
    );
    assert!(issue["evidence"][0].as_str().unwrap().contains("is not in PATH"), "{issue}");
}

#[tokio::test]
async fn a_command_that_ends_at_each_start() {
    let script = Script::echo().on_start(vec![vec![Step::StderrLines(3), Step::Exit(7)]]);
    let world = with(|world| world.stdio("up", script).unwrap()).await;
    let issue = only(&world, "command_fails").await;
    assert_eq!(cause(&issue), ["command ok", "started", "process ended (exit code 7)"]);
    assert!(issue["evidence"].to_string().contains("stderr line 3"), "{issue}");
    ScriptedStdio::new(world.directory(), "up", Script::echo()).unwrap();
    world.post("/admin/servers/up/reset", &json!({})).await.unwrap();
    well(&world).await;
}

#[tokio::test]
async fn a_process_that_is_killed_again_and_again() {
    let world = with(|world| world.stdio("up", Script::echo()).unwrap()).await;
    world.wait_ready().await.unwrap();
    for killed in 1..=3 {
        ScriptedChild::newest(&world.journal("up")).unwrap().kill().unwrap();
        world.journal("up").wait_for_what(What::Handshake, killed + 1).await.unwrap();
        world.wait_ready().await.unwrap();
        if killed == 1 {
            well(&world).await;
        }
    }
    let issue = only(&world, "crash_loop").await;
    assert_eq!(cause(&issue)[2], "process ended", "{issue}");
}

#[tokio::test]
async fn a_port_that_refuses_until_somebody_listens() {
    let (world, mut up) = with_http(Script::echo()).await;
    world.wait_ready().await.unwrap();
    up.stop().await;
    call(&world, "echo", 1).await;
    let issue = only(&world, "upstream_unreachable").await;
    assert_eq!(cause(&issue), ["tcp refused"]);
    assert!(issue["since"].as_f64().is_some(), "{issue}");
    up.restart().await.unwrap();
    world.wait_ready().await.unwrap();
    well(&world).await;
}

#[tokio::test]
async fn a_name_without_an_address() {
    let world =
        with(|world| world.server("up", json!({"url": "http://nowhere.invalid:9/mcp"}))).await;
    let issue = only(&world, "dns_failed").await;
    assert_eq!(cause(&issue), ["dns failed"]);
}

#[tokio::test]
async fn a_port_without_tls() {
    let up = HttpUpstream::start(Script::echo()).await.unwrap();
    let url = up.url().replace("http://", "https://");
    let world = with(|world| world.server("up", json!({"url": url}))).await;
    let issue = only(&world, "tls_failed").await;
    assert_eq!(cause(&issue), ["tcp ok", "tls failed"]);
}

/// What a server says to the handshake.
async fn at_the_handshake(step: Step, id: &str, link: &str) {
    let (world, _up) = with_http(Script::echo().on_handshake(vec![vec![step]])).await;
    let issue = only(&world, id).await;
    assert_eq!(cause(&issue), ["tcp ok", link], "{issue}");
}

#[tokio::test]
async fn credentials_that_are_refused() {
    let step = Step::Http(HttpStep::status(401));
    at_the_handshake(step, "unauthorized", "handshake: credentials refused").await;
}

#[tokio::test]
async fn a_web_page_in_place_of_a_server() {
    let mut step = HttpStep::status(200).header("content-type", "text/html");
    step.body = "<html>Hello</html>".to_owned();
    at_the_handshake(Step::Http(step), "not_mcp", "handshake: not MCP").await;
}

#[tokio::test]
async fn a_server_that_fails_at_the_handshake() {
    let step = Step::Http(HttpStep::status(500));
    at_the_handshake(step, "server_errors", "handshake: an internal error").await;
}

#[tokio::test]
async fn a_server_that_hangs_does_not_hold_up_the_answer() {
    let up = HttpUpstream::start(Script::never_answers_initialize()).await.unwrap();
    let world =
        with(|world| world.server("up", up.config()).arg("--connect-timeout").arg("1")).await;
    let issue = only(&world, "handshake_timeout").await;
    assert_eq!(cause(&issue), ["tcp ok", "handshake: no answer in time"]);
    let began = Instant::now();
    world.get("/diagnostics?timeout=1").await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

/// What calls of a server meet that shakes hands as it should.
async fn at_calls(step: Step, id: &str, link: &str) {
    let script = Script::echo().on_call("fail", vec![vec![step]]);
    let (world, _up) = with_http(script).await;
    world.wait_ready().await.unwrap();
    call(&world, "fail", 4).await;
    let issue = only(&world, id).await;
    assert_eq!(cause(&issue), ["handshake ok", link], "{issue}");
}

#[tokio::test]
async fn calls_that_fail_inside() {
    let step = Step::Http(HttpStep::status(500));
    at_calls(step, "server_errors", "calls: an internal error").await;
}

#[tokio::test]
async fn calls_that_are_too_many() {
    let step = Step::Http(HttpStep::status(429));
    at_calls(step, "throttled", "calls: \"not now\"").await;
}

#[tokio::test]
async fn calls_without_an_answer() {
    at_calls(Step::Hang, "silent_upstream", "calls: no answer in time").await;
}

#[tokio::test]
async fn tools_that_vanished_until_they_are_back() {
    let less = vec![Step::RawResult(json!({"tools": [tool("stays")]}))];
    let list = vec![vec![], less, vec![]];
    let script = Script { list, ..Script::new("scripted").tool(tool("stays")).tool(tool("goes")) };
    let world = with(|world| world.stdio("up", script).unwrap()).await;
    world.wait_ready().await.unwrap();
    world.post("/admin/servers/up/reconnect", &json!({})).await.unwrap();
    let issue = only(&world, "tools_vanished").await;
    assert_eq!(issue["evidence"], json!(["missing: `goes`"]));
    world.post("/admin/servers/up/reconnect", &json!({})).await.unwrap();
    well(&world).await;
}

#[tokio::test]
async fn tools_that_are_broken_and_names_that_stand_for_none() {
    let broken = json!({"name": "odd", "inputSchema": {"type": "object", "properties": {"a": {"type": 12}}}});
    let script = Script::echo().tool(broken);
    let world = with(|world| world.stdio("up", script).unwrap()).await;
    let issue = only(&world, "tools_flawed").await;
    assert!(issue["evidence"][0].as_str().unwrap().starts_with("`odd`: "), "{issue}");
    let named = with(|world| {
        let world = world.stdio("up", Script::echo()).unwrap();
        world.set("up", "disabledTools", json!(["ehco"]))
    });
    let issue = only(&named.await, "tools_unknown").await;
    assert_eq!(issue["evidence"], json!(["`ehco`"]));
}

#[tokio::test]
async fn a_hold_until_it_is_released() {
    let world = with(|world| world.stdio("up", Script::echo()).unwrap()).await;
    world.wait_ready().await.unwrap();
    world.post("/admin/servers/up/hold", &json!({})).await.unwrap();
    let issue = only(&world, "held_by_operator").await;
    assert!(issue["fix"][0].as_str().unwrap().contains("`mcpo admin release up`"), "{issue}");
    assert_eq!(diagnosis(&world).await["connection_health"]["up"], json!(false));
    world.post("/admin/servers/up/release", &json!({})).await.unwrap();
    well(&world).await;
}

#[tokio::test]
async fn a_file_that_is_broken_until_it_is_mended() {
    let world = with(|world| world.arg("--hot-reload")).await;
    let good = std::fs::read_to_string(world.directory().join("config.json")).unwrap();
    world.write_config("{\"mcpServers\": {").unwrap();
    let issue = only(&world, "config_refused").await;
    assert_eq!(issue["server"], json!(null));
    world.write_config(&good).unwrap();
    well(&world).await;
}

/// A port that nobody listens on, and the same seen from `localhost`: the name is a link, too.
#[tokio::test]
async fn the_chain_begins_with_the_name() {
    let url = format!("http://localhost:{}/mcp", free_port().await);
    let world = with(|world| world.server("up", json!({"url": url}))).await;
    let issue = only(&world, "upstream_unreachable").await;
    assert_eq!(cause(&issue), ["dns ok", "tcp refused"]);
}

/// Commands and options that a fix names are those of the program.
#[tokio::test]
async fn every_command_that_a_fix_names_is_one() {
    let fixes = RULES.iter().flat_map(|rule| rule.fix);
    let quoted = fixes.flat_map(|fix| fix.split('`').skip(1).step_by(2));
    let help = run(&["--help"]).await.stdout;
    let mut commands = 0;
    for text in quoted {
        if text.starts_with("--") && !text.starts_with("--ulimit") {
            assert!(help.contains(text), "mcpo has no option {text}");
        }
        if let Some(words) = text.strip_prefix("mcpo ") {
            let words: Vec<&str> = words.split(' ').chain(["--help"]).collect();
            let told = run(&words).await;
            assert_eq!(told.code, Some(0), "{text}: {told:?}");
            commands += 1;
        }
    }
    assert!(commands > 8, "only {commands} commands were found");
}

#[tokio::test]
async fn sessions_that_are_forgotten_again_and_again() {
    let (world, up) = with_http(Script::echo()).await;
    world.wait_ready().await.unwrap();
    for _ in 0..6 {
        up.forget_sessions();
        assert_eq!(world.post("/up/echo", &json!({})).await.unwrap().status, 200);
    }
    let issue = only(&world, "session_churn").await;
    assert_eq!(cause(&issue), ["handshake ok", "sessions: lost"]);
}

/// So many calls of `up` at once, which are given up when this is dropped.
fn calls_at_once(world: &World, tool: &str, count: usize) -> JoinSet<()> {
    let request = Request::post(&world.url(&format!("/up/{tool}"))).json(&json!({}));
    let mut calls = JoinSet::new();
    for _ in 0..count {
        let request = request.clone();
        calls.spawn(async move { drop(request.send().await.unwrap()) });
    }
    calls
}

#[tokio::test]
async fn a_server_that_takes_its_time() {
    // As long as calls take that count as slow, whatever is usual.
    let script = Script::echo().on_call("slow", vec![vec![Step::Delay(5200), Step::Echo]]);
    let (world, _up) = with_http(script).await;
    world.wait_ready().await.unwrap();
    let mut calls = calls_at_once(&world, "slow", 24);
    while calls.join_next().await.is_some() {}
    let issue = only(&world, "slow_upstream").await;
    assert_eq!(cause(&issue), ["calls are answered", "the server: slow"], "{issue}");
}

#[tokio::test]
async fn more_calls_than_one_session_takes() {
    let script =
        Script::echo().on_call("wait", vec![vec![Step::Gate("go".to_owned()), Step::Echo]]);
    let world = with(|world| world.stdio("up", script).unwrap()).await;
    world.wait_ready().await.unwrap();
    let mut calls = calls_at_once(&world, "wait", CALLS_IN_FLIGHT_MAX + 40);
    let issue = only(&world, "pool_saturated").await;
    assert_eq!(cause(&issue), ["sessions ok", "no session free"], "{issue}");
    world.control("up").open("go").unwrap();
    while calls.join_next().await.is_some() {}
    well(&world).await;
}

#[tokio::test]
async fn a_machine_that_slept() {
    let (world, _up) = with_http(Script::echo()).await;
    world.wait_ready().await.unwrap();
    let pid = Pid::from_raw(world.pid()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    // The length of the sleep is what is tested.
    sleep(Duration::from_secs(11)).await;
    kill_process(pid, Signal::CONT).unwrap();
    let issue = only(&world, "clock_jump").await;
    assert_eq!((&issue["server"], cause(&issue)), (&json!(null), vec!["clock: jumped"]));
}

#[tokio::test]
async fn file_descriptors_that_run_out() {
    let scratch = Scratch::new().unwrap();
    let mcpo = env!("CARGO_BIN_EXE_mcpo");
    let limited = format!("#!/bin/sh\nulimit -n 96\nexec '{mcpo}' \"$@\"\n");
    let limited = scratch.write("limited", &limited).unwrap();
    std::fs::set_permissions(&limited, Permissions::from_mode(0o755)).unwrap();
    let world = World::with(&limited).unwrap().stdio("up", Script::echo()).unwrap();
    let world = world.env("MCPO_MONITOR_INTERVAL", "1").start().await.unwrap();
    world.wait_ready().await.unwrap();
    let address = world.url("").replace("http://", "");
    let mut open = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    // One after the other, since the answer needs one, too.
    while issues(&diagnosis(&world).await).is_empty() {
        assert!(Instant::now() < deadline, "{} are open", open.len());
        open.push(TcpStream::connect(&address).await.unwrap());
        sleep(LOOK_EVERY).await;
    }
    let issue = only(&world, "fd_limit").await;
    assert_eq!(cause(&issue), ["file descriptors: nearly used up"]);
    assert!(issue["evidence"][0].as_str().unwrap().contains(" of 96 "), "{issue}");
}
