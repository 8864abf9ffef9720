use super::*;

#[test]
fn an_etag_is_found_in_any_list() {
    let etag = "\"abc\"";
    let known = |sent: &'static str| {
        is_known(&HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static(sent))]), etag)
    };
    for sent in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*", " \"abc\" "] {
        assert!(known(sent), "{sent}");
    }
    for sent in ["\"x\"", "abc", "\"abcd\"", ""] {
        assert!(!known(sent), "{sent}");
    }
    assert!(!is_known(&HeaderMap::new(), etag));
}

#[test]
fn the_same_document_has_the_same_etag() {
    let one = Document::new(&serde_json::json!({"a": 1}));
    assert_eq!(one.etag, Document::new(&serde_json::json!({"a": 1})).etag);
    assert_ne!(one.etag, Document::new(&serde_json::json!({"a": 2})).etag);
}
