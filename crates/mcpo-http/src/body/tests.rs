use http::HeaderValue;
use http_body_util::{Full, StreamBody};

use super::*;

fn chunks(chunks: &'static [&'static str]) -> impl Body<Data = Bytes> + Unpin {
    let frames = chunks.iter().map(|chunk| {
        Ok::<_, std::convert::Infallible>(http_body::Frame::data(Bytes::from_static(
            chunk.as_bytes(),
        )))
    });
    StreamBody::new(futures_util::stream::iter(frames))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(1)
}

async fn read<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    Bodies::new(limit).read(headers, body, soon()).await.map(|whole| whole.bytes)
}

#[tokio::test]
async fn a_body_is_read_whole_within_its_bound() {
    let headers = HeaderMap::new();
    let whole = read(&headers, chunks(&["ab", "", "cd"]), 4).await.unwrap();
    assert_eq!(whole, "abcd");
    assert_eq!(read(&headers, Full::<Bytes>::default(), 0).await.unwrap(), "");
    assert_eq!(read(&headers, Full::from("abcd"), 4).await.unwrap(), "abcd");
    for refused in [
        read(&headers, Full::from("abcde"), 4).await,
        read(&headers, chunks(&["abcde"]), 4).await,
        read(&headers, chunks(&["abc", "de"]), 4).await,
        read(
            &HeaderMap::from_iter([(EXPECT, HeaderValue::from_static("100-continue"))]),
            Full::from("abcde"),
            4,
        )
        .await,
    ] {
        assert!(matches!(refused, Err(Problem::BodyTooLarge { limit: 4 })), "{refused:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_coming_is_too_slow() {
    type Never =
        futures_util::stream::Pending<Result<http_body::Frame<Bytes>, std::convert::Infallible>>;
    let never: StreamBody<Never> = StreamBody::new(futures_util::stream::pending());
    let refused = read(&HeaderMap::new(), never, 4).await;
    assert!(matches!(refused, Err(Problem::BodyTooSlow)), "{refused:?}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_unreadable() {
    let broken =
        [Ok(http_body::Frame::data(Bytes::from_static(b"a"))), Err(std::io::Error::other("gone"))];
    let broken = StreamBody::new(futures_util::stream::iter(broken));
    let refused = read(&HeaderMap::new(), broken, 4).await;
    assert!(matches!(refused, Err(Problem::BodyUnreadable)), "{refused:?}");
}

#[tokio::test]
async fn large_bodies_share_their_room_and_small_ones_need_none() {
    let headers = HeaderMap::new();
    let half = || Full::from(vec![0; BODIES_BYTES_MAX / 2]);
    let bodies = Bodies::new(BODIES_BYTES_MAX);
    let one = bodies.read(&headers, half(), soon()).await.unwrap();
    let _two = bodies.read(&headers, half(), soon()).await.unwrap();
    let refused = bodies.read(&headers, half(), soon()).await;
    assert!(matches!(refused, Err(Problem::NoRoomForBody)), "{refused:?}");
    let small = bodies.read(&headers, Full::from(vec![0; PIECE_BYTES - 1]), soon()).await.unwrap();
    assert_eq!(small.bytes.len(), PIECE_BYTES - 1);
    drop(one);
    bodies.read(&headers, half(), soon()).await.unwrap();
}
