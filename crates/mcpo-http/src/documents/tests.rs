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
    for sent in ["\"x\"", "abc", "\"abcd\"", "", "\"a,*,b\"", "W/*"] {
        assert!(!known(sent), "{sent}");
    }
    assert!(!is_known(&HeaderMap::new(), etag));
}
