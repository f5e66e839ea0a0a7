//! Callers, turns and their times, under a paused clock.

use std::{
    cell::Cell,
    future::Future,
    rc::Rc,
    task::{Context, Waker},
};

use proptest::prelude::*;
use tokio::{
    task::LocalSet,
    time::{sleep, timeout},
};

use super::*;
use crate::Result;

const PROVIDER: &str = "https://accounts.example.com";
const FAILING: Outcome = Outcome::Failing { retry_after: None };

/// Random bytes that are all the same.
pub(super) struct Fixed(pub(super) u8);

impl Random for Fixed {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        buffer.fill(self.0);
        Ok(())
    }
}

/// Whether no window of time holds more than `rate` a second, and one second's worth at once: for every two of `times`,
/// `last - first + 1 <= rate * (at(last) - at(first)) + rate`. What depends on the first alone is kept as its least.
pub(super) fn keeps_to(rate: u32, times: &[Instant]) -> bool {
    let rate = f64::from(rate);
    let mut least = f64::INFINITY;
    times.iter().enumerate().all(|(index, at)| {
        let excess = index as f64 - rate * (*at - times[0]).as_secs_f64();
        least = least.min(excess);
        excess - least + 1.0 <= rate + 1e-6
    })
}

fn pace() -> Pace {
    Pace::new(Arc::new(Fixed(255)))
}

const LANE: Lane<'_> = Lane { organization: "org", connection: "conn" };

fn rate(per_second: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(per_second)
}

async fn asked(pace: &Pace) -> Result<Turn, Refused> {
    pace.enter(PROVIDER, LANE, Urgency::Asked, None).await
}

async fn fail(pace: &Pace, times: u32, retry_after: Option<Duration>) {
    for _ in 0..times {
        let Ok(turn) = asked(pace).await else { panic!("refused") };
        turn.done(Outcome::Failing { retry_after });
    }
}

/// Polls once.
fn is_ready<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[tokio::test(start_paused = true)]
async fn the_ninth_waits_until_one_of_eight_has_ended() {
    let pace = pace();
    let mut turns = Vec::new();
    for _ in 0..8 {
        assert!(pace.has_room(PROVIDER));
        turns.extend(asked(&pace).await);
    }
    assert_eq!((pace.has_room(PROVIDER), pace.next_room_at(PROVIDER)), (false, None));
    let mut ninth = std::pin::pin!(asked(&pace));
    assert!(!is_ready(ninth.as_mut()));
    turns.pop().unwrap().done(Outcome::Answered);
    assert!(is_ready(ninth.as_mut()));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_refuses_at_once_with_a_time_and_lets_one_see() {
    let (pace, start) = (pace(), Instant::now());
    fail(&pace, 5, None).await;
    let until = start + Duration::from_secs(1);
    assert_eq!(asked(&pace).await.err(), Some(Refused { until }));
    assert_eq!((pace.has_room(PROVIDER), pace.next_room_at(PROVIDER)), (false, Some(until)));
    assert!(pace.has_room("https://other.example.com"), "it is no other provider's failure");

    sleep(Duration::from_secs(1)).await;
    let Ok(probe) = pace.enter(PROVIDER, LANE, Urgency::Planned, None).await else { panic!("no probe") };
    assert_eq!(asked(&pace).await.err(), Some(Refused { until: Instant::now() + Duration::from_secs(1) }));
    assert_eq!((pace.has_room(PROVIDER), pace.next_room_at(PROVIDER)), (false, None));
    probe.done(Outcome::Answered);
    assert!(asked(&pace).await.is_ok());
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn those_in_line_are_refused_when_the_breaker_opens() {
    let pace = pace();
    fail(&pace, 4, None).await;
    let last = asked(&pace).await;
    let mut waits = std::pin::pin!(asked(&pace));
    assert!(!is_ready(waits.as_mut()));
    last.ok().unwrap().done(FAILING);
    assert_eq!(waits.await.err(), Some(Refused { until: Instant::now() + Duration::from_secs(1) }));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_provider_asks_for_holds_planned_work_alone() {
    let (pace, start) = (pace(), Instant::now());
    let planned = || pace.enter(PROVIDER, LANE, Urgency::Planned, None);
    for (asks, holds) in [(0, 1), (90, 90), (7200, 3600)] {
        fail(&pace, 1, Some(Duration::from_secs(asks))).await;
        let until = Instant::now() + Duration::from_secs(holds);
        assert_eq!(planned().await.err(), Some(Refused { until }));
        assert_eq!((pace.has_room(PROVIDER), pace.next_room_at(PROVIDER)), (false, Some(until)));
        assert!(asked(&pace).await.is_ok());
        sleep(Duration::from_secs(holds)).await;
        assert!(planned().await.is_ok());
    }
    assert_eq!(start.elapsed(), Duration::from_secs(1 + 90 + 3600));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_token_goes_before_planned_work() {
    let pace = pace();
    let enter = |urgency| pace.enter(PROVIDER, LANE, urgency, rate(1));
    drop(enter(Urgency::Asked).await);
    let mut planned = std::pin::pin!(enter(Urgency::Planned));
    let mut asked = std::pin::pin!(enter(Urgency::Asked));
    assert!(!is_ready(planned.as_mut()) && !is_ready(asked.as_mut()));
    tokio::select! {
        turn = &mut planned => panic!("planned work went first: {}", turn.is_ok()),
        turn = &mut asked => assert!(turn.is_ok()),
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_one_who_keeps_the_time_gives_up_another_does() {
    let (pace, start) = (pace(), Instant::now());
    let enter = || pace.enter(PROVIDER, LANE, Urgency::Asked, rate(1));
    drop(enter().await);
    let mut keeper = Box::pin(enter());
    let mut other = std::pin::pin!(enter());
    assert!(!is_ready(keeper.as_mut()) && !is_ready(other.as_mut()));
    drop(keeper);
    assert!(other.await.is_ok());
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_nobody_asks_for_an_hour_is_forgotten() {
    let pace = pace();
    let known = || pace.0.providers().len();
    let enter = |provider| pace.enter(provider, LANE, Urgency::Asked, None);
    drop(enter("https://idle.example.com").await);
    let under_way = enter("https://slow.example.com").await;
    sleep(Duration::from_secs(3599)).await;
    drop(enter("https://first.example.com").await);
    assert_eq!(known(), 3);
    sleep(Duration::from_secs(1)).await;
    drop(enter("https://second.example.com").await);
    assert_eq!(known(), 3, "the idle one is gone, the slow one is not");
    drop(under_way);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_many_threads_everyone_who_does_not_give_up_has_a_turn() {
    let pace = Arc::new(pace());
    let callers = (0..400).map(|number| {
        let pace = pace.clone();
        tokio::spawn(async move {
            let gives_up = async {
                tokio::task::yield_now().await;
                if number % 3 > 0 {
                    std::future::pending().await
                }
            };
            tokio::select! {
                turn = asked(&pace) => turn.ok().unwrap().done(Outcome::Answered),
                () = gives_up => {}
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert!(pace.has_room(PROVIDER));
}

/// One caller of a random schedule. Times are in milliseconds.
#[derive(Debug, Clone)]
struct Visit {
    arrives: u64,
    organization: u8,
    urgency: Urgency,
    gives_up_after: Option<u64>,
    takes: u64,
    outcome: Option<Outcome>,
}

fn visits() -> impl Strategy<Value = Vec<Visit>> {
    let urgency = prop_oneof![Just(Urgency::Asked), Just(Urgency::Planned)];
    let outcome = prop_oneof![
        6 => Just(Some(Outcome::Answered)),
        3 => Just(Some(FAILING)),
        1 => (0u64..5).prop_map(|seconds| Some(Outcome::Failing { retry_after: Some(Duration::from_secs(seconds)) })),
        1 => Just(None),
    ];
    let visit = (0u64..2000, 0u8..4, urgency, proptest::option::of(0u64..2000), 0u64..500, outcome);
    let visit = visit.prop_map(|(arrives, organization, urgency, gives_up_after, takes, outcome)| Visit {
        arrives,
        organization,
        urgency,
        gives_up_after,
        takes,
        outcome,
    });
    proptest::collection::vec(visit, 1..80)
}

/// Lines up, holds the turn for a while and ends it. Whoever does not give up is served or refused.
async fn visit(pace: Rc<Pace>, visit: Visit, limit: Option<NonZeroU32>, under_way: Rc<Cell<u32>>) {
    sleep(Duration::from_millis(visit.arrives)).await;
    let organization = visit.organization.to_string();
    let lane = Lane { organization: &organization, connection: "conn" };
    let patience = visit.gives_up_after.map_or(Duration::from_secs(86_400), Duration::from_millis);
    let Ok(answer) = timeout(patience, pace.enter(PROVIDER, lane, visit.urgency, limit)).await else {
        assert!(visit.gives_up_after.is_some(), "a caller was forgotten");
        return;
    };
    match answer {
        Ok(turn) => {
            under_way.set(under_way.get() + 1);
            assert!(under_way.get() <= 8);
            sleep(Duration::from_millis(visit.takes)).await;
            under_way.set(under_way.get() - 1);
            if let Some(outcome) = visit.outcome {
                turn.done(outcome);
            }
        }
        Err(refused) => assert!(refused.until > Instant::now()),
    }
}

proptest! {
    #[test]
    fn every_caller_is_served_or_refused_and_nothing_leaks(
        visits in visits(),
        per_second in proptest::option::of(1u32..30),
        random: u8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (pace, under_way) = (Rc::new(Pace::new(Arc::new(Fixed(random)))), Rc::new(Cell::new(0)));
            let limit = per_second.and_then(rate);
            let callers = visits.into_iter().map(|it| {
                tokio::task::spawn_local(visit(pace.clone(), it, limit, under_way.clone()))
            });
            for caller in callers.collect::<Vec<_>>() {
                caller.await.unwrap();
            }
            sleep(Duration::from_secs(3600)).await;
            let now = Instant::now();
            assert!(pace.0.providers().values().all(|provider| provider.gate.is_forgotten(now)), "something was left");
            assert!(pace.has_room(PROVIDER));
        });
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_wait_goes_at_once_and_the_others_wait_for_it() {
    let pace = pace();
    for _ in 0..3 {
        pace.enter_at_once(PROVIDER, rate(2)).done(Outcome::Answered);
    }
    let begun = Instant::now();
    let Ok(turn) = asked(&pace).await else { panic!("refused") };
    assert_eq!(begun.elapsed().as_millis(), 1000, "three were taken of two");
    drop(turn);
    for _ in 0..5 {
        pace.enter_at_once(PROVIDER, None).done(FAILING);
    }
    assert!(asked(&pace).await.is_err(), "its failures open the breaker");
    pace.enter_at_once(PROVIDER, None).done(Outcome::Answered);
    assert!(asked(&pace).await.is_ok(), "its answer closes it");
}
