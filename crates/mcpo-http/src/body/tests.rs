use http::HeaderValue;
use http_body_util::{Full, StreamBody};
use tokio::time::{Instant, sleep};

use super::*;

fn chunks(chunks: &'static [&'static str]) -> impl Body<Data = Bytes> + Unpin {
    let frames = chunks.iter().map(|chunk| {
        Ok::<_, std::convert::Infallible>(http_body::Frame::data(Bytes::from_static(
            chunk.as_bytes(),
        )))
    });
    StreamBody::new(futures_util::stream::iter(frames))
}

async fn read<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    Bodies::new(limit).read(headers, body).await.map(|whole| whole.bytes)
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
    let began = Instant::now();
    let refused = read(&HeaderMap::new(), never, 4).await;
    assert!(matches!(refused, Err(Problem::BodyTooSlow)), "{refused:?}");
    assert_eq!(began.elapsed().as_secs(), BODY_TIME_MAX.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_bit_by_bit_gains_no_time() {
    let bits = futures_util::stream::unfold((), |()| async {
        sleep(Duration::from_secs(1)).await;
        let bit = http_body::Frame::data(Bytes::from_static(b"a"));
        Some((Ok::<_, std::convert::Infallible>(bit), ()))
    });
    let began = Instant::now();
    let refused = read(&HeaderMap::new(), StreamBody::new(Box::pin(bits)), 1 << 10).await;
    assert!(matches!(refused, Err(Problem::BodyTooSlow)), "{refused:?}");
    assert_eq!(began.elapsed().as_secs(), BODY_TIME_MAX.as_secs());
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
    let one = bodies.read(&headers, half()).await.unwrap();
    let _two = bodies.read(&headers, half()).await.unwrap();
    let refused = bodies.read(&headers, half()).await;
    assert!(matches!(refused, Err(Problem::NoRoomForBody)), "{refused:?}");
    let small = bodies.read(&headers, Full::from(vec![0; PIECE_BYTES - 1])).await.unwrap();
    assert_eq!(small.bytes.len(), PIECE_BYTES - 1);
    drop(one);
    bodies.read(&headers, half()).await.unwrap();
}
