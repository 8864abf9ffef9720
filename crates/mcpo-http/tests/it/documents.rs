//! Long documents: written once for all who ask, beside the calls, and kept.

use std::future::Future;
use std::sync::mpsc::sync_channel;
use std::task::Poll;

use bytes::Bytes;
use futures_util::future::{join_all, poll_fn};
use mcpo_config::Mode;
use mcpo_testkit::{HttpUpstream, Script, Step, tool};
use serde_json::json;
use tokio::runtime::Builder;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::scene::{Asked, Scene, echo, json_of, one};

/// More than is written where it is asked for.
const MANY: usize = 300;

fn long(tools: usize) -> Script {
    (0..tools).fold(echo(), |script, index| {
        let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
        script.tool(json!({"name": format!("tool_{index}"), "inputSchema": schema}))
    })
}

/// Runs a test where one thread does all that is asynchronous, and one all that blocks.
fn on_two_threads(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    runtime.expect("a runtime").block_on(test);
}

/// Has the thread for what blocks do nothing else until the sender is dropped.
fn occupied() -> (std::sync::mpsc::SyncSender<()>, JoinHandle<()>) {
    let (release, released) = sync_channel::<()>(0);
    (
        release,
        spawn_blocking(move || {
            let _released = released.recv();
        }),
    )
}

/// Polls it once: whether it waits.
async fn waits<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
    poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
}

fn etag(asked: &Asked) -> &str {
    asked.headers()["etag"].to_str().expect("a plain value")
}

#[test]
fn calls_are_answered_while_a_long_document_is_written() {
    on_two_threads(async {
        let (_upstream, scene) = one(long(MANY)).await;
        let (release, occupied) = occupied();
        let mut document = Box::pin(scene.ask("GET", "/one/openapi.json", &[]));
        assert!(waits(&mut document).await);
        assert_eq!(scene.post("/one/echo", &json!({"a": 1})).await.status, 200);
        assert!(waits(&mut document).await, "nobody could write it yet");
        drop(release);
        let document = json_of(&document.await);
        assert_eq!(document["paths"].as_object().expect("paths").len(), MANY + 1);
        occupied.await.expect("it ends");
    });
}

#[test]
fn a_long_document_is_written_once_for_all_who_ask() {
    on_two_threads(async {
        let (_upstream, scene) = one(long(MANY)).await;
        for path in ["/openapi.json", "/one/openapi.json"] {
            let (release, occupied) = occupied();
            let ask = || Box::pin(scene.ask("GET", path, &[]));
            let mut first = ask();
            assert!(waits(&mut first).await);
            let mut others: Vec<_> = (0..50).map(|_| ask()).collect();
            for other in &mut others {
                assert!(waits(other).await);
            }
            // Who leaves takes nothing from the others.
            drop(first);
            drop(release);
            let all: Vec<Bytes> =
                join_all(others).await.into_iter().map(Asked::into_body).collect();
            let later = ask().await.into_body();
            assert!(all.iter().all(|one| one.as_ptr() == later.as_ptr()), "{path}");
            occupied.await.expect("it ends");
        }
    });
}

#[test]
fn who_asks_after_a_change_gets_the_new_document_though_the_old_one_is_still_written() {
    on_two_threads(async {
        let swap = Step::NotifyToolsChanged(vec![tool("swap"), tool("other")]);
        let swapping = long(MANY).on_call("swap", vec![vec![swap, Step::Text("done".into())]]);
        let (_upstream, scene) = one(swapping).await;
        let (release, occupied) = occupied();
        let mut before = Box::pin(scene.ask("GET", "/openapi.json", &[]));
        assert!(waits(&mut before).await);
        assert_eq!(scene.post("/one/swap", &json!({})).await.status, 200);
        // What reads the new list needs no thread of its own, since the list is short.
        scene
            .until(|snapshot| {
                let view = &snapshot.upstream("one").expect("it is there").view;
                view.catalog.as_ref().is_some_and(|catalog| catalog.tool("other").is_some())
            })
            .await;
        let after = scene.ask("GET", "/openapi.json", &[]).await;
        assert!(json_of(&after)["paths"].get("/one/other").is_some());
        drop(release);
        assert!(json_of(&before.await)["paths"].get("/one/echo").is_some());
        occupied.await.expect("it ends");
    });
}

#[tokio::test]
async fn a_document_has_a_name_of_its_own_by_which_it_is_not_sent_again() {
    let short = HttpUpstream::start(echo()).await.unwrap();
    let long = HttpUpstream::start(long(MANY)).await.unwrap();
    let upstreams = [("short", &*short.url()), ("long", &*long.url())];
    let scene = Scene::new(Mode::Many, &upstreams).await;
    scene.ready(2).await;
    let mut seen = Vec::new();
    for path in ["/openapi.json", "/short/openapi.json", "/long/openapi.json"] {
        let asked = scene.ask("GET", path, &[]).await;
        assert_eq!(
            (asked.status().as_u16(), &asked.headers()["cache-control"]),
            (200, &"no-cache".parse().unwrap())
        );
        let again = scene.ask("GET", path, &[("if-none-match", etag(&asked))]).await;
        assert_eq!((again.status().as_u16(), again.body().len()), (304, 0), "{path}");
        assert_eq!(etag(&again), etag(&asked));
        let other = scene.ask("GET", path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!((other.status().as_u16(), other.body()), (200, asked.body()));
        seen.push(etag(&asked).to_owned());
    }
    seen.dedup();
    assert_eq!(seen.len(), 3, "{seen:?}");
    // Nobody has to have written it to know that it is still the same.
    let again = Scene::new(Mode::Many, &upstreams).await;
    again.ready(2).await;
    let asked = again.ask("GET", "/openapi.json", &[("if-none-match", &seen[0])]).await;
    assert_eq!(asked.status(), 304);
}
