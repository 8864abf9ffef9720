//! An upstream becomes useless while nobody calls it: its connections die without a sign, its
//! process stands still, it forgets the session. A probe finds that before a caller does; without
//! probes the first call heals it.

use mcpo_testkit::{Era, FaultProxy, HttpUpstream, Script, ScriptedChild, What, WorldBuilder};
use serde_json::json;

use super::{AT_ONCE, Bench, HTTP, Over, bench_with, mcpo, timed, until, write_and_read};

fn probed(world: WorldBuilder) -> WorldBuilder {
    world.env("MCPO_PROBE_INTERVAL", "1")
}

fn not_probed(world: WorldBuilder) -> WorldBuilder {
    world.env("MCPO_PROBE_INTERVAL", "0")
}

/// mcpo reaches its upstream through a network that can go bad.
pub(super) async fn behind_proxy(
    over: Over,
    script: Script,
    more: impl FnOnce(WorldBuilder) -> WorldBuilder,
) -> (Bench, FaultProxy) {
    let script = if over == Over::Modern { script.era(Era::Modern) } else { script };
    let http = HttpUpstream::start(script).await.unwrap();
    let proxy = FaultProxy::start(http.address()).await.unwrap();
    let (kind, path) = if over == Over::Sse { ("sse", "sse") } else { ("streamable-http", "mcp") };
    let url = format!("http://{}/{path}", proxy.address());
    let world = more(mcpo().server("up", json!({"type": kind, "url": url})));
    let world = world.start().await.unwrap();
    world.wait_ready().await.unwrap();
    let (journal, control) = (http.journal(), http.control());
    (Bench { over, world, http: Some(http), journal, control }, proxy)
}

/// Waits until a probe went unanswered. Where all answers come on one stream, until that was given
/// up: a call in that very moment cannot be known not to have been carried out.
async fn is_found(bench: &Bench) {
    let event = if bench.over == Over::Sse { "session_lost" } else { "session_probed" };
    until(&format!("{:?}: {event}", bench.over), async || bench.told(event).await > 0).await;
}

/// A NAT that forgets its idle connections says nothing to either side, and lets new ones pass.
async fn half_open_while_idle(over: Over) {
    let (bench, proxy) = behind_proxy(over, write_and_read(&[]), probed).await;
    bench.works("write", "before").await;
    proxy.half_open_existing();
    is_found(&bench).await;
    let (reply, took) = timed(bench.call("write", "after")).await;
    assert_eq!(reply.status, 200, "{over:?}: {reply}\n{}", bench.world.stderr());
    assert!(took < AT_ONCE, "{over:?}: {took:?}\n{}", bench.world.stderr());
    assert_eq!(bench.journal.runs("after"), 1, "{over:?}");
    bench.works("read", "at last").await;
}

#[tokio::test]
async fn half_open_connections_to_a_legacy_server_are_found_while_idle() {
    half_open_while_idle(HTTP[0]).await;
}

#[tokio::test]
async fn half_open_connections_to_a_modern_server_are_found_while_idle() {
    half_open_while_idle(HTTP[1]).await;
}

#[tokio::test]
async fn half_open_connections_to_an_sse_server_are_found_while_idle() {
    half_open_while_idle(HTTP[2]).await;
}

/// The call that finds them is told what it can be told, and those after it work.
#[tokio::test]
async fn a_call_that_finds_half_open_connections_ends_at_its_deadline_and_the_next_one_works() {
    for over in HTTP {
        let (bench, proxy) = behind_proxy(over, write_and_read(&[]), not_probed).await;
        bench.works("write", "before").await;
        proxy.half_open_existing();
        let (reply, took) = timed(bench.call_within("1", "write", "found")).await;
        bench.failed(&reply, 504, "unknown", "timeout");
        assert!(took < AT_ONCE, "{over:?}: {took:?}");
        if over == Over::Sse {
            is_found(&bench).await;
        }
        let reply = bench.call("write", "next").await;
        assert_eq!(reply.status, 200, "{over:?}: {reply}\n{}", bench.world.stderr());
        assert_eq!((bench.journal.runs("found"), bench.journal.runs("next")), (0, 1), "{over:?}");
    }
}

#[tokio::test]
async fn a_child_that_stands_still_while_idle_is_replaced() {
    let bench = bench_with(Over::Stdio, write_and_read(&[]), probed).await;
    bench.works("write", "before").await;
    let old = ScriptedChild::newest(&bench.journal).unwrap();
    old.stop().unwrap();
    started_again(&bench).await;
    let (reply, took) = timed(bench.call("write", "after")).await;
    bench.answered(&reply, "after", 1);
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!((bench.journal.runs("before"), bench.journal.runs("after")), (1, 1));
    until("the old child is gone", async || !old.is_alive()).await;
}

async fn started_again(bench: &Bench) {
    until("another child", async || bench.journal.count(What::Start) == 2).await;
}

#[tokio::test]
async fn a_child_that_stands_still_during_a_call_costs_that_call_its_time_and_nothing_else() {
    let bench = bench_with(Over::Stdio, write_and_read(&[]), probed).await;
    bench.works("write", "before").await;
    let old = ScriptedChild::newest(&bench.journal).unwrap();
    old.stop().unwrap();
    let (reply, took) = timed(bench.call_within("1", "write", "stuck")).await;
    bench.failed(&reply, 504, "unknown", "timeout");
    assert!(took < AT_ONCE, "{took:?}");
    started_again(&bench).await;
    bench.works("write", "after").await;
    left_behind(&bench, &old).await;
}

/// A server of one thread is mute while it works, so that a silent one is left the time that its
/// calls have; but callers that do not cease do not keep a dead one alive.
#[tokio::test]
async fn callers_that_keep_calling_a_child_that_stands_still_are_answered_by_the_next_one() {
    let bench = bench_with(Over::Stdio, write_and_read(&[]), probed).await;
    bench.works("write", "before").await;
    let old = ScriptedChild::newest(&bench.journal).unwrap();
    old.stop().unwrap();
    let (reply, _) = timed(bench.call_within("1", "write", "stuck")).await;
    bench.failed(&reply, 504, "unknown", "timeout");
    until("an answer", async || {
        let (reply, took) = timed(bench.call_within("1", "read", "again")).await;
        assert!(reply.status == 200 || reply.status == 504, "{reply}");
        assert!(took < AT_ONCE, "{took:?}");
        reply.status == 200
    })
    .await;
    bench.works("write", "after").await;
    left_behind(&bench, &old).await;
}

/// The old child comes to life again where it has not been killed yet: it runs nothing that
/// another has run, and ends.
async fn left_behind(bench: &Bench, old: &ScriptedChild) {
    // It may have been killed a moment ago.
    let _ = old.cont();
    until("the old child is gone", async || !old.is_alive()).await;
    bench.works("write", "at last").await;
    assert!(bench.journal.runs("stuck") <= 1);
    assert_eq!((bench.journal.runs("after"), bench.journal.count(What::Start)), (1, 2));
}

#[tokio::test]
async fn a_session_that_expired_while_idle_is_renewed_by_a_probe() {
    let mut bench = bench_with(Over::Legacy, write_and_read(&[]), probed).await;
    bench.works("write", "before").await;
    bench.upstream().forget_sessions();
    until("another session", async || bench.sessions_made() == 2).await;
    bench.world.wait_ready().await.unwrap();
    bench.works("write", "after").await;
    assert_eq!(bench.sessions_made(), 2);
}

#[tokio::test]
async fn a_session_that_expired_unprobed_is_renewed_under_the_first_call() {
    let mut bench = bench_with(Over::Legacy, write_and_read(&[]), not_probed).await;
    bench.works("write", "before").await;
    bench.upstream().forget_sessions();
    let reply = bench.call("write", "first").await;
    bench.answered(&reply, "first", 2);
    assert_eq!((bench.journal.runs("first"), bench.journal.count(What::Ping)), (1, 0));
    bench.works("write", "next").await;
    assert_eq!(bench.sessions_made(), 2);
}
