//! Calls of real servers that work before and after whatever happens to them, with their answers.

use serde_json::{Value, json};

use crate::http::Answer;
use crate::process::Mcpo;
use crate::python;

/// A call, and what comes of it whenever the server works.
pub(crate) struct Probe {
    pub(crate) path: &'static str,
    pub(crate) arguments: Value,
    answer: Value,
}

/// Of `server-everything`.
pub(crate) fn echo() -> Probe {
    Probe {
        path: "/real/echo",
        arguments: json!({"message": "still here"}),
        answer: json!("Echo: still here"),
    }
}

/// Of the servers of our own on the Python SDKs.
pub(crate) fn add() -> Probe {
    Probe {
        path: "/real/add",
        arguments: json!({"a": 2, "b": 3}),
        answer: python::result(&json!(5)),
    }
}

/// Of `server-memory`.
pub(crate) fn graph() -> Probe {
    Probe {
        path: "/real/read_graph",
        arguments: json!({}),
        answer: json!({"entities": [], "relations": []}),
    }
}

/// Of `mcp-server-time`.
pub(crate) fn convert() -> Probe {
    let arguments = json!({
        "source_timezone": "Asia/Tokyo", "time": "12:30", "target_timezone": "Asia/Kolkata",
    });
    Probe { path: "/real/convert_time", arguments, answer: json!("-3.5h") }
}

impl Probe {
    /// The call is answered as it should be.
    pub(crate) async fn works(&self, mcpo: &Mcpo, when: &str) {
        let answer = self.call(mcpo).await;
        assert!(self.is_right(&answer), "{when}: {answer:?}");
    }

    pub(crate) async fn call(&self, mcpo: &Mcpo) -> Answer {
        mcpo.call(self.path, &self.arguments).await
    }

    /// Whether that is the answer. Of the time server's only the difference is the same every day.
    pub(crate) fn is_right(&self, answer: &Answer) -> bool {
        answer.status == 200 && {
            let told = answer.json();
            told == self.answer || told["time_difference"] == self.answer
        }
    }
}
