use http::HeaderValue;

use super::*;

fn key(sent: &[&str]) -> Result<Option<String>, Problem> {
    let mut headers = HeaderMap::new();
    for sent in sent {
        headers.append(IDEMPOTENCY_KEY, HeaderValue::from_str(sent).unwrap());
    }
    idempotency_key(&headers)
}

#[test]
fn a_key_is_the_same_with_and_without_quotes() {
    let uuid = "8e03978e-40d5-43dd-bc93-6894a57f9324";
    for sent in [uuid, &format!("\"{uuid}\""), &format!(" {uuid} ")] {
        assert_eq!(key(&[sent]).unwrap().as_deref(), Some(uuid), "{sent}");
    }
    assert_eq!(key(&[r#""a \"b\" \\ c""#]).unwrap().as_deref(), Some(r#"a "b" \ c"#));
    assert_eq!(key(&[]).unwrap(), None);
    let longest = "k".repeat(KEY_BYTES_MAX);
    assert_eq!(key(&[&longest]).unwrap(), Some(longest));
}

#[test]
fn what_is_no_key_is_refused() {
    let long = "k".repeat(KEY_BYTES_MAX + 1);
    for sent in ["", "\"\"", "\"a", "a\"", "\"a\"b", "\"a\";b=c", r#""\n""#, "a b", "\u{e4}", &long]
    {
        assert!(matches!(key(&[sent]), Err(Problem::BadIdempotencyKey { .. })), "{sent}");
    }
    assert!(matches!(key(&["a", "a"]), Err(Problem::BadIdempotencyKey { .. })));
}
