//! Webhooks that are scripted receivers on sockets.

mod receiver;

use std::time::Duration;

use mcpo_config::{AlertSeverity, Secret, Webhook, WebhookFormat};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::scene::{firing, resolved};
use super::super::{Alert, Notice};
use super::{Deliverer, DeliveryError, instance, test};
use receiver::{Receiver, until};

const SECRET: &str = "T0PSECRET";

fn webhook(receiver: &Receiver) -> Webhook {
    let url = format!("{}/hook/{SECRET}", receiver.base());
    let headers = vec![("x-token".to_owned(), Secret::new(SECRET))];
    let (format, min_severity) = (WebhookFormat::Json, AlertSeverity::Warning);
    Webhook { url: Secret::new(url), format, headers, min_severity }
}

fn told(alert: Alert) -> Notice {
    Notice { alert, is_told: true }
}

/// A deliverer that runs until it is stopped.
struct Running {
    deliverer: std::sync::Arc<Deliverer>,
    stop: watch::Sender<bool>,
    task: JoinSet<()>,
}

impl Running {
    fn of(webhooks: Vec<Webhook>) -> Self {
        let deliverer = std::sync::Arc::new(Deliverer::new(webhooks, "host:8000"));
        let (stop, stopped) = watch::channel(false);
        let (mut task, runs) = (JoinSet::new(), std::sync::Arc::clone(&deliverer));
        task.spawn(async move { runs.run(stopped).await });
        Self { deliverer, stop, task }
    }

    fn tell(&self, alert: Alert) {
        self.deliverer.tell(&[told(alert)]);
    }

    /// Stops it; answers how long that took.
    async fn stop(mut self) -> Duration {
        let begun = Instant::now();
        self.stop.send_replace(true);
        while self.task.join_next().await.is_some() {}
        begun.elapsed()
    }
}

#[tokio::test]
async fn an_alert_and_its_end_arrive_with_the_headers() {
    let receiver = Receiver::answering(&[]).await;
    let running = Running::of(vec![webhook(&receiver)]);
    running.tell(firing("server_down", Some("x")));
    let request = receiver.request(0).await;
    assert!(request.head.starts_with(&format!("POST /hook/{SECRET} HTTP/1.1\r\n")));
    let head = request.head.to_lowercase();
    assert!(head.contains(&format!("x-token: {}", SECRET.to_lowercase())), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    assert!(head.contains("user-agent: mcpo/"), "{head}");
    assert_eq!(request.body["alerts"][0]["phase"], "firing");
    assert_eq!(request.body["instance"], "host:8000");
    running.tell(resolved("server_down", Some("x")));
    assert_eq!(receiver.request(1).await.body["alerts"][0]["phase"], "resolved");
    until(|| running.deliverer.states()[0].sent == 2).await;
    running.stop().await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn nobody_is_told_of_what_is_explained_or_not_severe_enough() {
    let receiver = Receiver::answering(&[]).await;
    let critical = Webhook { min_severity: AlertSeverity::Critical, ..webhook(&receiver) };
    let running = Running::of(vec![critical]);
    let mut warning = firing("error_rate", Some("x"));
    warning.severity = super::Severity::Warning;
    running.tell(warning);
    let explained = Notice { is_told: false, ..told(firing("slo_burn_fast", Some("x"))) };
    running.deliverer.tell(&[explained]);
    running.tell(firing("server_down", Some("x")));
    let request = receiver.request(0).await;
    assert_eq!(request.body["alerts"].as_array().map(Vec::len), Some(1));
    assert_eq!(request.body["alerts"][0]["rule"], "server_down");
    running.stop().await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn a_failure_is_tried_again_and_shown_in_fixed_words() {
    let receiver = Receiver::answering(&["500 Oops"]).await;
    let running = Running::of(vec![webhook(&receiver)]);
    running.tell(firing("server_down", Some("x")));
    receiver.request(0).await;
    until(|| running.deliverer.states()[0].last_error.is_some()).await;
    let state = &running.deliverer.states()[0];
    assert_eq!(state.last_error.as_deref(), Some("it failed inside (500)"));
    assert_eq!(state.queued, 1);
    assert_eq!(receiver.request(1).await.body, receiver.request(0).await.body);
    until(|| running.deliverer.states()[0].sent == 1).await;
    running.stop().await;
}

#[tokio::test]
async fn a_busy_receiver_is_left_alone_for_as_long_as_it_asks() {
    let receiver = Receiver::answering(&["429 Slow down\r\nretry-after: 2"]).await;
    let running = Running::of(vec![webhook(&receiver)]);
    running.tell(firing("server_down", Some("x")));
    let first = receiver.request(0).await.at;
    running.tell(firing("held", Some("x")));
    let second = receiver.request(1).await;
    assert!(second.at - first >= Duration::from_millis(1990), "{:?}", second.at - first);
    assert_eq!(second.body["alerts"].as_array().map(Vec::len), Some(2), "both in one request");
    running.stop().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_a_refusal_not_repeated() {
    for answer in ["307 Elsewhere\r\nlocation: /other", "302 Found\r\nlocation: /x", "404 Not here"]
    {
        let receiver = Receiver::answering(&[answer]).await;
        let running = Running::of(vec![webhook(&receiver)]);
        running.tell(firing("server_down", Some("x")));
        until(|| running.deliverer.states()[0].failed == 1).await;
        running.tell(resolved("server_down", Some("x")));
        running.stop().await;
        assert_eq!(receiver.count(), 1, "{answer}");
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_neither_the_others_nor_the_end() {
    let (deaf, well) = (Receiver::answering(&["hang"]).await, Receiver::answering(&[]).await);
    let running = Running::of(vec![webhook(&deaf), webhook(&well)]);
    let begun = Instant::now();
    running.tell(firing("server_down", Some("x")));
    assert!(begun.elapsed() < Duration::from_millis(200), "telling never waits");
    well.request(0).await;
    deaf.request(0).await;
    running.tell(resolved("server_down", Some("x")));
    well.request(1).await;
    let took = running.stop().await;
    assert!(took < Duration::from_millis(1900), "{took:?}");
}

#[tokio::test]
async fn an_endless_answer_is_not_read() {
    let receiver = Receiver::answering(&["endless", "endless"]).await;
    let running = Running::of(vec![webhook(&receiver)]);
    running.tell(firing("server_down", Some("x")));
    until(|| running.deliverer.states()[0].sent == 1).await;
    running.tell(resolved("server_down", Some("x")));
    until(|| running.deliverer.states()[0].sent == 2).await;
    running.stop().await;
}

#[tokio::test]
async fn what_is_queued_is_told_before_all_stops() {
    let receiver = Receiver::answering(&[]).await;
    let deliverer = Deliverer::new(vec![webhook(&receiver)], "host:8000");
    deliverer.tell(&[told(firing("server_down", Some("x")))]);
    let (_stop, stopped) = watch::channel(true);
    deliverer.run(stopped).await;
    assert_eq!(receiver.count(), 1);
    assert_eq!(deliverer.states()[0].sent, 1);
}

#[tokio::test]
async fn webhooks_that_stay_go_on_new_ones_hear_what_fires_and_those_that_are_gone_nothing() {
    let (gone, stays, new) = (
        Receiver::answering(&[]).await,
        Receiver::answering(&[]).await,
        Receiver::answering(&[]).await,
    );
    let running = Running::of(vec![webhook(&gone), webhook(&stays)]);
    running.tell(firing("server_down", Some("x")));
    until(|| running.deliverer.states().iter().all(|state| state.sent == 1)).await;
    let fires = [told(firing("server_down", Some("x")))];
    let slack = Webhook { format: WebhookFormat::Slack, ..webhook(&new) };
    running.deliverer.replace(&[webhook(&stays), slack], &fires);
    let text = new.request(0).await.body["text"].to_string();
    assert!(text.contains("1 firing"), "{text}");
    running.tell(resolved("server_down", Some("x")));
    assert_eq!(stays.request(1).await.body["alerts"][0]["phase"], "resolved");
    assert!(new.request(1).await.body["text"].to_string().contains("1 resolved"));
    until(|| running.deliverer.states().iter().all(|state| state.sent == 2)).await;
    let names: Vec<_> = running.deliverer.states().into_iter().map(|state| state.name).collect();
    assert_eq!(names, ["1:json", "2:slack"]);
    running.stop().await;
    assert_eq!((gone.count(), stays.count(), new.count()), (1, 2, 2));
}

#[tokio::test]
async fn a_webhook_that_hangs_is_given_up_when_it_is_gone() {
    let deaf = Receiver::answering(&["hang"]).await;
    let running = Running::of(vec![webhook(&deaf)]);
    running.tell(firing("server_down", Some("x")));
    deaf.request(0).await;
    running.deliverer.replace(&[], &[]);
    assert_eq!(running.deliverer.states(), []);
    let took = running.stop().await;
    assert!(took < Duration::from_millis(900), "nobody waits for it: {took:?}");
}

#[tokio::test]
async fn many_alerts_are_few_requests() {
    let receiver = Receiver::answering(&[]).await;
    let running = Running::of(vec![webhook(&receiver)]);
    let name = |number: usize| told(firing("server_down", Some(&number.to_string())));
    let notices: Vec<_> = (0..120).map(name).collect();
    running.deliverer.tell(&notices);
    until(|| running.deliverer.states()[0].sent == 120).await;
    running.stop().await;
    assert_eq!(receiver.count(), 3);
}

#[tokio::test]
async fn a_test_says_of_each_webhook_what_came_of_it() {
    let well = Receiver::answering(&[]).await;
    let refuses = Receiver::answering(&["403 No"]).await;
    let gone = Receiver::gone().await;
    let slack = Webhook { format: WebhookFormat::Slack, ..webhook(&well) };
    let unusable = Webhook { url: Secret::new("no address"), ..webhook(&well) };
    let webhooks =
        [webhook(&refuses), slack, Webhook { url: Secret::new(gone), ..webhook(&well) }, unusable];
    let results = test(&webhooks, "host:8000").await;
    assert_eq!(
        results,
        [
            ("1:json".to_owned(), Err(DeliveryError::Refused(403))),
            ("2:slack".to_owned(), Ok(())),
            ("3:json".to_owned(), Err(DeliveryError::Unreachable)),
            ("4:json".to_owned(), Err(DeliveryError::Unusable)),
        ]
    );
    let text = &well.request(0).await.body["text"];
    assert!(text.as_str().unwrap().contains("test"), "{text}");
    assert!(!format!("{results:?}").contains(SECRET));
}

#[test]
fn the_port_tells_two_of_us_apart() {
    assert!(instance(8000).ends_with(":8000") && instance(8000).len() > ":8000".len());
    assert_ne!(instance(8000), instance(8001));
}
