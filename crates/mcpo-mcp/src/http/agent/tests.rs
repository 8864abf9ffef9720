//! Claims about how far a connection came.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::http::way::Way;

async fn stage_at(url: &str) -> Stage {
    let way = Way::to(&url.parse().expect("an address")).expect("a way");
    match way.connect().await.map(|_| ()) {
        Err(Cause::Connect { stage, .. }) => stage,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    assert_eq!(stage_at(&format!("http://{address}/")).await, Stage::Refused);
    assert_eq!(stage_at(&format!("https://{address}/")).await, Stage::Refused);
}

#[tokio::test]
async fn a_name_without_an_address() {
    // RFC 6761: never resolved.
    assert_eq!(stage_at("http://nobody.invalid/").await, Stage::Name);
}

#[tokio::test]
async fn one_that_does_not_speak_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let plain = async {
        let (mut stream, _) = listener.accept().await.expect("it comes");
        let _hello = stream.read(&mut [0; 1024]).await;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("it reads");
        std::future::pending::<()>().await;
    };
    let url = format!("https://{address}/");
    tokio::select! {
        stage = stage_at(&url) => assert_eq!(stage, Stage::Tls),
        () = plain => {}
    }
}

#[test]
fn no_way_there() {
    for kind in [io::ErrorKind::TimedOut, io::ErrorKind::HostUnreachable] {
        assert_eq!(stage_of(&io::Error::from(kind)), Some(Stage::Route));
    }
    assert_eq!(stage_of(&io::Error::other("a proxy's whim")), None);
}
