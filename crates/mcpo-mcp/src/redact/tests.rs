//! Claims about secrets.

use mcpo_core::fault::Stage;

use super::*;

fn redactor(variables: &[(&str, &str)]) -> Redactor {
    let pairs: Vec<_> = variables
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        .collect();
    Redactor::new(&pairs)
}

#[test]
fn values_of_the_environment_are_masked_wherever_they_stand() {
    let redactor =
        redactor(&[("TOKEN", "abcdefgh"), ("LONG_TOKEN", "abcdefgh-and-more"), ("EMPTY", "")]);
    assert_eq!(redactor.redact("x abcdefgh-and-more=abcdefgh."), "x ***=***.");
    assert_eq!(redactor.redact("nothing here"), "nothing here");
}

#[test]
fn short_values_and_what_holds_no_secrets_stay() {
    let redactor =
        redactor(&[("MODE", "verbose"), ("HOME", "/home/somebody"), ("LC_ALL", "de_DE.UTF-8")]);
    let text = "verbose /home/somebody de_DE.UTF-8";
    assert_eq!(redactor.redact(text), text);
}

#[test]
fn a_secret_of_several_lines_is_masked_line_by_line() {
    let redactor = redactor(&[("KEY", "-----BEGIN\nMIIEvQIBADAN\n-----END-----\n")]);
    assert_eq!(redactor.redact("at MIIEvQIBADAN"), "at ***");
}

fn remote(url: &str, headers: &[(&'static str, &str)]) -> Redactor {
    let headers = headers.iter().map(|(name, value)| {
        (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
    });
    Redactor::of(&Endpoint::Http(Http {
        url: url.parse().unwrap(),
        headers: headers.collect(),
        transport: crate::endpoint::HttpTransport::Streamable,
    }))
}

#[test]
fn headers_and_what_is_secret_of_an_address_are_masked() {
    let redactor = remote(
        "https://somebody:pass%20word@host/mcp/0123456789abcdef0123?key=query-secret&x=1",
        &[("authorization", "Bearer token-secret"), ("x-team", "blue")],
    );
    let cases = [
        ("bad token token-secret", "bad token ***"),
        ("bad header Bearer token-secret", "bad header ***"),
        ("not pass%20word, not pass word", "not ***, not ***"),
        ("Cannot POST /mcp/0123456789abcdef0123?key=query-secret", "Cannot POST /mcp/***?key=***"),
        ("https://host/mcp is blue", "https://host/mcp is blue"),
    ];
    assert_eq!(format!("{redactor:?}"), "Redactor(7)");
    for (said, told) in cases {
        assert_eq!(redactor.redact(said), told);
    }
}

#[test]
fn a_cause_loses_the_secrets_wherever_the_upstream_said_them() {
    let redactor = remote("https://host/mcp", &[("x-api-key", "token-secret")]);
    let error = || RpcError {
        code: 1,
        message: "bad token-secret".to_owned(),
        data: Some(RawValue::from_string(r#"{"was":"token-secret"}"#.to_owned()).unwrap()),
    };
    let causes = [
        Cause::Connect { stage: Stage::Other, reason: "to token-secret".to_owned() },
        Cause::Broken("at token-secret".to_owned()),
        Cause::Malformed("token-secret".to_owned()),
        Cause::Unsupported("token-secret".to_owned()),
        Cause::Refused { method: "initialize", error: error() },
        Cause::Status {
            status: 401,
            retry_after: None,
            body: "token-secret".to_owned(),
            rpc: Some(error()),
            had_session: false,
        },
    ];
    for cause in causes {
        let told = format!("{:?}", redactor.redact_cause(cause));
        assert!(told.contains("***") && !told.contains("token-secret"), "{told}");
    }
}
