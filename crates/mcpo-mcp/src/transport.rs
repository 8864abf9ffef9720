//! The transports side by side, each with a handle for requests and a driver that keeps it alive.

use mcpo_core::catalog::ServerIdentity;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::endpoint::Endpoint;
use crate::error::{Cause, RequestError};
use crate::session::{Call, ConnectOptions};
use crate::{custom, http, stdio};

/// For requests; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Handle {
    Stdio(stdio::Handle),
    Http(http::Handle),
    Custom(custom::Handle),
}

/// Owns what is behind the handle; dropping it ends that at once.
#[derive(Debug)]
pub(crate) enum Driver {
    Stdio(Box<stdio::Driver>),
    Http(Box<http::Driver>),
    Custom(custom::Driver),
}

/// What a transport's handshake gives.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) handle: Handle,
    pub(crate) driver: Driver,
    pub(crate) identity: ServerIdentity,
}

pub(crate) async fn connect(
    endpoint: &Endpoint,
    options: &ConnectOptions,
) -> Result<Connected, Cause> {
    match endpoint {
        Endpoint::Stdio(endpoint) => {
            let stdio::StdioConnected { handle, driver, identity } =
                stdio::connect(endpoint, options).await?;
            Ok(Connected {
                handle: Handle::Stdio(handle),
                driver: Driver::Stdio(Box::new(driver)),
                identity,
            })
        }
        Endpoint::Http(endpoint) => {
            let http::HttpConnected { handle, driver, identity } =
                http::connect(endpoint, options).await?;
            Ok(Connected {
                handle: Handle::Http(handle),
                driver: Driver::Http(Box::new(driver)),
                identity,
            })
        }
        Endpoint::Custom(dial) => {
            let (handle, driver, identity) = custom::connect(dial, options).await?;
            Ok(Connected {
                handle: Handle::Custom(handle),
                driver: Driver::Custom(driver),
                identity,
            })
        }
    }
}

impl Handle {
    pub(crate) async fn call_tool(&self, call: &Call<'_>) -> Result<Answer, RequestError> {
        match self {
            Self::Stdio(handle) => handle.conversation().call_tool(call).await,
            Self::Http(handle) => handle.call_tool(call).await,
            Self::Custom(handle) => handle.call_tool(call).await,
        }
    }

    pub(crate) async fn list_tools(&self, deadline: Instant) -> Result<Vec<Value>, RequestError> {
        match self {
            Self::Stdio(handle) => handle.conversation().list_tools(deadline).await,
            Self::Http(handle) => handle.list_tools(deadline).await,
            Self::Custom(handle) => handle.list_tools(deadline).await,
        }
    }

    pub(crate) async fn probe(&self, deadline: Instant) -> Result<(), RequestError> {
        match self {
            Self::Stdio(handle) => handle.conversation().probe(deadline).await,
            Self::Http(handle) => handle.probe(deadline).await,
            Self::Custom(handle) => handle.probe(deadline).await,
        }
    }

    pub(crate) fn tools_changed(&self) -> watch::Receiver<u64> {
        match self {
            Self::Stdio(handle) => handle.conversation().tools_changed(),
            Self::Http(handle) => handle.tools_changed(),
            Self::Custom(handle) => handle.tools_changed(),
        }
    }

    pub(crate) fn last_words(&self) -> Option<String> {
        match self {
            Self::Stdio(handle) => Some(handle.last_words()),
            Self::Http(_) | Self::Custom(_) => None,
        }
    }

    pub(crate) fn process_id(&self) -> Option<u32> {
        match self {
            Self::Stdio(handle) => handle.process_id(),
            Self::Http(_) | Self::Custom(_) => None,
        }
    }

    pub(crate) fn close(&self) {
        match self {
            Self::Stdio(handle) => handle.close(),
            Self::Http(handle) => handle.close(),
            Self::Custom(handle) => handle.close(),
        }
    }
}

impl Driver {
    pub(crate) async fn run(self) -> Cause {
        match self {
            Self::Stdio(driver) => driver.run().await,
            Self::Http(driver) => driver.run().await,
            Self::Custom(driver) => driver.run().await,
        }
    }
}
