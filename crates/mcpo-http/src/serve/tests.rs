use mcpo_config::{Access, Limits, Load, Mode, Monitoring, Site};
use mcpo_monitor::monitor::{Monitor, MonitorOptions};
use mcpo_policy::pipeline::{Pipeline, PipelineOptions};
use mcpo_upstream::directory::Directory;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::*;
use crate::surface::SurfaceOptions;

struct Serving {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    tasks: JoinSet<()>,
}

fn serve_options(grace: Duration) -> ServeOptions {
    ServeOptions { connections_max: Load::MAX_CONNECTIONS, grace }
}

async fn serving(grace: Duration) -> Serving {
    let options = SurfaceOptions {
        access: Access { api_key: None, strict: false, cors_origins: vec!["*".to_owned()] },
        site: Site {
            name: None,
            description: None,
            version: None,
            root_path: String::new(),
            path_prefix: "/".to_owned(),
        },
        limits: Limits { body_bytes_max: 1000, ..Limits::default() },
        load: Load::default(),
        mode: Mode::Single,
    };
    let directory = Directory::new();
    let pipeline = Pipeline::new(PipelineOptions::default(), directory.journal());
    let monitor = Monitor::new(
        MonitorOptions {
            monitoring: Monitoring::default(),
            port: 0,
            servers: watch::channel(Arc::default()).1,
            pipeline: pipeline.gauge(),
        },
        directory.clone(),
    );
    let surface = Arc::new(Surface::new(options, directory, pipeline, monitor));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(vec![listener], surface, serve_options(grace), async move {
        let _told = stopped.await;
    }));
    Serving { address, stop, tasks }
}

async fn exchange(socket: &mut TcpStream, request: &str) -> String {
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if length.is_none_or(|length| body.len() >= length.parse().unwrap()) {
                return text.into_owned();
            }
        }
        assert_ne!(
            socket.read_buf(&mut answer).await.unwrap(),
            0,
            "closed: {}",
            String::from_utf8_lossy(&answer)
        );
    }
}

const LIVEZ: &str = "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn a_connection_serves_many_requests_and_ends_with_the_stop() {
    let mut serving = serving(Duration::from_secs(5)).await;
    let mut socket = TcpStream::connect(serving.address).await.unwrap();
    for _ in 0..3 {
        assert!(exchange(&mut socket, LIVEZ).await.starts_with("HTTP/1.1 200 OK"));
    }
    serving.stop.send(()).unwrap();
    assert_eq!(socket.read(&mut [0; 8]).await.unwrap(), 0, "an idle connection is closed at once");
    serving.tasks.join_next().await.unwrap().unwrap();
    assert!(TcpStream::connect(serving.address).await.is_err());
}

#[tokio::test]
async fn a_request_under_way_may_finish_within_the_grace() {
    let mut serving = serving(Duration::from_secs(5)).await;
    let mut socket = TcpStream::connect(serving.address).await.unwrap();
    assert!(exchange(&mut socket, LIVEZ).await.starts_with("HTTP/1.1 200 OK"));
    serving.stop.send(()).unwrap();
    serving.tasks.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn after_the_grace_what_is_left_is_cut_off() {
    let mut serving = serving(Duration::from_millis(50)).await;
    let mut socket = TcpStream::connect(serving.address).await.unwrap();
    // Half a head: the connection waits for the rest.
    socket.write_all(b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n").await.unwrap();
    serving.stop.send(()).unwrap();
    serving.tasks.join_next().await.unwrap().unwrap();
    let closed = socket.read(&mut [0; 8]).await;
    assert!(closed.is_err() || closed.is_ok_and(|read| read == 0));
}

#[tokio::test]
async fn http_2_is_spoken_on_the_same_port() {
    let serving = serving(Duration::from_secs(5)).await;
    let socket = TcpStream::connect(serving.address).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        TokioIo::new(socket),
    );
    let (mut requests, connection) = handshake.await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let _ended = connection.await;
    });
    let request = http::Request::get("http://a/livez")
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    assert_eq!(requests.send_request(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn head_is_answered_without_a_body_and_garbage_with_400() {
    let serving = serving(Duration::from_secs(5)).await;
    let mut socket = TcpStream::connect(serving.address).await.unwrap();
    socket
        .write_all(b"HEAD /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(answer.contains("content-length: 15"), "{answer}");
    let mut socket = TcpStream::connect(serving.address).await.unwrap();
    socket.write_all(b"garbage\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}
