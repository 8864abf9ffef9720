//! Claims about the way through a proxy; how far a connection came is told of beside the faults.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// What the proxy is told of `user` and `word`.
const CREDENTIALS: &str = "Basic dXNlcjp3b3Jk";

async fn through(proxy: &TcpListener, origin: &str) -> Way {
    let proxy = format!("http://user:word@{}", proxy.local_addr().unwrap());
    let matcher = Matcher::builder().all(proxy).no("inside.invalid").build();
    Way::through(&origin.parse().unwrap(), || &matcher).unwrap()
}

#[tokio::test]
async fn what_is_plain_is_forwarded_by_the_proxy() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = through(&proxy, "http://upstream.invalid/mcp").await;
    assert!(way.is_forwarded());
    assert_eq!(way.proxy_credentials().unwrap(), CREDENTIALS);
    let (connected, accepted) = tokio::join!(way.connect(), proxy.accept());
    assert!(!connected.unwrap_or_else(|cause| panic!("{cause}")).is_h2);
    accepted.unwrap();
}

#[tokio::test]
async fn what_is_encrypted_goes_through_a_tunnel() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = through(&proxy, "https://upstream.invalid/mcp").await;
    assert!(!way.is_forwarded());
    assert!(way.proxy_credentials().is_none());
    let refusing = async {
        let (mut socket, _) = proxy.accept().await.unwrap();
        let mut request = vec![0; 1024];
        let read = socket.read(&mut request).await.unwrap();
        socket.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await.unwrap();
        String::from_utf8(request[..read].to_vec()).unwrap()
    };
    let (connected, request) = tokio::join!(way.connect(), refusing);
    assert!(request.starts_with("CONNECT upstream.invalid:443 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(CREDENTIALS), "{request}");
    let Err(Cause::Connect { stage, reason }) = connected.map(|_| ()) else {
        panic!("a connection");
    };
    assert_eq!(stage, Stage::Other);
    assert!(reason.contains("authorization"), "{reason}");
}

#[tokio::test]
async fn no_proxy_is_asked_for_what_is_near() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for origin in ["http://127.0.0.1:1/", "http://localhost:1/", "http://inside.invalid/"] {
        assert!(through(&proxy, origin).await.proxy.is_none(), "{origin}");
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_speak_http_is_not_spoken_to() {
    let matcher = Matcher::builder().all("socks5://user:word@127.0.0.1:1").build();
    let way = Way::through(&"http://upstream.invalid/".parse().unwrap(), || &matcher);
    let Err(Cause::Connect { reason, .. }) = way.map(|_| ()) else { panic!("a way") };
    assert!(reason.contains("proxy") && !reason.contains("word"), "{reason}");
}

#[tokio::test]
async fn what_says_how_an_upstream_is_reached_hides_the_proxys_credentials() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = through(&proxy, "http://upstream.invalid/mcp").await;
    let shown = format!("{way:?}");
    for secret in ["word", "dXNlcjp3b3Jk"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// `localhost` is two addresses on many machines, and most servers listen on one of them.
#[tokio::test]
async fn a_name_is_tried_at_each_of_its_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
    let way = Way::to(&url.parse().unwrap()).unwrap();
    let connected = way.connect().await;
    assert!(connected.is_ok(), "{:?}", connected.map(|_| ()));
}
