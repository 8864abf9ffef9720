//! Rows of a table of promises: what is sent, what must come back, and what the tool must have
//! received. All rows of a table are tried; what differs is told together.

use mcpo_testkit::{Reply, Request, What, World};
use serde_json::Value;

/// One promise.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    says: String,
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    status: u16,
    answer: Answer,
    answer_headers: Vec<(&'static str, Option<String>)>,
    received: Option<(&'static str, Option<Value>)>,
}

/// What the body of an answer must be.
#[derive(Debug, Clone)]
enum Answer {
    Any,
    Json(Value),
    Holds(Vec<String>),
    Satisfies(fn(&Value) -> bool),
}

/// A POST of JSON.
pub(crate) fn post(says: &str, path: &str, body: &Value) -> Row {
    let row = Row::new(says, "POST", path).sent("content-type", "application/json");
    Row { body: body.to_string().into_bytes(), ..row }
}

/// A POST of any bytes.
pub(crate) fn post_raw(says: &str, path: &str, content_type: &str, body: &[u8]) -> Row {
    let row = Row::new(says, "POST", path);
    let row = if content_type.is_empty() { row } else { row.sent("content-type", content_type) };
    Row { body: body.to_vec(), ..row }
}

/// A GET.
pub(crate) fn get(says: &str, path: &str) -> Row {
    Row::new(says, "GET", path)
}

impl Row {
    /// A request without a body that must be answered by 200.
    pub(crate) fn new(says: &str, method: &'static str, path: &str) -> Self {
        Self {
            says: says.into(),
            method,
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
            status: 200,
            answer: Answer::Any,
            answer_headers: Vec::new(),
            received: None,
        }
    }

    /// With one more header.
    pub(crate) fn sent(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The status that must come.
    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The JSON that must come.
    pub(crate) fn answers(self, answer: Value) -> Self {
        Self { answer: Answer::Json(answer), ..self }
    }

    /// What must be true of the JSON that comes.
    pub(crate) fn satisfies(self, holds: fn(&Value) -> bool) -> Self {
        Self { answer: Answer::Satisfies(holds), ..self }
    }

    /// A text that must stand in the body; may be said several times.
    pub(crate) fn holds(self, text: &str) -> Self {
        let mut texts = if let Answer::Holds(texts) = self.answer { texts } else { Vec::new() };
        texts.push(text.into());
        Self { answer: Answer::Holds(texts), ..self }
    }

    /// A header that must come with exactly that value.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.answer_headers.push((name, Some(value.into())));
        self
    }

    /// A header that must not come.
    pub(crate) fn no_header(mut self, name: &'static str) -> Self {
        self.answer_headers.push((name, None));
        self
    }

    /// The arguments with which the last call must have come to the scripted upstream.
    pub(crate) fn received(self, upstream: &'static str, arguments: Value) -> Self {
        Self { received: Some((upstream, Some(arguments))), ..self }
    }

    /// No call must come to the scripted upstream.
    pub(crate) fn never_received(self, upstream: &'static str) -> Self {
        Self { received: Some((upstream, None)), ..self }
    }

    async fn differs(&self, world: &World) -> Option<String> {
        let mut request = Request::new(self.method.parse().unwrap(), &world.url(&self.path));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let before = self.received.as_ref().map_or(0, |(name, _)| calls(world, name).len());
        let reply = match request.body(self.body.clone()).send().await {
            Ok(reply) => reply,
            Err(error) => return Some(format!("no answer: {error:#}")),
        };
        self.reply_differs(&reply).or_else(|| self.call_differs(world, before))
    }

    fn reply_differs(&self, reply: &Reply) -> Option<String> {
        if reply.status.as_u16() != self.status {
            return Some(format!("{} was expected, it is {reply}", self.status));
        }
        for (name, expected) in &self.answer_headers {
            if reply.header(name) != expected.as_deref() {
                let found = reply.header(name);
                return Some(format!("{name}: {expected:?} was expected, it is {found:?}"));
            }
        }
        let fits = match &self.answer {
            Answer::Any => true,
            Answer::Json(expected) => {
                serde_json::from_slice::<Value>(&reply.body).ok().as_ref() == Some(expected)
            }
            Answer::Holds(texts) => texts.iter().all(|text| reply.text().contains(text)),
            Answer::Satisfies(holds) => {
                serde_json::from_slice(&reply.body).is_ok_and(|value| holds(&value))
            }
        };
        (!fits).then(|| format!("{:?} was expected, it is {reply}", self.answer))
    }

    fn call_differs(&self, world: &World, before: usize) -> Option<String> {
        let (name, expected) = self.received.as_ref()?;
        let calls = calls(world, name);
        match (&calls[before..], expected) {
            ([], None) => None,
            ([one], Some(expected)) if one == expected => None,
            (other, _) => Some(format!("{expected:?} was to be received, it is {other:?}")),
        }
    }
}

/// The arguments of every call that a scripted upstream received.
fn calls(world: &World, upstream: &str) -> Vec<Value> {
    let received = world.journal(upstream).matching(|entry| entry.what == What::Received);
    received.into_iter().map(|entry| entry.arguments).collect()
}

/// Tries every row, one after another, and fails with all that differ.
pub(crate) async fn check(world: &World, rows: impl IntoIterator<Item = Row>) {
    let (mut tried, mut wrong) = (0, Vec::new());
    for row in rows {
        tried += 1;
        if let Some(why) = row.differs(world).await {
            wrong.push(format!("- {} ({} {}): {why}", row.says, row.method, row.path));
        }
    }
    assert!(tried > 0, "an empty table proves nothing");
    assert!(wrong.is_empty(), "{} of {tried} rows differ:\n{}", wrong.len(), wrong.join("\n"));
}
