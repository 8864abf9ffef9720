//! Which running mcpo is asked by the commands that ask one, and what its answers mean to people.

use std::error::Error;

use clap::Args;
use mcpo_config::{Secret, variable};
use mcpo_http::{Remote, RemoteError, Told};
use serde_json::Value;

use crate::cli::secret;
use crate::exit::Exit;
use crate::render;

const URL_DEFAULT: &str = "http://127.0.0.1:8000";

/// The heading of these options.
const WHERE: &str = "Which mcpo";

/// Options that say which mcpo is asked.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Where mcpo answers, with its root path if it has one [default: http://127.0.0.1:8000] [env: MCPO_ADMIN_URL]
    #[arg(long, value_name = "URL", global = true, help_heading = WHERE)]
    pub(crate) url: Option<String>,
    /// The key of that mcpo [env: MCPO_API_KEY]
    #[arg(short = 'k', long, value_name = "KEY", allow_hyphen_values = true, global = true, value_parser = secret, help_heading = WHERE)]
    pub(crate) api_key: Option<Secret>,
}

// === impl Which ===

impl Which {
    /// That mcpo; what is wrong with the options is told.
    pub(crate) fn remote(self) -> Result<Remote, Exit> {
        let url = self.url.or_else(|| variable("MCPO_ADMIN_URL"));
        let url = url.unwrap_or_else(|| URL_DEFAULT.to_owned());
        let key = self.api_key.or_else(|| variable("MCPO_API_KEY").map(Secret::new));
        Remote::new(&url, key.as_ref()).map_err(|error| {
            render::failure(&format!("{error}{}", cure(&error)));
            Exit::Usage
        })
    }
}

/// The answer, if it is one to what was asked; else what to tell.
pub(crate) fn taken(remote: &Remote, told: Result<Told, RemoteError>) -> Result<Value, String> {
    let told = told.map_err(|error| format!("{}{}", chain(&error), cure(&error)))?;
    let answer = serde_json::from_slice::<Value>(&told.body).unwrap_or(Value::Null);
    if told.status == 200 && answer.is_object() {
        return Ok(answer);
    }
    let address = remote.address();
    let detail = &answer["detail"];
    let message = detail.as_str().or_else(|| detail["message"].as_str());
    Err(match (told.status, message) {
        (401, _) => {
            format!("mcpo at {address} wants its key: give it with --api-key, or in MCPO_API_KEY")
        }
        (403, Some(message)) => format!("mcpo at {address} refuses: {message}"),
        (404, Some("Not Found")) | (_, None) => format!(
            "what answers at {address} is no mcpo with /admin (status {}): see --url",
            told.status
        ),
        (_, Some(message)) => message.to_owned(),
    })
}

/// The error and its causes.
pub(crate) fn chain(error: &RemoteError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

pub(crate) fn cure(error: &RemoteError) -> &'static str {
    match error {
        RemoteError::Tls => {
            "; ask mcpo itself, at the http:// address that it listens on, not the proxy before it"
        }
        RemoteError::BadUrl(_) => "; see --url and MCPO_ADMIN_URL",
        RemoteError::UserInUrl => "; a key goes into --api-key or MCPO_API_KEY",
        RemoteError::BadKey => "; see --api-key and MCPO_API_KEY",
        RemoteError::Unreachable(..) => "; is mcpo running there? See --url and MCPO_ADMIN_URL",
        RemoteError::Slow(_) | RemoteError::Broken(..) => "; see --url and MCPO_ADMIN_URL",
    }
}
