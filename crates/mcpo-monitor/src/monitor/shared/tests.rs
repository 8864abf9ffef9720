use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use mcpo_config::{Endpoint, Http, HttpKind};
use mcpo_core::fault::FaultKind;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time;

use super::*;
use crate::monitor::play::server;

/// Takes connections, counts them, and closes them.
struct Door {
    port: u16,
    count: Arc<AtomicUsize>,
    _open: JoinSet<()>,
}

impl Door {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it has one").port();
        let count = Arc::new(AtomicUsize::new(0));
        let (counted, mut open) = (Arc::clone(&count), JoinSet::new());
        open.spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { port, count, _open: open }
    }

    fn server(&self, path: &str) -> Server {
        let url = format!("http://127.0.0.1:{}/{path}", self.port).parse().expect("an address");
        let endpoint =
            Endpoint::Http(Http { url, headers: Vec::new(), kind: HttpKind::Streamable });
        Server { endpoint, ..server("up") }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn an_upstream_is_looked_at_once_however_many_ask() {
    let (door, shared) = (Door::open().await, Shared::default());
    let look = async |path: &str| {
        let deadline = Instant::now() + Duration::from_secs(10);
        shared.look(vec![door.server(path)], deadline).await
    };
    let (first, second) = tokio::join!(look("mcp"), look("mcp"));
    assert!(first["up"].fault.as_ref().is_some_and(|it| it.kind == FaultKind::Disconnected));
    assert!(second.is_empty(), "it is being looked at");
    let connections = door.count();
    assert!(connections > 0);
    assert_eq!(look("mcp").await, first);
    assert_eq!(door.count(), connections);
    // Another endpoint is another matter.
    look("other").await;
    let more = door.count();
    assert!(more > connections);
    time::pause();
    time::advance(LOOK_AGE_MAX).await;
    time::resume();
    look("other").await;
    assert!(door.count() > more);
}

#[test]
fn trends_are_made_once_for_each_sample() {
    let (shared, made) = (Shared::default(), Cell::new(0));
    let ask = || {
        shared.trends(|| {
            made.set(made.get() + 1);
            Vec::new()
        })
    };
    for samples in 1..=3 {
        ask();
        ask();
        assert_eq!(made.get(), samples);
        shared.has_sample();
    }
}
