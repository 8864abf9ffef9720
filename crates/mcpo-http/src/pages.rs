//! The documentation pages. All that they load comes from us; a policy in their headers makes
//! browsers hold to that, whatever an upstream writes into its descriptions.

use std::borrow::Cow;

use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

use crate::answer::{Answer, HTML, answer};

/// Whatever is not named here is refused, scripts in the page itself above all.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'self'";

/// Redoc writes style elements of its own, and searches in a worker that it makes itself.
const REDOC_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// Swagger UI for the document beside it.
pub(crate) fn swagger(title: &str) -> Answer {
    page(
        POLICY,
        &format!("{} - Swagger UI", escaped(title)),
        r#"<link rel="stylesheet" href="docs/assets/swagger-ui.css">"#,
        r#"<div id="swagger-ui"></div>
<script src="docs/assets/swagger-ui.js"></script>
<script src="docs/assets/swagger-init.js"></script>"#,
    )
}

/// Redoc for the document beside it. It would report usage to its makers if it were not told off.
pub(crate) fn redoc(title: &str) -> Answer {
    page(
        REDOC_POLICY,
        &format!("{} - ReDoc", escaped(title)),
        "<style>body { margin: 0; }</style>",
        r#"<redoc spec-url="openapi.json" disable-telemetry="true"></redoc>
<script type="module" src="docs/assets/redoc.js"></script>"#,
    )
}

/// Links are relative, so that a page works behind any path.
fn page(policy: &'static str, title: &str, head: &str, body: &str) -> Answer {
    let html = format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" type="image/png" href="docs/assets/favicon.png">
{head}
</head>
<body>
{body}
</body>
</html>
"#
    );
    let mut told = answer(StatusCode::OK, HTML, html);
    let headers = told.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    told
}

/// Text for HTML, in an element or in a quoted attribute.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
