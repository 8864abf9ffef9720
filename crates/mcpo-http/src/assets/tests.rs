use http_body_util::BodyExt;

use super::*;

fn asking(encoding: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(encoding))])
}

async fn bytes(answer: Answer) -> Bytes {
    answer.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn every_file_unpacks_for_those_who_cannot() {
    for asset in &ASSETS {
        let packed = asset.answer(&asking("br, gzip;q=0.5"));
        let plain = asset.answer(&asking("gzip;q=0, identity"));
        assert!(!plain.headers().contains_key(CONTENT_ENCODING));
        let plain = bytes(plain).await;
        assert!(!plain.is_empty());
        if packed.headers().get(CONTENT_ENCODING).is_some() {
            assert_eq!(unpacked(&bytes(packed).await), plain);
        } else {
            assert_eq!(bytes(packed).await, plain);
        }
    }
}

#[test]
fn what_is_packed_goes_to_those_alone_who_unpack_it() {
    for taken in ["gzip", "GZip", "br,gzip", "gzip;q=0.001", "gzip ; q=1", "identity;q=0, gzip"] {
        assert!(takes_gzip(&asking(taken)), "{taken}");
    }
    for refused in
        ["", "br", "identity", "gzipped", "gzip;q=0", "gzip; q=0.000", "gzip;Q=0", "gzip;q=0, *"]
    {
        assert!(!takes_gzip(&asking(refused)), "{refused}");
    }
    assert!(!takes_gzip(&HeaderMap::new()));
}

#[test]
fn what_is_not_packed_is_refused_by_its_name_or_with_all_that_has_none() {
    for refused in ["identity;q=0", "gzip, identity; q=0.0", "Identity;Q=0, *", "gzip, *;q=0"] {
        assert!(refuses_plain(&asking(refused)), "{refused}");
    }
    for taken in ["", "gzip", "*", "identity", "identity;q=0.1, *;q=0", "gzip;q=0", "br;q=0"] {
        assert!(!refuses_plain(&asking(taken)), "{taken}");
    }
    assert!(!refuses_plain(&HeaderMap::new()));
}

#[tokio::test]
async fn a_file_that_is_known_is_not_sent_again() {
    let asset = asset("redoc.js").unwrap();
    let known =
        HeaderMap::from_iter([(http::header::IF_NONE_MATCH, HeaderValue::from_static(asset.etag))]);
    let told = asset.answer(&known);
    assert_eq!(told.status(), StatusCode::NOT_MODIFIED);
    assert!(bytes(told).await.is_empty());
}
