//! Trouble begins and ends under way, and children are killed and stopped from outside.

use mcpo_testkit::{
    HttpUpstream, On, Request, Scratch, Script, ScriptedChild, ScriptedStdio, Step, Trouble, What,
    now_ns,
};
use serde_json::{Value, json};

use super::stdio::Peer;

fn scripted() -> (Scratch, ScriptedStdio) {
    let scratch = Scratch::new().unwrap();
    let upstream = ScriptedStdio::new(scratch.path(), "up", Script::echo()).unwrap();
    (scratch, upstream)
}

fn words(words: &str) -> Vec<Step> {
    vec![Step::Text(words.into())]
}

async fn text(peer: &mut Peer, id: u64) -> Value {
    peer.call(id, "echo", json!({})).await;
    peer.read().await.unwrap()["result"]["content"][0]["text"].take()
}

#[tokio::test]
async fn a_trouble_is_met_so_many_times_and_ends_when_it_is_told_to() {
    let (_scratch, upstream) = scripted();
    let mut peer = Peer::start(&upstream);
    peer.shake_hands().await;
    assert_eq!(text(&mut peer, 1).await, "{}");
    upstream.control().trouble(&[Trouble::on_call(words("once")).times(1)]).unwrap();
    assert_eq!(text(&mut peer, 2).await, "once");
    assert_eq!(text(&mut peer, 3).await, "{}");
    let elsewhere = Trouble::on_call(words("elsewhere")).tool("other");
    upstream.control().trouble(&[elsewhere, Trouble::on_all(words("always"))]).unwrap();
    assert_eq!(text(&mut peer, 4).await, "always");
    upstream.control().calm().unwrap();
    assert_eq!(text(&mut peer, 5).await, "{}");
}

#[tokio::test]
async fn a_start_that_meets_trouble_is_not_ready() {
    let (_scratch, upstream) = scripted();
    let crash = Trouble::on(On::Start, vec![Step::Crash(3)]).times(2);
    upstream.control().trouble(&[crash]).unwrap();
    for _ in 0..2 {
        assert_eq!(Peer::start(&upstream).exit_code().await, Some(3));
    }
    assert_eq!(upstream.journal().count(What::Ready), 0);
    let before = now_ns();
    let mut peer = Peer::start(&upstream);
    peer.shake_hands().await;
    let ready = upstream.journal().matching(|entry| entry.what == What::Ready);
    assert!(ready.len() == 1 && ready[0].at_ns > before && ready[0].at_ns < now_ns());
}

#[tokio::test]
async fn a_crash_before_the_call_ran_is_told_from_one_after_it() {
    let (_scratch, upstream) = scripted();
    for (steps, runs) in [(vec![Step::Crash(1)], 0), (vec![Step::Exit(1)], 1)] {
        upstream.control().trouble(&[Trouble::on_call(steps)]).unwrap();
        let mut peer = Peer::start(&upstream);
        peer.shake_hands().await;
        peer.call(1, "echo", json!({})).await;
        assert_eq!(peer.exit_code().await, Some(1));
        assert_eq!(upstream.journal().runs("echo"), runs);
    }
}

#[tokio::test]
async fn a_closed_stdout_ends_while_the_process_goes_on() {
    let (_scratch, upstream) = scripted();
    let mut peer = Peer::start(&upstream);
    peer.shake_hands().await;
    upstream.control().trouble(&[Trouble::on_call(vec![Step::CloseStdout])]).unwrap();
    peer.call(1, "echo", json!({})).await;
    assert_eq!(peer.read().await, None);
    assert!(ScriptedChild::newest(&upstream.journal()).unwrap().is_alive());
}

#[tokio::test]
async fn a_child_is_stopped_continued_and_killed() {
    let (_scratch, upstream) = scripted();
    let mut peer = Peer::start(&upstream);
    peer.shake_hands().await;
    let child = ScriptedChild::newest(&upstream.journal()).unwrap();
    child.stop().unwrap();
    assert!(child.is_stopped() && child.is_alive());
    assert_eq!(upstream.journal().count(What::Start), 1, "the journal can be read");
    child.cont().unwrap();
    assert_eq!(text(&mut peer, 1).await, "{}");
    child.kill().unwrap();
    assert_eq!(peer.exit_code().await, None, "a signal ended it");
    assert!(!child.is_alive() && child.kill().is_err());
}

#[tokio::test]
async fn work_is_done_by_one_call_at_a_time() {
    let script = Script { sessions: false, ..Script::echo() };
    let script = script.on_call("echo", vec![vec![Step::Work(20)]]);
    let upstream = HttpUpstream::start(script).await.unwrap();
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {}}});
    let send = || Request::post(&upstream.url()).json(&call).send();
    let began = tokio::time::Instant::now();
    let (first, second, third) = tokio::join!(send(), send(), send());
    assert!([first, second, third].into_iter().all(|reply| reply.unwrap().status == 200));
    assert!(began.elapsed().as_millis() >= 60, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_turn_that_ends_without_an_answer_ends_its_stream() {
    let upstream = HttpUpstream::start(Script { sessions: false, ..Script::echo() }).await.unwrap();
    let notice = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#;
    let steps = vec![Step::Run, Step::Send(notice.into()), Step::EndTurn];
    upstream.control().trouble(&[Trouble::on_call(steps)]).unwrap();
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {}}});
    let reply = Request::post(&upstream.url()).json(&call).send().await.unwrap();
    assert_eq!(reply.text(), format!("event: message\ndata: {notice}\n\n"));
    assert_eq!(upstream.journal().runs("echo"), 1);
}
