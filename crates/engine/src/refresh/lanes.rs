//! Whose turn it is to be refreshed in the background: a pure structure, without a clock or a store.
//!
//! A lane is a connection of an organization. It waits for the moment at which the first of its accounts is due; then it
//! is ready, and takes its turn: organizations one after the other, and within each its lanes. So the accounts of one
//! connection, however many are due, delay nobody else's by more than a turn.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use crate::{names::Organization, time::Timestamp};

/// Longer than any reason to hold a lane lasts. One held for longer was held by a clock that has been set back since.
const LONGEST_HOLD: Duration = Duration::from_secs(2 * 60 * 60);

/// A connection, as its accounts are refreshed: one after the other, beside those of other lanes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Lane {
    pub(super) organization: Organization,
    pub(super) connection_id: String,
}

/// The lanes of which something is due, or will be. One that was taken is gone until it is put again.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// When each is due, whether it waits or is ready.
    due: HashMap<Lane, Timestamp>,
    /// Those that wait, by when they are due.
    waiting: BTreeSet<(Timestamp, Lane)>,
    /// Those that are ready: of each organization in the order of their turns.
    ready: BTreeMap<Organization, VecDeque<Lane>>,
    /// The organizations that have some, in the order of their turns.
    turns: VecDeque<Organization>,
    /// Lanes that have no turn before this moment, whatever is due.
    held: HashMap<Lane, Timestamp>,
    /// When a turn was last asked for.
    asked_at: Option<Timestamp>,
}

impl Lanes {
    /// Notes that something of the lane is due at `at`. The earliest moment counts.
    pub(super) fn put(&mut self, lane: Lane, at: Timestamp) {
        let at = self.held.get(&lane).map_or(at, |until| at.max(*until));
        if !self.is_ready(&lane) && self.due.get(&lane).is_none_or(|before| at < *before) {
            self.wait(lane, at);
        }
    }

    /// Gives the lane no turn before `until`, and one then. The latest moment counts.
    pub(super) fn hold(&mut self, lane: Lane, until: Timestamp) {
        let held = self.held.entry(lane.clone()).or_insert(until);
        *held = until.max(*held);
        // One that is ready is passed over when its turn comes.
        let at = self.due.get(&lane).copied().map_or(until, |at| at.max(until));
        if !self.is_ready(&lane) {
            self.wait(lane, at);
        }
    }

    /// Holds the lane no longer. It has a turn when it is put.
    pub(super) fn free(&mut self, lane: &Lane) {
        self.held.remove(lane);
    }

    /// The lane whose turn it is at `now`.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<Lane> {
        if self.asked_at.replace(now).is_some_and(|before| now < before) {
            self.free_those_of_another_clock(now);
        }
        self.make_ready(now);
        while let Some(organization) = self.turns.pop_front() {
            let lanes = self.ready.get_mut(&organization)?;
            let lane = lanes.pop_front()?;
            if lanes.is_empty() {
                self.ready.remove(&organization);
            } else {
                self.turns.push_back(organization);
            }
            self.due.remove(&lane);
            match self.held.get(&lane).copied() {
                Some(until) if until > now => self.wait(lane, until),
                _ => {
                    self.held.remove(&lane);
                    return Some(lane);
                }
            }
        }
        None
    }

    /// When there is the next turn; in the past when it is one's turn already.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let ready = self.turns.front().and_then(|organization| self.ready.get(organization)?.front());
        let ready = ready.and_then(|lane| self.due.get(lane).copied());
        ready.or_else(|| self.waiting.first().map(|(at, _)| *at))
    }

    /// What kept them waiting is looked at anew in their turn.
    fn free_those_of_another_clock(&mut self, now: Timestamp) {
        let latest = now.plus(LONGEST_HOLD);
        for (lane, _) in self.held.extract_if(|_, until| *until > latest).collect::<Vec<_>>() {
            if !self.is_ready(&lane) && self.due.contains_key(&lane) {
                self.wait(lane, now);
            }
        }
    }

    fn wait(&mut self, lane: Lane, at: Timestamp) {
        if let Some(before) = self.due.insert(lane.clone(), at) {
            self.waiting.remove(&(before, lane.clone()));
        }
        self.waiting.insert((at, lane));
    }

    fn is_ready(&self, lane: &Lane) -> bool {
        self.due.get(lane).is_some_and(|at| !self.waiting.contains(&(*at, lane.clone())))
    }

    /// Those that are due by now come behind the ones that are ready already, the earliest first.
    fn make_ready(&mut self, now: Timestamp) {
        while self.waiting.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, lane)) = self.waiting.pop_first() else { return };
            let lanes = self.ready.entry(lane.organization.clone()).or_default();
            if lanes.is_empty() {
                self.turns.push_back(lane.organization.clone());
            }
            lanes.push_back(lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn lane(organization: u8, connection: u8) -> Lane {
        Lane {
            organization: Organization::parse(&format!("org-{organization}")).unwrap(),
            connection_id: format!("conn_{connection}"),
        }
    }

    fn at(second: u16) -> Timestamp {
        Timestamp::from_millis(i64::from(second) * 1000)
    }

    const END: u16 = u16::MAX;

    #[derive(Debug, Clone)]
    enum Step {
        Put(u8, u8, u16),
        Hold(u8, u8, u16),
        Take(u16),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u8..3, 0u8..3, 0u16..50).prop_map(|(organization, connection, at)| Step::Put(
                organization,
                connection,
                at
            )),
            (0u8..3, 0u8..3, 0u16..50).prop_map(|(organization, connection, at)| Step::Hold(
                organization,
                connection,
                at
            )),
            (0u16..50).prop_map(Step::Take),
        ]
    }

    proptest! {
        /// The model: when each lane is due, and until when it is held.
        #[test]
        fn no_lane_is_lost_or_taken_before_its_time(mut steps in prop::collection::vec(step(), 0..80)) {
            let (mut lanes, mut due, mut held) = (Lanes::default(), BTreeMap::new(), BTreeMap::new());
            steps.extend(std::iter::repeat_n(Step::Take(END), 10));
            let mut now = 0;
            for step in steps {
                match step {
                    Step::Put(organization, connection, second) => {
                        let lane = lane(organization, connection);
                        let earliest = due.entry(lane.clone()).or_insert(second);
                        *earliest = second.min(*earliest);
                        lanes.put(lane, at(second));
                    }
                    Step::Hold(organization, connection, second) => {
                        let lane = lane(organization, connection);
                        let latest = held.entry(lane.clone()).or_insert(second);
                        *latest = second.max(*latest);
                        due.entry(lane.clone()).or_insert(second);
                        lanes.hold(lane, at(second));
                    }
                    Step::Take(second) => {
                        now = now.max(second);
                        match lanes.take_due(at(now)) {
                            Some(taken) => {
                                prop_assert!(due.remove(&taken).is_some_and(|second| second <= now));
                                prop_assert!(held.remove(&taken).is_none_or(|until| until <= now));
                            }
                            None => {
                                let waits = |(lane, second): (&Lane, &u16)| {
                                    *second > now || held.get(lane).is_some_and(|until| *until > now)
                                };
                                prop_assert!(due.iter().all(waits));
                            }
                        }
                    }
                }
            }
            prop_assert!(due.is_empty() && lanes.next().is_none(), "{due:?}");
            prop_assert!(lanes.due.is_empty() && lanes.ready.is_empty() && lanes.held.is_empty());
        }

        /// Everyone else always has more: each organization still gets its turn in every round, each lane in every round
        /// of its organization's.
        #[test]
        fn nobody_waits_longer_than_a_round(busy in prop::collection::btree_map(0u8..6, 1u8..6, 1..6), late in 0u8..6) {
            let mut lanes = Lanes::default();
            for (organization, connections) in &busy {
                (0..*connections).for_each(|connection| lanes.put(lane(*organization, connection), at(0)));
            }
            let again = |lanes: &mut Lanes| {
                let taken = lanes.take_due(at(1)).unwrap();
                lanes.put(taken.clone(), at(0));
                taken
            };
            (0..40).for_each(|_| drop(again(&mut lanes)));
            let newcomer = lane(late, 100);
            lanes.put(newcomer.clone(), at(1));
            let beside = usize::from(busy.get(&late).copied().unwrap_or(0));
            let organizations = busy.len() + usize::from(beside == 0);
            prop_assert!((0..(beside + 1) * organizations).any(|_| again(&mut lanes) == newcomer));
        }

        #[test]
        fn lanes_of_an_organization_come_in_the_order_in_which_they_are_due(seconds in prop::collection::vec(0u16..100, 1..20)) {
            let mut lanes = Lanes::default();
            for (connection, second) in (0..).zip(&seconds) {
                lanes.put(lane(0, connection), at(*second));
            }
            prop_assert_eq!(lanes.next(), seconds.iter().min().copied().map(at));
            let taken = std::iter::from_fn(|| lanes.take_due(at(100)));
            let order: Vec<_> = taken.map(|lane| seconds[lane.connection_id[5..].parse::<usize>().unwrap()]).collect();
            prop_assert!(order.is_sorted() && order.len() == seconds.len());
        }
    }

    #[test]
    fn a_lane_is_not_held_until_a_clock_that_was_set_back_catches_up() {
        let mut lanes = Lanes::default();
        let day = 24 * 60 * 60;
        let then = at(0).plus(Duration::from_secs(400 * day));
        assert_eq!(lanes.take_due(then), None);
        lanes.hold(lane(0, 0), then.plus(LONGEST_HOLD));
        lanes.put(lane(0, 1), then);
        assert_eq!(lanes.take_due(then), Some(lane(0, 1)));
        assert_eq!(lanes.take_due(then), None, "while the clock goes on, it is held");
        lanes.hold(lane(0, 1), at(60));
        assert_eq!(lanes.take_due(at(10)), Some(lane(0, 0)));
        assert_eq!(lanes.take_due(at(10)), None, "a hold that can be is kept");
        assert_eq!(lanes.take_due(at(60)), Some(lane(0, 1)));
    }

    #[test]
    fn a_lane_that_is_held_while_it_is_ready_is_passed_over() {
        let mut lanes = Lanes::default();
        (0..3).for_each(|connection| lanes.put(lane(0, connection), at(0)));
        assert_eq!(lanes.take_due(at(1)), Some(lane(0, 0)));
        lanes.hold(lane(0, 1), at(5));
        assert_eq!(lanes.take_due(at(1)), Some(lane(0, 2)));
        assert_eq!(lanes.take_due(at(4)), None);
        assert_eq!(lanes.next(), Some(at(5)));
        lanes.put(lane(0, 1), at(0));
        assert_eq!(lanes.take_due(at(4)), None);
        assert_eq!(lanes.take_due(at(5)), Some(lane(0, 1)));
    }
}
