use tokio::time::advance;

use super::*;

fn full(viewers: &Arc<Viewers>) -> Vec<Place> {
    (0..LIVE_VIEWERS_MAX).map(|_| viewers.enter().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn there_are_so_many_places_and_one_that_is_left_is_free_again() {
    let viewers = Viewers::new();
    let mut places = full(&viewers);
    assert!(viewers.enter().is_none());
    places.pop();
    let place = viewers.enter().unwrap();
    assert!(viewers.enter().is_none());
    assert!(place.is_kept());
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_loses_its_place_when_another_wants_it() {
    let viewers = Viewers::new();
    let places = full(&viewers);
    advance(VIEWER_STALL_MAX).await;
    assert!(places[1..].iter().all(Place::is_kept), "they have taken something");
    assert!(viewers.enter().is_none(), "it is not late yet");
    advance(Duration::from_secs(1)).await;
    let newcomer = viewers.enter().unwrap();
    assert!(!places[0].is_kept(), "its place is given away");
    assert!(newcomer.is_kept() && places[1..].iter().all(Place::is_kept));
    drop(places);
    assert_eq!(viewers.seats().len(), 1, "who lost its place leaves nobody else's");
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_keeps_a_place_that_nobody_wants() {
    let viewers = Viewers::new();
    let place = viewers.enter().unwrap();
    advance(VIEWER_STALL_MAX * 10).await;
    assert!(viewers.enter().is_some());
    assert!(place.is_kept());
}
