use http::{HeaderMap, HeaderValue, Method, Uri};
use mcpo_config::Secret;
use serde_json::Value;

use super::*;

fn gate(strict: bool) -> Gate {
    Gate::new(Access {
        api_key: Some(Secret::new("sesame")),
        strict,
        cors_origins: vec!["*".into()],
    })
}

fn with(credential: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(credential) = credential.as_str() {
        // As every HTTP server does: blanks around a value are none of it.
        headers.insert(AUTHORIZATION, HeaderValue::from_str(credential.trim()).unwrap());
    }
    headers
}

/// A request to `http://localhost/`.
fn shown<'r>(method: &'r Method, headers: &'r HeaderMap) -> Shown<'r> {
    static HERE: std::sync::LazyLock<Uri> =
        std::sync::LazyLock::new(|| Uri::from_static("http://localhost/"));
    Shown { method, uri: &HERE, headers }
}

fn post(headers: &HeaderMap) -> Shown<'_> {
    shown(&Method::POST, headers)
}

fn get(headers: &HeaderMap) -> Shown<'_> {
    shown(&Method::GET, headers)
}

#[test]
fn credentials_are_read_as_the_original_reads_them() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/access.json")).unwrap();
    for (strict, name) in [(false, "open"), (true, "strict")] {
        for case in fixture[name].as_array().unwrap() {
            let (method, path) =
                (case["ask"][0].as_str().unwrap(), case["ask"][1].as_str().unwrap());
            let headers = with(&case["credential"]);
            let verdict = match (method, path) {
                ("OPTIONS", _) => Ok(()),
                ("POST", _) => gate(strict).call(post(&headers)),
                _ => gate(strict).look(get(&headers)),
            };
            let basic_for_a_call =
                strict && method == "POST" && case["credential"] == "Basic dXNlcjpzZXNhbWU=";
            if basic_for_a_call {
                assert!(verdict.is_ok(), "{case}");
                continue;
            }
            match verdict {
                Ok(()) => {
                    assert!(![401, 403].contains(&case["status"].as_u64().unwrap()), "{case}");
                }
                Err(problem) => {
                    let answer = problem.answer();
                    assert_eq!(u64::from(answer.status().as_u16()), case["status"], "{case}");
                    let challenges: Vec<&str> = answer
                        .headers()
                        .get_all("www-authenticate")
                        .iter()
                        .map(|value| value.to_str().unwrap())
                        .collect();
                    let expected = match case["headers"]["www-authenticate"].as_str() {
                        // In one line it says nothing to a browser.
                        Some("Bearer, Basic") => vec!["Bearer", "Basic realm=\"mcpo\""],
                        Some(one) => vec![one],
                        None => vec![],
                    };
                    assert_eq!(challenges, expected, "{case}");
                }
            }
        }
    }
}

#[test]
fn without_a_key_everybody_may_call() {
    let open = Gate::new(Access { api_key: None, strict: true, cors_origins: vec!["*".into()] });
    let none = HeaderMap::new();
    assert!(open.call(post(&none)).is_ok() && open.look(get(&none)).is_ok());
    assert!(!open.is_strict() && !open.needs_key());
}

#[test]
fn passwords_may_hold_colons_and_lack_padding() {
    let gate = Gate::new(Access {
        api_key: Some(Secret::new("a:b")),
        strict: true,
        cors_origins: vec!["*".into()],
    });
    for encoded in ["dTphOmI=", "dTphOmI"] {
        let headers = with(&format!("Basic {encoded}").into());
        assert!(gate.call(post(&headers)).is_ok(), "{encoded}");
    }
}

/// A gate, and the headers of who has logged in and sends these, too.
fn logged_in(strict: bool, more: &[(&'static str, &str)]) -> (Gate, HeaderMap) {
    let gate = gate(strict);
    let login = gate.logins().unwrap().begin();
    let mut headers = HeaderMap::new();
    headers.insert("cookie", HeaderValue::from_str(&format!("mcpo_session={login}")).unwrap());
    for (name, value) in more {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    (gate, headers)
}

/// Why a problem is one.
fn why(verdict: Result<(), Problem>) -> &'static str {
    match verdict {
        Ok(()) => "",
        Err(
            Problem::NoCredentials { why, .. }
            | Problem::WrongCredentials { why }
            | Problem::Forbidden { why },
        ) => why,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_login_stands_for_the_key_where_nothing_is_changed() {
    for strict in [false, true] {
        for more in [&[][..], &[("sec-fetch-site", "same-origin"), ("origin", "http://localhost")]]
        {
            let (gate, headers) = logged_in(strict, more);
            assert_eq!(why(gate.admin(get(&headers))), "");
            assert_eq!(why(gate.look(get(&headers))), "");
            let head = shown(&Method::HEAD, &headers);
            assert_eq!(why(gate.admin(head)), "");
        }
    }
}

#[test]
fn with_a_login_only_our_own_page_changes_anything() {
    for strict in [false, true] {
        let (gate, headers) = logged_in(strict, &[]);
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert_eq!(why(gate.admin(shown(&method, &headers))), NOT_OUR_PAGE, "{method}");
            assert_eq!(why(gate.call(shown(&method, &headers))), NOT_OUR_PAGE, "{method}");
        }
        for value in ["0", "", "true"] {
            let (gate, headers) = logged_in(strict, &[("x-mcpo-dashboard", value)]);
            assert_eq!(why(gate.call(post(&headers))), NOT_OUR_PAGE, "{value}");
        }
        let (gate, headers) = logged_in(strict, &[("x-mcpo-dashboard", "1")]);
        assert_eq!(why(gate.admin(post(&headers))), "");
        assert_eq!(why(gate.call(post(&headers))), "");
    }
}

#[test]
fn on_behalf_of_other_origins_a_login_counts_for_nothing() {
    for foreign in [
        ("origin", "http://a.example"),
        ("origin", "http://localhost:3000"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for strict in [false, true] {
            let (gate, headers) = logged_in(strict, &[foreign, ("x-mcpo-dashboard", "1")]);
            for method in [Method::GET, Method::POST] {
                assert_eq!(why(gate.admin(shown(&method, &headers))), MISSING, "{foreign:?}");
                assert_eq!(why(gate.call(shown(&method, &headers))), MISSING, "{foreign:?}");
            }
            assert_eq!(why(gate.look(get(&headers))) == MISSING, strict);
        }
    }
}

#[test]
fn without_a_key_a_login_is_nothing() {
    let open = Gate::new(Access { api_key: None, strict: false, cors_origins: vec![] });
    assert!(open.logins().is_none() && !open.is_key(""));
    let (other, headers) = (gate(false), logged_in(false, &[]).1);
    assert_eq!(why(other.admin(get(&headers))), "", "it is made of the key alone");
    assert!(other.is_key("sesame") && !other.is_key("sesam") && !other.is_key(""));
}

#[test]
fn a_script_is_not_made_to_ask_its_user_for_a_password() {
    let challenges = |name: &'static str, value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        match gate(true).admin(get(&headers)) {
            Err(Problem::NoCredentials { challenges, .. }) => challenges.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(challenges("sec-fetch-dest", "empty"), 1);
    assert_eq!(challenges("x-mcpo-dashboard", "1"), 1);
    assert_eq!(challenges("sec-fetch-dest", "document"), 2);
    assert_eq!(challenges("accept", "*/*"), 2);
}
