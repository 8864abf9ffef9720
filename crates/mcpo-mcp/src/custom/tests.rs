//! Claims about a session over a transport of one's own.

use std::future::{pending, ready};

use bytes::Bytes;

use super::*;
use crate::endpoint::{Endpoint, Era};
use crate::error::Sent;
use crate::session::{self, Connected};

/// Answers `echo` with its arguments, and nothing else ever.
#[derive(Debug, Default)]
struct Echo {
    closed: watch::Sender<bool>,
    changed: watch::Sender<u64>,
    /// Does not end when it is closed.
    stays: bool,
}

#[derive(Debug)]
struct Dialled(Option<Arc<Echo>>);

impl Dial for Dialled {
    fn dial(&self) -> BoxFuture<Result<Custom, Cause>> {
        let Some(echo) = self.0.clone() else { return Box::pin(pending()) };
        let mut closed = echo.closed.subscribe();
        let stays = echo.stays;
        let ended = async move {
            let _gone = closed.wait_for(|closed| *closed && !stays).await;
            Cause::Closed
        };
        let identity = ServerIdentity { name: "echo".to_owned(), ..ServerIdentity::default() };
        Box::pin(ready(Ok(Custom { identity, wire: echo, ended: Box::pin(ended) })))
    }
}

impl Wire for Echo {
    fn call(
        &self,
        name: &str,
        arguments: &[u8],
        _deadline: Instant,
        trace: Option<&TraceContext>,
    ) -> BoxFuture<Result<Answer, RequestError>> {
        if *self.closed.borrow() {
            return Box::pin(ready(Err(RequestError::not_sent(Cause::Closed))));
        }
        if let ("trace", Some(trace)) = (name, trace) {
            let said = Bytes::from(trace.traceparent());
            return Box::pin(ready(Ok(Answer::Result(said))));
        }
        if name != "echo" {
            return Box::pin(pending());
        }
        Box::pin(ready(Ok(Answer::Result(Bytes::copy_from_slice(arguments)))))
    }

    fn list(&self, _deadline: Instant) -> BoxFuture<Result<Vec<Value>, RequestError>> {
        Box::pin(ready(Ok(vec![serde_json::json!({"name": "echo"})])))
    }

    fn probe(&self, _deadline: Instant) -> BoxFuture<Result<(), RequestError>> {
        Box::pin(ready(Ok(())))
    }

    fn tools_changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn close(&self) {
        self.closed.send_replace(true);
    }
}

async fn dial(echo: Option<Arc<Echo>>) -> Result<Connected, Cause> {
    let options = ConnectOptions {
        client_name: "test".to_owned(),
        client_version: "1".to_owned(),
        era: Era::Auto,
        deadline: Instant::now() + Duration::from_secs(10),
        grace: Duration::from_secs(1),
    };
    session::connect(&Endpoint::Custom(Arc::new(Dialled(echo))), &options).await
}

#[tokio::test(start_paused = true)]
async fn it_carries_what_a_session_needs() {
    let echo = Arc::new(Echo::default());
    let Connected { session, driver } = dial(Some(Arc::clone(&echo))).await.expect("it connects");
    assert_eq!(session.identity().name, "echo");
    let deadline = Instant::now() + Duration::from_secs(3);
    let answer = session.call_tool("echo", b"{\"n\":1.10}", deadline, None).await;
    assert!(matches!(answer, Ok(Answer::Result(raw)) if raw == "{\"n\":1.10}"));
    let trace = TraceContext::begin([1, 2, 3], true);
    let answer = session.call_tool("trace", b"", deadline, Some(&trace)).await;
    assert!(matches!(answer, Ok(Answer::Result(raw)) if raw == trace.traceparent()));
    assert_eq!(session.list_tools(deadline).await.expect("it lists").len(), 1);
    session.probe(deadline).await.expect("it lives");
    let changed = session.tools_changed();
    echo.changed.send_modify(|version| *version += 1);
    assert!(changed.has_changed().expect("it is there"));
    assert_eq!(session.last_words(), None);

    let late = session.call_tool("silent", b"", deadline, None).await.expect_err("it is silent");
    assert!(matches!(late, RequestError { sent: Sent::Maybe, cause: Cause::Deadline }));
    assert_eq!(Instant::now(), deadline);

    session.close();
    assert!(matches!(driver.run().await, Cause::Closed));
    let refused = session.call_tool("echo", b"", deadline, None).await.expect_err("it is closed");
    assert!(matches!(refused, RequestError { sent: Sent::No, cause: Cause::Closed }));
}

#[tokio::test(start_paused = true)]
async fn whatever_it_does_not_do_in_time_is_not_waited_for() {
    let began = Instant::now();
    assert!(matches!(dial(None).await, Err(Cause::Deadline)));
    assert_eq!(began.elapsed(), Duration::from_secs(10));

    let echo = Arc::new(Echo { stays: true, ..Echo::default() });
    let Connected { session, driver } = dial(Some(echo)).await.expect("it connects");
    let closed = Instant::now();
    session.close();
    assert!(matches!(driver.run().await, Cause::Closed));
    assert_eq!(closed.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn it_is_closed_with_its_driver() {
    let echo = Arc::new(Echo::default());
    drop(dial(Some(Arc::clone(&echo))).await.expect("it connects").driver);
    assert!(*echo.closed.borrow());
}
