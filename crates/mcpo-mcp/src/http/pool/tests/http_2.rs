//! Connections of HTTP/2, which many requests share.

use http::Response as Answer;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::*;
use crate::error::Sent;

#[tokio::test]
async fn one_connection_of_http_2_carries_many_requests_at_once() {
    let server = Server::start(|socket| async {
        let answer =
            service_fn(|_request| async { Ok::<_, Infallible>(Answer::new("hi".to_owned())) });
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _gone = builder.serve_connection(TokioIo::new(socket), answer).await;
    })
    .await;
    // What ALPN would say stands here for a server without certificates.
    let wire = server.part.pool.way.connect().await.unwrap().wire;
    drop(server.part.pool.share(wire).await.unwrap());
    for _ in 0..10 {
        let mut answers = Vec::new();
        for _ in 0..50 {
            answers.push(server.ask().await.unwrap());
        }
        for mut answer in answers {
            assert_eq!(answer.chunk().await.unwrap().unwrap(), "hi");
            assert!(answer.chunk().await.unwrap().is_none());
        }
    }
    assert_eq!(server.connections(), 1);
}

/// A session's own stream stays open for as long as the session: a hundred of them must not keep
/// all calls of their origin waiting.
#[tokio::test]
async fn streams_that_stay_open_leave_room_for_others() {
    let server = Server::start(|socket| async {
        let answer =
            service_fn(|_request| async { Ok::<_, Infallible>(Answer::new("hi".to_owned())) });
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.max_concurrent_streams(100);
        let _gone = builder.serve_connection(TokioIo::new(socket), answer).await;
    })
    .await;
    let mut open = Vec::new();
    for connections in 1..=3 {
        let wire = server.part.pool.way.connect().await.unwrap().wire;
        drop(server.part.pool.share(wire).await.unwrap());
        for _ in 0..STREAMS_MAX {
            open.push(server.ask().await.unwrap());
        }
        assert!(server.part.pool.kept().stream(Instant::now()).is_none());
        assert_eq!(server.part.pool.kept().shared.len(), connections);
    }
    // They are not closed for being used by nobody new, and there is room as soon as one ends.
    server.part.pool.kept().sweep(Instant::now() + IDLE_MAX);
    assert_eq!(server.part.pool.kept().shared.len(), 3);
    open.pop();
    assert!(server.part.pool.kept().stream(Instant::now()).is_some());
    open.clear();
    server.part.pool.kept().sweep(Instant::now() + IDLE_MAX);
    assert!(server.part.pool.kept().shared.is_empty());
}

/// One piece, and its end only once it is asked for a third time.
struct Slow {
    asked: usize,
    ended: Arc<AtomicUsize>,
}

impl Body for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        self.asked += 1;
        match self.asked {
            1 => Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(b"hi"))))),
            2 => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            _ => {
                self.ended.fetch_add(1, Ordering::Relaxed);
                Poll::Ready(None)
            }
        }
    }
}

#[tokio::test]
async fn an_answer_over_http_2_that_is_let_go_is_not_reset() {
    const REQUESTS: usize = 100;
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    let server = Server::start(move |socket| {
        let ended = Arc::clone(&count);
        async move {
            let answer = service_fn(move |_request| {
                let body = Slow { asked: 0, ended: Arc::clone(&ended) };
                async { Ok::<_, Infallible>(Answer::new(body)) }
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _gone = builder.serve_connection(TokioIo::new(socket), answer).await;
        }
    })
    .await;
    let wire = server.part.pool.way.connect().await.unwrap().wire;
    drop(server.part.pool.share(wire).await.unwrap());
    for _ in 0..REQUESTS {
        assert_eq!(server.ask().await.unwrap().let_go(), 200);
    }
    server.until(|_| ended.load(Ordering::Relaxed) == REQUESTS).await;
    assert_eq!(server.connections(), 1);
}

/// An empty frame of settings, with which a server of HTTP/2 begins.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// What a request over HTTP/2 says of itself that is answered with this frame, and no more.
async fn answered_with(frame: &'static [u8]) -> Sent {
    let server = Server::start(move |mut socket| async move {
        socket.write_all(SETTINGS).await.unwrap();
        converse(socket, frame, 1).await;
    })
    .await;
    let wire = server.part.pool.way.connect().await.unwrap().wire;
    drop(server.part.pool.share(wire).await.unwrap());
    server.ask().await.unwrap_err().sent
}

#[tokio::test]
async fn a_stream_that_was_not_looked_at_was_not_sent() {
    // RFC 9113, sections 6.4 and 6.8: a reset of stream 1, and the last stream that was looked at.
    let refused = b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x07";
    assert_eq!(answered_with(refused).await, Sent::No);
    let going_before_it = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0";
    assert_eq!(answered_with(going_before_it).await, Sent::No);
    let cancelled = b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08";
    assert_eq!(answered_with(cancelled).await, Sent::Maybe);
    let going_after_it = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0";
    assert_eq!(answered_with(going_after_it).await, Sent::Maybe);
    assert_eq!(answered_with(b"").await, Sent::Maybe);
}

/// A body without end.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(&[0; 1024])))))
    }
}

#[tokio::test]
async fn a_rest_without_end_is_not_taken() {
    let server = Server::start(|socket| async {
        let answer = service_fn(|_request| async { Ok::<_, Infallible>(Answer::new(Endless)) });
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _gone = builder.serve_connection(TokioIo::new(socket), answer).await;
    })
    .await;
    let wire = server.part.pool.way.connect().await.unwrap().wire;
    drop(server.part.pool.share(wire).await.unwrap());
    let began = Instant::now();
    assert_eq!(server.ask().await.unwrap().let_go(), 200);
    server
        .until(|kept| {
            while kept.rests.try_join_next().is_some() {}
            kept.rests.is_empty()
        })
        .await;
    assert!(began.elapsed() < DRAINING_MAX, "it was its length that ended it");
}
