use std::time::SystemTime;

use mcpo_config::Monitoring;
use mcpo_monitor::monitor::MonitorOptions;
use mcpo_policy::pipeline::{Pipeline, PipelineOptions};

use super::*;

#[test]
fn numbers_of_another_process_are_none_of_ours() {
    let (one, two) = (Boot(0xab), Boot(0xcd));
    let read = |boot: Boot, id: &str| boot.read(&HeaderValue::from_str(id).unwrap());
    assert_eq!(one.id(7), "000000ab-7");
    assert_eq!(read(one, &one.id(7)), Some(7));
    assert_eq!(read(two, &one.id(7)), Some(0), "all that this process tells is new");
    for nonsense in ["", "7", "-", "ab-", "-7", "ab-x", "zz-7", "ab-7-7", "100000000-7", "ab--7"] {
        assert_eq!(read(one, nonsense), None, "{nonsense}");
    }
    assert_ne!(Boot::new(), Boot::new());
}

fn insight() -> Insight {
    let directory = Directory::new();
    let pipeline = Pipeline::new(PipelineOptions::default(), directory.journal());
    let options = MonitorOptions {
        monitoring: Monitoring::default(),
        port: 0,
        servers: watch::channel(Arc::default()).1,
        pipeline: pipeline.gauge(),
    };
    Insight::new(Monitor::new(options, directory.clone()), directory)
}

#[tokio::test(start_paused = true)]
async fn alerts_are_told_when_they_change() {
    let insight = insight();
    let mut viewer = insight.viewer(None);
    let (alerts, changes) = watch::channel(Arc::new(Alerts::none(SystemTime::UNIX_EPOCH)));
    viewer.alerts = changes;
    viewer.piece().await.unwrap();
    let began = Instant::now();
    alerts.send_replace(Arc::new(Alerts::none(SystemTime::UNIX_EPOCH)));
    let piece = viewer.piece().await.unwrap();
    assert!(piece.starts_with(b"event: alerts\ndata: {\"active\":[]"), "{piece:?}");
    assert!(began.elapsed() < PICTURE_EVERY);
    let next = viewer.piece().await.unwrap();
    assert!(next.starts_with(b"event: picture\n"), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn pictures_go_on_in_a_flood_of_entries() {
    let insight = insight();
    let mut viewer = insight.viewer(None);
    viewer.piece().await.unwrap();
    let event = mcpo_core::event::Event::ClockJumped { by: PICTURE_EVERY };
    let mut told = Vec::new();
    for _ in 0..20 {
        insight.directory.journal().record(&event);
        tokio::time::advance(PICTURE_EVERY / 4).await;
        told.push(viewer.piece().await.unwrap().starts_with(b"event: picture\n"));
    }
    // One each second, and one for what happens.
    assert_eq!(told.iter().filter(|is_picture| **is_picture).count(), 5 + 5, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_picture_is_written_once_for_all() {
    let insight = insight();
    let (one, two) =
        (insight.pictures.piece(&insight.monitor), insight.pictures.piece(&insight.monitor));
    assert_eq!(one.as_ptr(), two.as_ptr());
    tokio::time::advance(PICTURE_EVERY).await;
    assert_ne!(insight.pictures.piece(&insight.monitor).as_ptr(), one.as_ptr());
}
