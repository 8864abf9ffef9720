//! All that is known, as it changes: what a viewer is told, in which order, and how it ends.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::BodyExt;
use mcpo_core::event::Event;
use mcpo_http::Content;
use mcpo_testkit::{HttpUpstream, Request};
use mcpo_upstream::journal::ENTRIES_MAX;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::scene::{KEY, PATIENCE, Scene, Setting, echo, json_of, one, request, server, whole};

/// One event as a viewer reads it.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    id: Option<String>,
    name: String,
    data: Value,
}

/// Somebody who watches.
struct Viewer {
    body: Content,
    told: VecDeque<Told>,
}

impl Viewer {
    async fn new(scene: &Scene, path: &str, headers: &[(&str, &str)]) -> Self {
        let answer = scene.answer("GET", path, headers, "").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream; charset=utf-8");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.headers()["x-accel-buffering"], "no");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        Self { body: answer.into_body(), told: VecDeque::new() }
    }

    /// What is told next; `None` at the end.
    async fn next(&mut self) -> Option<Told> {
        while self.told.is_empty() {
            let piece = self.body.frame().await?.unwrap().into_data().unwrap();
            let piece = std::str::from_utf8(&piece).unwrap();
            assert!(piece.ends_with("\n\n"), "events are told whole");
            self.told.extend(piece.split_terminator("\n\n").map(read));
        }
        self.told.pop_front()
    }

    async fn named(&mut self, name: &str) -> Told {
        loop {
            let told = self.next().await.expect("it goes on");
            if told.name == name {
                return told;
            }
        }
    }

    /// The numbers of the next entries.
    async fn entries(&mut self, count: usize) -> Vec<u64> {
        let mut numbers = Vec::new();
        for _ in 0..count {
            numbers.push(self.named("journal").await.data["seq"].as_u64().unwrap());
        }
        numbers
    }
}

fn read(event: &str) -> Told {
    let mut told = Told { id: None, name: String::new(), data: Value::Null };
    for line in event.lines() {
        match line.split_once(": ").unwrap() {
            ("id", id) => told.id = Some(id.to_owned()),
            ("event", name) => name.clone_into(&mut told.name),
            ("data", data) => told.data = serde_json::from_str(data).unwrap(),
            ("retry", wait) => assert_eq!(wait, "1000"),
            (other, _) => panic!("{other}"),
        }
    }
    told
}

async fn alone() -> Scene {
    Setting::default().start(Vec::new()).await
}

fn happen(scene: &Scene, times: usize) {
    for _ in 0..times {
        scene.directory.journal().record(&Event::ClockJumped { by: Duration::from_secs(2) });
    }
}

#[tokio::test(start_paused = true)]
async fn a_viewer_sees_all_at_once_and_then_every_second() {
    let scene = alone().await;
    let began = Instant::now();
    let mut viewer = Viewer::new(&scene, "/admin/live", &[]).await;
    let first = viewer.next().await.unwrap();
    assert_eq!((first.name.as_str(), &first.data["servers"]), ("picture", &json!([])));
    assert!(first.id.is_some(), "who is cut off now must be able to go on");
    let alerts = viewer.next().await.unwrap();
    assert_eq!((alerts.name.as_str(), &alerts.data["active"]), ("alerts", &json!([])));
    assert!(began.elapsed() < Duration::from_millis(100));
    for second in 1..5 {
        assert_eq!(viewer.next().await.unwrap().name, "picture");
        assert_eq!(began.elapsed().as_secs(), second);
    }
}

#[tokio::test(start_paused = true)]
async fn what_happens_is_told_at_once_and_in_order() {
    let scene = alone().await;
    happen(&scene, 3);
    let mut viewer = Viewer::new(&scene, "/admin/live", &[]).await;
    viewer.named("alerts").await;
    let began = Instant::now();
    happen(&scene, 2);
    let told = viewer.next().await.unwrap();
    assert_eq!(
        (told.name.as_str(), &told.data["seq"]),
        ("journal", &json!(4)),
        "not what was before"
    );
    assert_eq!(told.data["event"], "clock_jumped");
    assert!(told.data["sentence"].as_str().unwrap().contains('2'), "{told:?}");
    assert_eq!(viewer.entries(1).await, [5]);
    assert!(began.elapsed() < Duration::from_millis(100), "it does not wait for the next second");
}

#[tokio::test(start_paused = true)]
async fn what_happens_shows_in_a_picture_soon_and_a_flood_neither_delays_nor_multiplies_it() {
    let scene = alone().await;
    let mut viewer = Viewer::new(&scene, "/admin/live", &[]).await;
    viewer.named("alerts").await;
    let began = Instant::now();
    happen(&scene, 1);
    viewer.named("picture").await;
    assert_eq!(began.elapsed().as_millis(), 300);
    viewer.named("picture").await;
    assert_eq!(began.elapsed().as_secs(), 1, "it is told once");
    let (began, mut pictures) = (Instant::now(), Vec::new());
    while began.elapsed() < Duration::from_secs(2) {
        happen(&scene, 1);
        if viewer.next().await.unwrap().name == "picture" {
            pictures.push(began.elapsed().as_millis());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(pictures[0] <= 310, "{pictures:?}");
    assert!(pictures.len() <= 2 + 2000 / 300, "{pictures:?}");
}

#[tokio::test(start_paused = true)]
async fn who_comes_again_misses_nothing_and_hears_nothing_twice() {
    let scene = alone().await;
    let mut viewer = Viewer::new(&scene, "/admin/live", &[]).await;
    let first = viewer.next().await.unwrap().id.unwrap();
    drop(viewer);
    happen(&scene, 600);
    let mut viewer = Viewer::new(&scene, "/admin/live", &[("last-event-id", &first)]).await;
    assert_eq!(viewer.entries(300).await, (1..=300).collect::<Vec<_>>());
    let last = viewer.named("journal").await;
    assert_eq!(last.data["seq"], 301);
    drop(viewer);
    happen(&scene, 5);
    let last = [("last-event-id", last.id.as_deref().unwrap())];
    let mut viewer = Viewer::new(&scene, "/admin/live?after=7", &last).await;
    assert_eq!(viewer.entries(304).await, (302..=605).collect::<Vec<_>>());
    let mut viewer = Viewer::new(&scene, "/admin/live?after=603", &[]).await;
    assert_eq!(viewer.entries(2).await, [604, 605]);
    for (path, id) in [("/admin/live?after=9999", "x"), ("/admin/live", "00000000-605")] {
        let mut viewer = Viewer::new(&scene, path, &[("last-event-id", id)]).await;
        assert_eq!(viewer.entries(3).await, [1, 2, 3], "what an earlier mcpo told was another");
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_away_for_too_long_is_told_how_much_is_lost() {
    let scene = alone().await;
    happen(&scene, ENTRIES_MAX + 10);
    let mut viewer = Viewer::new(&scene, "/admin/live?after=3", &[]).await;
    assert_eq!(viewer.named("lost").await.data, json!({"entries": 7}));
    let last = ENTRIES_MAX as u64 + 10;
    assert_eq!(viewer.entries(ENTRIES_MAX).await, (11..=last).collect::<Vec<_>>());
    happen(&scene, 1);
    assert_eq!(viewer.next().await.unwrap().data["seq"], last + 1, "nothing more is lost");
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_sees_the_newest_and_no_old_pictures() {
    let scene = alone().await;
    let mut viewer = Viewer::new(&scene, "/admin/live", &[]).await;
    viewer.named("alerts").await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let began = Instant::now();
    viewer.named("picture").await;
    viewer.named("picture").await;
    assert_eq!(began.elapsed().as_secs(), 1, "those of twenty seconds are one");
}

#[tokio::test(start_paused = true)]
async fn a_view_ends_after_an_hour_so_that_it_is_asked_for_again() {
    let scene = alone().await;
    let began = Instant::now();
    let mut viewer = Viewer::new(&scene, "/admin/live", &[]).await;
    while viewer.next().await.is_some() {}
    assert_eq!(began.elapsed().as_secs(), 3600);
}

#[tokio::test(start_paused = true)]
async fn so_many_may_watch_and_who_takes_nothing_makes_room() {
    let scene = alone().await;
    let mut viewers = Vec::new();
    for _ in 0..16 {
        viewers.push(Viewer::new(&scene, "/admin/live", &[]).await);
    }
    let full = whole(scene.answer("GET", "/admin/live", &[], "").await).await;
    assert_eq!(
        (full.status().as_u16(), full.headers()["retry-after"].to_str().unwrap()),
        (503, "1")
    );
    assert_eq!(json_of(&full)["detail"]["code"], "overloaded");
    assert_eq!(scene.ask("HEAD", "/admin/live", &[]).await.status(), 200, "a look takes no place");
    viewers.pop();
    viewers.push(Viewer::new(&scene, "/admin/live", &[]).await);
    tokio::time::sleep(Duration::from_secs(31)).await;
    for viewer in &mut viewers[1..] {
        viewer.next().await.unwrap();
    }
    let mut newcomer = Viewer::new(&scene, "/admin/live", &[]).await;
    assert!(newcomer.next().await.is_some());
    assert!(viewers[0].next().await.is_none(), "its place is another's");
    assert!(viewers[1].next().await.is_some());
}

#[tokio::test]
async fn operators_may_watch_and_nobody_else() {
    let scene = Setting { key: true, ..Setting::default() }.start(Vec::new()).await;
    assert_eq!(scene.ask("GET", "/admin/live", &[]).await.status(), 401);
    let bearer = format!("Bearer {KEY}");
    let shown = ("authorization", bearer.as_str());
    Viewer::new(&scene, "/admin/live", &[shown]).await.named("alerts").await;
    let foreign = [shown, ("origin", "https://a.example")];
    assert_eq!(scene.ask("GET", "/admin/live", &foreign).await.status(), 403);
    let refused = scene.ask("POST", "/admin/live", &[shown]).await;
    assert_eq!(refused.headers()["allow"], "GET, HEAD");
    for path in ["/admin/live?after=x", "/admin/live?since=1"] {
        assert_eq!(scene.ask("GET", path, &[shown]).await.status(), 400, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_logs_out_is_told_nothing_more() {
    let scene = Setting { key: true, ..Setting::default() }.start(Vec::new()).await;
    let body = json!({ "key": KEY }).to_string();
    let asked = scene.answer("POST", "/admin/login", &[], &body).await;
    let set = asked.headers()["set-cookie"].to_str().unwrap();
    let cookie = set.split(';').next().unwrap();
    let bearer = format!("Bearer {KEY}");
    let mut by_login = Viewer::new(&scene, "/admin/live", &[("cookie", cookie)]).await;
    let both = [("cookie", cookie), ("authorization", bearer.as_str())];
    let mut by_key = Viewer::new(&scene, "/admin/live", &both).await;
    for viewer in [&mut by_login, &mut by_key] {
        viewer.named("alerts").await;
        viewer.named("picture").await;
    }
    let own = [("cookie", cookie), ("x-mcpo-dashboard", "1")];
    assert_eq!(scene.ask("POST", "/admin/logout", &own).await.status(), 200);
    assert!(by_login.next().await.is_none(), "a login that was ended tells nothing");
    by_key.named("picture").await;
}

/// A connection that watches, and has read the first picture.
async fn watching(scene: &Scene) -> TcpStream {
    let mut socket = TcpStream::connect(scene.address).await.unwrap();
    let request = "GET /admin/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    let seen = async {
        while !read.windows(15).any(|piece| piece == b"event: picture\n") {
            assert_ne!(socket.read_buf(&mut read).await.unwrap(), 0);
        }
    };
    timeout(PATIENCE, seen).await.unwrap();
    socket
}

#[tokio::test]
async fn a_stop_ends_what_is_told_live_at_once() {
    let mut scene = alone().await;
    let mut sockets = vec![watching(&scene).await, watching(&scene).await];
    let began = Instant::now();
    scene.stop.send_replace(true);
    for socket in &mut sockets {
        let mut rest = Vec::new();
        timeout(PATIENCE, socket.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert!(rest.ends_with(b"0\r\n\r\n"), "the answer is whole");
    }
    timeout(PATIENCE, scene.serving.join_next()).await.unwrap().unwrap().unwrap();
    assert!(began.elapsed() < PATIENCE / 2, "it waits for nobody who watches");
    let late = scene.answer("GET", "/admin/live", &[], "").await;
    assert!(late.into_body().frame().await.is_none(), "who comes later sees nothing");
}

#[tokio::test]
async fn who_goes_away_leaves_its_place() {
    let scene = alone().await;
    for _ in 0..3 {
        let mut sockets = Vec::new();
        for _ in 0..16 {
            sockets.push(watching(&scene).await);
        }
        drop(sockets);
        let free = async {
            let look = || scene.answer("GET", "/admin/live", &[], "");
            let mut held = Vec::new();
            while held.len() < 16 {
                let answer = look().await;
                if answer.status() == 200 {
                    held.push(answer);
                } else {
                    tokio::task::yield_now().await;
                }
            }
        };
        timeout(PATIENCE, free).await.expect("the places are free again");
    }
}

#[tokio::test]
async fn a_server_that_goes_away_and_comes_back_is_seen_to_do_so() {
    let (mut upstream, scene) = one(echo()).await;
    let mut viewer = Viewer::new(&scene, "/admin/live", &[]).await;
    let ready = viewer.named("picture").await;
    assert_eq!(ready.data["servers"][0]["state"], "ready", "{ready:?}");
    upstream.stop().await;
    let call =
        Request::post(&scene.url("/one/echo")).json(&json!({})).header("x-tool-timeout", "1");
    let _failed = call.send().await.unwrap();
    let gone = async {
        let told = viewer.named("journal").await;
        assert_eq!(told.data["server"], "one", "{told:?}");
        while viewer.named("picture").await.data["servers"][0]["state"] == "ready" {}
    };
    timeout(PATIENCE, gone).await.unwrap();
    upstream.restart().await.unwrap();
    let back =
        async { while viewer.named("picture").await.data["servers"][0]["state"] != "ready" {} };
    timeout(PATIENCE, back).await.unwrap();
}

#[tokio::test]
async fn calls_are_answered_beside_a_view_on_the_same_http_2_connection() {
    let upstream = HttpUpstream::start(echo()).await.unwrap();
    let scene = Setting::default().start(vec![server("one", &upstream.url())]).await;
    scene.ready(1).await;
    let socket = TcpStream::connect(scene.address).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(socket),
    );
    let (mut requests, connection) = handshake.await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let _ended = connection.await;
    });
    let ask = |method: &str, path: &str| {
        let own = [("host", "localhost")];
        request(method, &format!("http://localhost{path}"), &own, "{}")
    };
    let view = requests.send_request(ask("GET", "/admin/live")).await.unwrap();
    let mut view = view.into_body();
    assert!(view.frame().await.unwrap().is_ok());
    let called = requests.send_request(ask("POST", "/one/echo")).await.unwrap();
    assert_eq!(called.status(), 200);
    scene.stop.send_replace(true);
    let ended = async { while let Some(Ok(_)) = view.frame().await {} };
    timeout(PATIENCE, ended).await.unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_viewer_that_takes_nothing() {
    let mut scene = alone().await;
    let socket = TcpStream::connect(scene.address).await.unwrap();
    let mut builder =
        hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
    builder.initial_stream_window_size(16 << 10).adaptive_window(false);
    let handshake = builder.handshake(hyper_util::rt::TokioIo::new(socket));
    let (mut requests, connection) = handshake.await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let _ended = connection.await;
    });
    // Far more than the viewer has room for, which it never makes.
    happen(&scene, ENTRIES_MAX);
    let own = [("host", "localhost")];
    let request = request("GET", "http://localhost/admin/live?after=1", &own, "");
    let view = requests.send_request(request).await.unwrap();
    assert_eq!(view.status(), 200);
    let began = Instant::now();
    scene.stop.send_replace(true);
    timeout(PATIENCE, scene.serving.join_next()).await.unwrap().unwrap().unwrap();
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    drop(view);
}
