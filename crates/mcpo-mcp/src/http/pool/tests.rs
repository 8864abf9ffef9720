//! Claims about which connections requests go over, against real sockets.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::http::reply::whole_body;

mod http_2;

/// How long anything in here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a port of its own; it ends with this.
struct Server {
    url: Url,
    part: Part,
    connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Each connection is served by `converse`.
    async fn start<F>(converse: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let count = Arc::clone(&connections);
        tasks.spawn(async move {
            let mut conversations = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                conversations.spawn(converse(socket));
            }
        });
        Self { part: Part::of(&url).unwrap(), url, connections, _tasks: tasks }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    async fn ask(&self) -> Result<Response, RequestError> {
        self.ask_as(&self.part).await
    }

    async fn ask_as(&self, part: &Part) -> Result<Response, RequestError> {
        let handed_over = HandedOver::default();
        let compose = |is_h2| {
            let mut request = Request::new(handed_over.body(Some(Bytes::from_static(b"?"))));
            *request.method_mut() = http::Method::POST;
            let target = if is_h2 { "http://localhost/" } else { "/" };
            *request.uri_mut() = http::Uri::from_static(target);
            request
        };
        timeout(PATIENCE, part.send(compose, &handed_over)).await.unwrap()
    }

    async fn ask_and_read(&self) {
        let mut answer = self.ask().await.unwrap();
        while answer.chunk().await.unwrap().is_some() {}
    }

    /// Until the other side's doing is seen.
    async fn until(&self, seen: impl Fn(&mut Kept) -> bool) {
        let seen = async {
            while !seen(&mut self.part.pool.kept()) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, seen).await.unwrap();
    }
}

/// Answers each request with these bytes, and closes after so many.
async fn converse(mut socket: TcpStream, answer: &'static [u8], requests_max: usize) {
    let mut buffer = [0; 4096];
    for _ in 0..requests_max {
        let mut request = Vec::new();
        while !request.ends_with(b"?") {
            let Ok(read @ 1..) = socket.read(&mut buffer).await else { return };
            request.extend_from_slice(&buffer[..read]);
        }
        if socket.write_all(answer).await.is_err() {
            return;
        }
    }
}

const SHORT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";

#[tokio::test]
async fn requests_one_after_the_other_share_a_connection() {
    for answer in [SHORT, CHUNKED] {
        let server = Server::start(move |socket| converse(socket, answer, usize::MAX)).await;
        for _ in 0..20 {
            server.ask_and_read().await;
        }
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_is_let_go_leaves_its_connection_to_the_next_request() {
    let server = Server::start(|socket| converse(socket, CHUNKED, usize::MAX)).await;
    for _ in 0..20 {
        assert_eq!(server.ask().await.unwrap().let_go(), 200);
        server
            .until(|kept| {
                kept.settle(Instant::now());
                !kept.idle.is_empty()
            })
            .await;
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_answer_that_is_dropped_closes_its_connection() {
    let server = Server::start(|socket| {
        converse(socket, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", usize::MAX)
    })
    .await;
    drop(server.ask().await.unwrap());
    assert!(server.part.pool.kept().idle.is_empty());
    drop(server.ask().await.unwrap());
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_unused_fails_no_request() {
    let server = Server::start(|socket| converse(socket, SHORT, 1)).await;
    for count in 1..=20 {
        server.ask_and_read().await;
        assert_eq!(server.connections(), count);
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_while_unused_is_swept_away() {
    let server = Server::start(|socket| converse(socket, SHORT, 1)).await;
    server.ask_and_read().await;
    server
        .until(|kept| {
            kept.sweep(Instant::now());
            kept.idle.is_empty()
        })
        .await;
}

#[tokio::test]
async fn what_is_unused_for_too_long_is_closed() {
    let server = Server::start(|socket| converse(socket, SHORT, usize::MAX)).await;
    server.ask_and_read().await;
    server.part.pool.kept().sweep(Instant::now());
    assert_eq!(server.part.pool.kept().idle.len(), 1);
    server.part.pool.kept().sweep(Instant::now() + IDLE_MAX);
    assert!(server.part.pool.kept().idle.is_empty());
}

#[tokio::test]
async fn a_connection_is_closed_before_its_server_closes_it() {
    for (says, seconds_max) in [
        ("Keep-Alive: timeout=5", 4),
        ("keep-alive: max=100, timeout=20", 19),
        ("Keep-Alive: timeout=600", 50),
        ("Keep-Alive: timeout=soon", 50),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{says}\r\nContent-Length: 2\r\n\r\nhi").leak();
        let server = Server::start(|socket| converse(socket, answer.as_bytes(), usize::MAX)).await;
        server.ask_and_read().await;
        let closed_at = Instant::now() + Duration::from_secs(seconds_max);
        server.part.pool.kept().sweep(closed_at - Duration::from_secs(1));
        assert_eq!(server.part.pool.kept().idle.len(), 1, "{says}");
        server.part.pool.kept().sweep(closed_at);
        assert!(server.part.pool.kept().idle.is_empty(), "{says}");
    }
}

#[tokio::test]
async fn those_that_wait_for_one_connection_share_its_failure() {
    const REQUESTS: usize = 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let pool = Pool::of(&url).unwrap();
    pool.kept().speaks_h2 = true;
    // As if one were being made, and failed while the others wait.
    let mut making = pool.making.lock().await;
    let mut waiting = JoinSet::new();
    for _ in 0..REQUESTS {
        let pool = Arc::clone(&pool);
        waiting.spawn(async move { pool.connect().await.map(|_| ()) });
    }
    tokio::task::yield_now().await;
    *making = Some((Instant::now(), Cause::Broken("by another".to_owned())));
    drop(making);
    for failed in waiting.join_all().await {
        assert!(matches!(failed, Err(Cause::Broken(_))), "{failed:?}");
    }
    // Whoever asks later finds out anew.
    let failed = pool.connect().await.map(|_| ());
    assert!(matches!(failed, Err(Cause::Connect { .. })), "{failed:?}");
}

#[tokio::test]
async fn an_origin_that_speaks_http_2_no_more_is_noticed() {
    let server = Server::start(|socket| converse(socket, SHORT, usize::MAX)).await;
    server.part.pool.kept().speaks_h2 = true;
    server.ask_and_read().await;
    assert!(!server.part.pool.kept().speaks_h2);
}

#[tokio::test]
async fn no_more_connections_are_kept_unused_than_the_bound() {
    let server = Server::start(|socket| converse(socket, CHUNKED, usize::MAX)).await;
    let mut answers = Vec::new();
    for _ in 0..=IDLE_CONNECTIONS_MAX {
        answers.push(server.ask().await.unwrap());
    }
    for answer in answers {
        answer.let_go();
        server
            .until(|kept| {
                kept.settle(Instant::now());
                kept.draining.is_empty()
            })
            .await;
    }
    assert_eq!(server.part.pool.kept().idle.len(), IDLE_CONNECTIONS_MAX);
}

#[tokio::test]
async fn one_that_hangs_leaves_connections_to_the_others_of_its_origin() {
    const HANGING: usize = 10;
    let server = Server::start(|socket| converse(socket, SHORT, usize::MAX)).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(server.ask().await.unwrap());
    }
    for mut answer in answers {
        while answer.chunk().await.unwrap().is_some() {}
    }
    assert_eq!(server.part.pool.kept().idle.len(), 4);
    // Nobody reads these answers: their connections stay in use.
    let one_that_hangs = Part::of(&server.url).unwrap();
    let mut hanging = Vec::new();
    for _ in 0..HANGING {
        hanging.push(server.ask_as(&one_that_hangs).await.unwrap());
    }
    assert_eq!(server.part.pool.kept().idle.len(), 1);
    let before = server.connections();
    for _ in 0..20 {
        server.ask_and_read().await;
    }
    assert_eq!(server.connections(), before);
    // It counts for as long as it uses them.
    drop(hanging);
    assert_eq!(seats(&one_that_hangs.in_use), 0);
}

/// What is left in a connection by a request that was given up must never be read as the answer to
/// another one.
#[tokio::test]
async fn a_request_that_is_given_up_leaves_nothing_to_the_next() {
    let asked = Arc::new(Notify::new());
    let seen = Arc::clone(&asked);
    let server = Server::start(move |mut socket| {
        let seen = Arc::clone(&seen);
        async move {
            let mut buffer = [0; 4096];
            while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                seen.notify_one();
            }
        }
    })
    .await;
    for count in 1..=3 {
        tokio::select! {
            _ = server.ask() => panic!("an answer"),
            () = asked.notified() => {}
        }
        let kept = server.part.pool.kept();
        assert!(kept.idle.is_empty() && kept.draining.is_empty());
        assert_eq!(server.connections(), count);
    }
}

#[tokio::test]
async fn what_follows_an_answer_unasked_is_nobodys() {
    const TWO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\
        HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate";
    let server = Server::start(|socket| converse(socket, TWO, usize::MAX)).await;
    for count in 1..=3 {
        let mut answer = server.ask().await.unwrap();
        assert_eq!(answer.chunk().await.unwrap().unwrap(), "hi");
        assert!(answer.chunk().await.unwrap().is_none());
        assert_eq!(server.connections(), count);
    }
}

#[tokio::test]
async fn an_answer_that_promises_too_much_is_not_awaited() {
    let server = Server::start(|socket| async {
        let mut socket = socket;
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 134217729\r\n\r\nhi").await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let mut answer = server.ask().await.unwrap();
    let body = timeout(PATIENCE, whole_body(&mut answer)).await.unwrap();
    assert!(matches!(body, Err(Cause::TooLarge { .. })), "{body:?}");
}

#[tokio::test]
async fn an_answer_that_says_so_is_the_last_of_its_connection() {
    const LAST: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    const SWITCHED: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    const ENDLESS: &[u8] = b"HTTP/1.0 200 OK\r\n\r\nhi";
    for answer in [LAST, SWITCHED] {
        let server = Server::start(move |socket| converse(socket, answer, usize::MAX)).await;
        server.ask_and_read().await;
        assert!(server.part.pool.kept().idle.is_empty());
        server.ask_and_read().await;
        assert_eq!(server.connections(), 2);
    }
    let server = Server::start(|socket| converse(socket, ENDLESS, 1)).await;
    server.ask_and_read().await;
    assert!(server.part.pool.kept().idle.is_empty());
}

#[tokio::test]
async fn an_answer_without_a_body_leaves_its_connection_to_the_next_request() {
    for answer in [
        &b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"[..],
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ] {
        let server = Server::start(move |socket| converse(socket, answer, usize::MAX)).await;
        for _ in 0..3 {
            server.ask().await.unwrap().let_go();
        }
        assert_eq!(server.connections(), 1, "{}", String::from_utf8_lossy(answer));
    }
}

#[tokio::test]
async fn sessions_with_one_origin_share_its_connections() {
    let here: Url = "http://127.0.0.1:9/a".parse().unwrap();
    let pool = Pool::of(&here).unwrap();
    assert!(Arc::ptr_eq(&pool, &Pool::of(&here.join("/b").unwrap()).unwrap()));
    let elsewhere: Url = "http://127.0.0.1:10/a".parse().unwrap();
    assert!(!Arc::ptr_eq(&pool, &Pool::of(&elsewhere).unwrap()));
}
