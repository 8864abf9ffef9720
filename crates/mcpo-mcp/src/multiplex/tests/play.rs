//! Random moves of callers, writer and upstream; whatever they do, every call ends once, and no
//! call is told that it was not sent when it was.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tokio::task::AbortHandle;

use super::*;

#[derive(Debug, Clone)]
enum Move {
    Call,
    /// The caller goes away.
    Leave(prop::sample::Index),
    /// The writer takes what there is, and may find that the pipe was dead.
    Write {
        dead: bool,
    },
    /// The upstream answers, also requests that it never saw or that have ended.
    Answer(prop::sample::Index),
    /// Some callers meet their deadline.
    Wait,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => Just(Move::Call),
        1 => any::<prop::sample::Index>().prop_map(Move::Leave),
        2 => prop::bool::weighted(0.1).prop_map(|dead| Move::Write { dead }),
        3 => any::<prop::sample::Index>().prop_map(Move::Answer),
        1 => Just(Move::Wait),
    ];
    // Fewer than the queue holds, so that ids follow the order of the calls.
    prop::collection::vec(one, 0..QUEUE_FRAMES_MAX / 2)
}

struct Play {
    multiplexer: Multiplexer,
    outbox: Outbox,
    calls: JoinSet<(u64, Result<Answer, RequestError>)>,
    callers: BTreeMap<u64, AbortHandle>,
    live: BTreeSet<u64>,
    written: BTreeSet<u64>,
    answered: BTreeSet<u64>,
}

impl Play {
    fn new() -> Self {
        let (multiplexer, outbox) = Multiplexer::new();
        let (callers, live, written, answered) = Default::default();
        Self { multiplexer, outbox, calls: JoinSet::new(), callers, live, written, answered }
    }

    async fn turn(&mut self, turn: Move) {
        match turn {
            Move::Call => {
                let id = self.callers.len() as u64 + 1;
                let call = call(&self.multiplexer, Manner::Call);
                self.callers.insert(id, self.calls.spawn(async move { (id, call.await) }));
                self.live.insert(id);
            }
            Move::Leave(index) => {
                if let Some(id) = self.pick(&index) {
                    self.callers[&id].abort();
                    settle().await;
                    self.live.remove(&id);
                }
            }
            Move::Write { dead } => self.write(dead).await,
            Move::Answer(index) => {
                if let Some(id) = self.pick(&index) {
                    if self.live.contains(&id) {
                        self.answered.insert(id);
                    }
                    receive(&self.multiplexer, &format!("{{\"id\":{id},\"result\":{id}}}"));
                }
            }
            Move::Wait => advance(TIMEOUT / 3).await,
        }
        settle().await;
        self.collect();
        assert_eq!(self.multiplexer.pending(), self.live.len());
    }

    /// Any call there ever was.
    fn pick(&self, index: &prop::sample::Index) -> Option<u64> {
        (!self.callers.is_empty()).then(|| index.index(self.callers.len()) as u64 + 1)
    }

    async fn write(&mut self, dead: bool) {
        let mut batch = Vec::new();
        if timeout_at(Instant::now(), self.outbox.next(&mut batch)).await.is_err() {
            return;
        }
        let ids: Vec<u64> = batch.iter().filter_map(|outgoing| outgoing.id).collect();
        for id in &ids {
            assert!(self.live.contains(id), "{id} was given up and is written all the same");
        }
        for outgoing in batch.iter().filter(|outgoing| outgoing.id.is_none()) {
            let frame: Value = serde_json::from_slice(&outgoing.frame).expect("frames are JSON");
            let cancelled = frame["params"]["requestId"].as_u64().expect("it names a request");
            assert!(self.written.contains(&cancelled) && !self.answered.contains(&cancelled));
        }
        if dead { self.outbox.take_back(ids) } else { self.written.extend(ids) }
    }

    fn collect(&mut self) {
        while let Some(ended) = self.calls.try_join_next() {
            let Ok((id, answer)) = ended else { continue };
            assert!(self.live.remove(&id), "{id} ended before");
            match answer {
                Ok(answer) => {
                    assert_eq!(result(Ok(answer)), id.to_string());
                    assert!(self.answered.contains(&id));
                }
                Err(error) => assert_eq!(
                    error.sent == Sent::Maybe,
                    self.written.contains(&id),
                    "{id}: {error}"
                ),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_call_ends_once_and_knows_whether_it_was_sent(moves in moves()) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("no I/O");
        runtime.block_on(async {
            let mut play = Play::new();
            for turn in moves {
                play.turn(turn).await;
            }
            play.multiplexer.end(&Cause::Broken("the end".to_owned()));
            settle().await;
            play.collect();
            assert!(play.live.is_empty() && play.multiplexer.pending() == 0);
        });
    }
}
