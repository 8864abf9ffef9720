//! The network goes bad as told, and heals.

use std::time::Duration;

use mcpo_testkit::{Cut, FaultProxy, Requests, Slice, Weather};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Long enough for anything that must happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long something that must not happen is watched for.
const MOMENT: Duration = Duration::from_millis(100);

/// A proxy before a server that sends back what it gets.
async fn echo() -> (FaultProxy, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            connections.spawn(async move {
                let (mut from, mut to) = socket.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    (FaultProxy::start(address).await.unwrap(), tasks)
}

async fn connect(proxy: &FaultProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn read(socket: &mut TcpStream, bytes: usize) -> std::io::Result<Vec<u8>> {
    let mut text = vec![0; bytes];
    timeout(PATIENCE, socket.read_exact(&mut text)).await.unwrap()?;
    Ok(text)
}

async fn echoes(socket: &mut TcpStream) {
    socket.write_all(b"hello").await.unwrap();
    assert_eq!(read(socket, 5).await.unwrap(), b"hello");
}

async fn is_reset(socket: &mut TcpStream) {
    let error = read(socket, 1).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

async fn is_silent(socket: &mut TcpStream) {
    assert!(timeout(MOMENT, socket.read_u8()).await.is_err());
}

#[tokio::test]
async fn it_passes_everything_on_and_ends_when_either_side_ends() {
    let (proxy, _server) = echo().await;
    let mut socket = connect(&proxy).await;
    echoes(&mut socket).await;
    let long = vec![7; 1 << 20];
    let (mut from, mut to) = socket.split();
    let mut back = vec![0; long.len()];
    let (sent, received) = tokio::join!(to.write_all(&long), from.read_exact(&mut back));
    assert!(sent.is_ok() && received.is_ok() && back == long);
    socket.shutdown().await.unwrap();
    assert_eq!(socket.read(&mut [0]).await.unwrap(), 0);
    assert_eq!((proxy.accepted(), proxy.withheld()), (1, 0));
}

#[tokio::test]
async fn requests_are_reset_on_old_and_new_connections_until_it_heals() {
    let (proxy, _server) = echo().await;
    let mut old = connect(&proxy).await;
    echoes(&mut old).await;
    proxy.set(Weather { requests: Requests::Reset, ..Weather::default() });
    let mut new = connect(&proxy).await;
    for socket in [&mut old, &mut new] {
        socket.write_all(b"hello").await.unwrap();
        is_reset(socket).await;
    }
    assert_eq!(proxy.withheld(), 2);
    proxy.set(Weather::default());
    echoes(&mut connect(&proxy).await).await;
}

#[tokio::test]
async fn existing_connections_are_reset_or_closed_and_new_ones_work() {
    let (proxy, _server) = echo().await;
    let mut socket = connect(&proxy).await;
    echoes(&mut socket).await;
    proxy.reset_existing();
    is_reset(&mut socket).await;
    let mut socket = connect(&proxy).await;
    echoes(&mut socket).await;
    proxy.close_existing();
    assert_eq!(timeout(PATIENCE, socket.read(&mut [0])).await.unwrap().unwrap(), 0);
    echoes(&mut connect(&proxy).await).await;
}

#[tokio::test]
async fn it_refuses_and_listens_again_on_its_port() {
    let (mut proxy, _server) = echo().await;
    let mut old = connect(&proxy).await;
    echoes(&mut old).await;
    proxy.refuse().await;
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    echoes(&mut old).await;
    proxy.listen().await.unwrap();
    echoes(&mut connect(&proxy).await).await;
}

#[tokio::test]
async fn a_black_hole_swallows_and_what_fell_in_stays_there() {
    let (proxy, _server) = echo().await;
    let mut old = connect(&proxy).await;
    echoes(&mut old).await;
    proxy.set(Weather { requests: Requests::Swallow, ..Weather::default() });
    let mut new = connect(&proxy).await;
    for socket in [&mut old, &mut new] {
        socket.write_all(b"hello").await.unwrap();
        is_silent(socket).await;
    }
    proxy.set(Weather::default());
    is_silent(&mut old).await;
    echoes(&mut connect(&proxy).await).await;
    proxy.reset_existing();
    is_reset(&mut old).await;
}

#[tokio::test]
async fn a_half_open_connection_is_not_told_and_new_ones_work() {
    let (proxy, _server) = echo().await;
    let mut old = connect(&proxy).await;
    echoes(&mut old).await;
    proxy.half_open_existing();
    is_silent(&mut old).await;
    old.write_all(b"anybody there?").await.unwrap();
    is_silent(&mut old).await;
    echoes(&mut connect(&proxy).await).await;
}

#[tokio::test]
async fn an_answer_is_cut_after_so_many_bytes_by_a_reset_or_an_end() {
    let (proxy, _server) = echo().await;
    for reset in [false, true] {
        proxy.set(Weather { cut: Some(Cut { after_bytes: 3, reset }), ..Weather::default() });
        let mut socket = connect(&proxy).await;
        socket.write_all(b"hello").await.unwrap();
        if reset {
            // A reset may overtake the bytes before it.
            let mut text = Vec::new();
            let ended = timeout(PATIENCE, socket.read_to_end(&mut text)).await.unwrap();
            assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        } else {
            assert_eq!(read(&mut socket, 3).await.unwrap(), b"hel");
            assert_eq!(socket.read(&mut [0]).await.unwrap(), 0);
        }
    }
}

#[tokio::test]
async fn slow_weather_takes_at_least_its_time_and_changes_nothing() {
    let ms = Duration::from_millis;
    let slice = Slice { bytes: 2, pause: ms(20) };
    for (weather, least) in [
        (Weather { delay_up: ms(40), delay_down: ms(30), ..Weather::default() }, ms(70)),
        // Three pieces with two pauses between them.
        (Weather { slice: Some(slice), ..Weather::default() }, ms(40)),
        (Weather { bandwidth: Some(50), ..Weather::default() }, ms(200)),
    ] {
        let (proxy, _server) = echo().await;
        proxy.set(weather);
        let mut socket = connect(&proxy).await;
        let began = Instant::now();
        echoes(&mut socket).await;
        assert!(began.elapsed() >= least, "{weather:?} took {:?}", began.elapsed());
        proxy.set(Weather::default());
        echoes(&mut socket).await;
    }
}

#[tokio::test]
async fn without_an_upstream_a_connection_is_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let proxy = FaultProxy::start(address).await.unwrap();
    is_reset(&mut connect(&proxy).await).await;
}
