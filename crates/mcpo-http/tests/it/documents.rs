//! Long documents: written once for all who ask, beside the calls, and kept.

use std::future::Future;
use std::io::Read;
use std::sync::mpsc::sync_channel;
use std::task::Poll;

use bytes::Bytes;
use flate2::read::GzDecoder;
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

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut plain).expect("it is gzip");
    plain
}

/// What was asked for by those who unpack, once it is packed.
async fn packed(scene: &Scene, path: &str) -> Asked {
    let ask = || scene.ask("GET", path, &[("accept-encoding", "br;q=1, gzip;q=0.5")]);
    let mut asked = ask().await;
    while !asked.headers().contains_key("content-encoding") {
        tokio::task::yield_now().await;
        asked = ask().await;
    }
    asked
}

#[test]
fn a_long_document_is_packed_for_who_unpacks_it_and_nobody_waits_for_that() {
    on_two_threads(async {
        let (_upstream, scene) = one(long(MANY)).await;
        let gzip = [("accept-encoding", "gzip")];
        let plain = scene.ask("GET", "/openapi.json", &[]).await;
        let (release, occupied) = occupied();
        for headers in [&gzip[..], &gzip, &[("accept-encoding", "gzip;q=0")], &[]] {
            let asked = scene.ask("GET", "/openapi.json", headers).await;
            assert_eq!((asked.status().as_u16(), asked.body()), (200, plain.body()));
            assert_eq!(
                (etag(&asked), asked.headers().get("content-encoding")),
                (etag(&plain), None)
            );
            assert_eq!(asked.headers()["vary"], "Accept-Encoding");
        }
        drop(release);
        occupied.await.expect("it ends");
        let packed = packed(&scene, "/openapi.json").await;
        assert_eq!(packed.headers()["content-encoding"], "gzip");
        assert_eq!(packed.headers()["vary"], "Accept-Encoding");
        assert_eq!(packed.headers()["content-type"], plain.headers()["content-type"]);
        assert!(packed.body().len() < plain.body().len() / 10);
        assert_eq!(unpacked(packed.body()), plain.body()[..]);
        // Whoever has either of them has what there is.
        assert_eq!(etag(&packed), format!("W/{}", etag(&plain)));
        for (accepted, sent) in [("gzip", &packed), ("identity", &plain)] {
            for known in [&packed, &plain] {
                let headers = [("accept-encoding", accepted), ("if-none-match", etag(known))];
                let again = scene.ask("GET", "/openapi.json", &headers).await;
                assert_eq!((again.status().as_u16(), again.body().len()), (304, 0));
                assert_eq!(etag(&again), etag(sent));
                assert_eq!(again.headers()["vary"], "Accept-Encoding");
            }
        }
        let others = scene.ask("GET", "/openapi.json", &[("accept-encoding", "br")]).await;
        assert_eq!((others.body(), others.headers().get("content-encoding")), (plain.body(), None));
    });
}

#[test]
fn what_changed_is_packed_anew() {
    on_two_threads(async {
        let tools = |count| (0..count).map(|index| tool(&format!("other_{index}"))).collect();
        let swap = Step::NotifyToolsChanged(tools(2 * MANY));
        let swapping = long(MANY).on_call("swap", vec![vec![swap, Step::Text("done".into())]]);
        let swapping = swapping.tool(tool("swap"));
        let (_upstream, scene) = one(swapping).await;
        let before = packed(&scene, "/one/openapi.json").await;
        assert_eq!(scene.post("/one/swap", &json!({})).await.status, 200);
        scene
            .until(|snapshot| {
                let view = &snapshot.upstream("one").expect("it is there").view;
                view.catalog.as_ref().is_some_and(|catalog| catalog.tool("other_0").is_some())
            })
            .await;
        let after = packed(&scene, "/one/openapi.json").await;
        assert_ne!(etag(&after), etag(&before));
        let plain = scene.ask("GET", "/one/openapi.json", &[]).await;
        assert_eq!(unpacked(after.body()), plain.body()[..]);
    });
}

#[tokio::test]
async fn a_short_document_is_sent_as_it_is() {
    let (_upstream, scene) = one(echo()).await;
    for _ in 0..3 {
        let asked = scene.ask("GET", "/openapi.json", &[("accept-encoding", "gzip")]).await;
        assert_eq!(asked.headers().get("content-encoding"), None);
        assert!(etag(&asked).starts_with('"'));
        let known = [("accept-encoding", "gzip"), ("if-none-match", etag(&asked))];
        let again = scene.ask("GET", "/openapi.json", &known).await;
        assert_eq!((again.status().as_u16(), etag(&again)), (304, etag(&asked)));
    }
}

#[tokio::test]
async fn who_takes_a_document_only_packed_gets_it_packed_the_first_time() {
    for upstream in [echo(), long(MANY)] {
        let (_upstream, scene) = one(upstream).await;
        let only_packed = [("accept-encoding", "identity;q=0, gzip")];
        let packed = scene.ask("GET", "/openapi.json", &only_packed).await;
        assert_eq!(packed.headers()["content-encoding"], "gzip");
        let plain = scene.ask("GET", "/openapi.json", &[]).await;
        assert_eq!(plain.headers().get("content-encoding"), None);
        assert_eq!(unpacked(packed.body()), plain.body()[..]);
        assert_eq!(etag(&packed), format!("W/{}", etag(&plain)));
        let known = [only_packed[0], ("if-none-match", etag(&packed))];
        let again = scene.ask("GET", "/openapi.json", &known).await;
        assert_eq!((again.status().as_u16(), etag(&again)), (304, etag(&packed)));
        // Nobody can be given what does not exist: then it is sent as it is.
        let neither = scene.ask("GET", "/openapi.json", &[("accept-encoding", "*;q=0")]).await;
        assert_eq!((neither.status().as_u16(), neither.body()), (200, plain.body()));
    }
}
