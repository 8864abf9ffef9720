use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// What an order looks like to who reads it from a socket and gives that answer.
async fn heard(base: &str, answer: &'static str) -> (String, Result<Told, RemoteError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{base}", listener.local_addr().unwrap());
    let remote = Remote::new(&url, Some(&Secret::new("sesame"))).unwrap();
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert_ne!(socket.read_buf(&mut head).await.unwrap(), 0);
        }
        socket.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    };
    tokio::join!(server, remote.order("two words/ß", "hold", PATIENCE))
}

#[tokio::test]
async fn an_order_names_its_server_and_shows_the_key() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let (head, told) = heard("/api/", answer).await;
    assert!(
        head.starts_with("POST /api/admin/servers/two%20words%2F%C3%9F/hold HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("authorization: Bearer sesame\r\n"), "{head}");
    let told = told.unwrap();
    assert_eq!((told.status, &told.body[..]), (200, &b"{}"[..]));
}

#[tokio::test]
async fn what_is_no_answer_is_told_as_that() {
    let (_, told) = heard("", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}").await;
    assert!(matches!(told, Err(RemoteError::Broken(..))), "{told:?}");
    let (_, told) = heard("", "SSH-2.0-x\r\n").await;
    assert!(matches!(told, Err(RemoteError::Broken(..))), "{told:?}");
}

#[tokio::test]
async fn where_nobody_listens_nobody_is_reached() {
    let remote = Remote::new("http://127.0.0.1:1", None).unwrap();
    let told = remote.servers(PATIENCE).await;
    assert!(matches!(told, Err(RemoteError::Unreachable(..))), "{told:?}");
}

#[test]
fn only_plain_urls_are_taken() {
    for (url, says) in [
        ("https://host", "https:// is not spoken here"),
        ("host:8000", "`host:8000` is no URL of the form http://HOST:PORT"),
        ("http://user:key@host", "the URL has a user in it"),
        ("user:key@host:80", "the URL has a user in it"),
        ("", "`` is no URL of the form http://HOST:PORT"),
    ] {
        assert_eq!(Remote::new(url, None).unwrap_err().to_string(), says, "{url}");
    }
    let remote = Remote::new("http://[::1]:8000/api/", None).unwrap();
    assert_eq!(remote.address(), "http://[::1]:8000/api");
    assert!(matches!(
        Remote::new("http://h", Some(&Secret::new("a\nb"))),
        Err(RemoteError::BadKey)
    ));
}

#[tokio::test]
async fn what_is_known_is_asked_for_by_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    let remote = Remote::new(&url, None).unwrap();
    let server = async {
        let mut asked = Vec::new();
        for _ in 0..8 {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                assert_ne!(socket.read_buf(&mut head).await.unwrap(), 0);
            }
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
            asked.push(String::from_utf8(head).unwrap().lines().next().unwrap().to_owned());
        }
        asked
    };
    let asking = async {
        remote.picture(PATIENCE).await.unwrap();
        remote.metrics(PATIENCE).await.unwrap();
        remote.alerts(PATIENCE).await.unwrap();
        remote.diagnostics(PATIENCE).await.unwrap();
        remote.cache(PATIENCE).await.unwrap();
        remote.purge(None, None, PATIENCE).await.unwrap();
        remote.purge(Some("two words"), Some("a&b"), PATIENCE).await.unwrap();
        let journal = JournalQuery { after: Some(3), server: Some("ß"), limit: None };
        remote.journal(journal, PATIENCE).await.unwrap();
    };
    let (asked, ()) = tokio::join!(server, asking);
    let wanted = [
        "GET /api/admin/picture",
        "GET /api/metrics?format=json",
        "GET /api/alerts",
        "GET /api/diagnostics",
        "GET /api/admin/cache",
        "POST /api/admin/cache",
        "POST /api/admin/cache?server=two%20words&tool=a%26b",
        "GET /api/admin/journal?after=3&server=%C3%9F",
    ];
    assert_eq!(asked, wanted.map(|line| format!("{line} HTTP/1.1")));
}
