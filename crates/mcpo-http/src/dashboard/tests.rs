use std::collections::BTreeSet;
use std::io::Read as _;

use flate2::read::GzDecoder;
use http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
use http_body_util::BodyExt;

use super::*;

/// The page and all that it loads may take so much on the wire where nobody packs it.
const WHOLE_BYTES_MAX: usize = 300 << 10;

fn text(file: &File) -> &'static str {
    std::str::from_utf8(file.plain).unwrap()
}

#[test]
fn all_that_the_page_loads_is_there() {
    let mut asked = BTreeSet::new();
    let marks = ["docs/assets/dashboard-", "./dashboard-"];
    for file in FILES.iter().chain([&PAGE]) {
        for mark in marks {
            let found = text(file).match_indices(mark).map(|(at, mark)| at + mark.len());
            asked.extend(found.map(|at| {
                let rest = &text(file)[at..];
                &rest[..rest.find(['"', '\'', '`', ')']).unwrap()]
            }));
        }
    }
    assert!(asked.len() > 3, "{asked:?}");
    for name in asked {
        assert!(FILES.iter().any(|file| file.name == name), "dashboard/{name} is not served");
    }
}

#[test]
fn all_that_is_made_for_the_page_is_served() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboard");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let served = FILES.iter().chain([&PAGE]).any(|file| file.name == name);
        assert!(served || name.ends_with(".LICENSE"), "dashboard/{name} is not served");
    }
}

#[test]
fn the_page_is_small_and_runs_nothing_of_its_own() {
    let whole: usize = FILES.iter().chain([&PAGE]).map(|file| file.plain.len()).sum();
    assert!(whole < WHOLE_BYTES_MAX, "{whole} bytes");
    for refused in
        ["<script>", "<style", " style=\"", " onclick=", "javascript:", "http://", "https://"]
    {
        assert!(
            !text(&PAGE).contains(refused),
            "{refused} is in the page, which its policy refuses"
        );
    }
}

#[tokio::test]
async fn files_are_packed_for_those_who_unpack_and_sent_once() {
    let page = page();
    let mut headers = HeaderMap::new();
    let plain = page.answer(&headers);
    let etag = plain.headers()[ETAG].clone();
    assert_eq!(plain.headers().get(CONTENT_ENCODING), None);
    assert_eq!(plain.headers()["cache-control"], "no-cache");
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("br, gzip"));
    let packed = page.answer(&headers);
    assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
    let packed = packed.into_body().collect().await.unwrap().to_bytes();
    let mut unpacked = Vec::new();
    GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
    let plain = plain.into_body().collect().await.unwrap().to_bytes();
    assert!(unpacked == plain && packed.len() < plain.len());
    headers.insert(IF_NONE_MATCH, etag);
    let known = page.answer(&headers);
    assert_eq!(
        (known.status(), known.headers().get(CONTENT_ENCODING)),
        (StatusCode::NOT_MODIFIED, None)
    );
    assert!(known.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[test]
fn no_other_page_may_draw_it_in_or_learn_where_it_was() {
    let told = page().answer(&HeaderMap::new());
    let headers = told.headers();
    let policy = headers["content-security-policy"].to_str().unwrap();
    for says in
        ["default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"]
    {
        assert!(policy.contains(says), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(headers["x-frame-options"], "DENY");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
    assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
}
