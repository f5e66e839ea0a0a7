//! The rule against a model of time.

use proptest::{prelude::*, sample::Index};

use super::*;
use crate::refresh::pace::{
    breaker::MOST_AT_ONCE,
    tests::{Fixed, keeps_to},
};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn lane(organization: usize) -> Lane<'static> {
    Lane { organization: NAMES[organization], connection: "conn" }
}

#[derive(Debug, Clone)]
enum Step {
    LineUp(usize, Urgency),
    Leave(Index),
    End(Index, Option<Outcome>),
    /// So many milliseconds pass.
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let urgency = prop_oneof![Just(Urgency::Asked), Just(Urgency::Planned)];
    let failing = proptest::option::of(0u64..20).prop_map(|seconds| {
        Some(Outcome::Failing { retry_after: seconds.filter(|seconds| *seconds < 3).map(Duration::from_secs) })
    });
    let outcome = prop_oneof![3 => Just(Some(Outcome::Answered)), 4 => failing, 1 => Just(None)];
    let step = prop_oneof![
        6 => (0..3usize, urgency).prop_map(|(organization, urgency)| Step::LineUp(organization, urgency)),
        1 => any::<Index>().prop_map(Step::Leave),
        4 => (any::<Index>(), outcome).prop_map(|(index, outcome)| Step::End(index, outcome)),
        2 => (0u64..1500).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..250)
}

/// What is known of a gate from outside.
struct Model {
    gate: Gate<usize>,
    now: Instant,
    /// Callers in line.
    waiting: Vec<(usize, usize, Urgency, Ticket)>,
    /// Requests under way: their pass, and whether the provider was down when they went.
    under_way: Vec<(Pass, bool)>,
    went: Vec<Instant>,
}

impl Model {
    fn is_down(&self) -> bool {
        self.gate.breaker.refuses_until(self.now).is_some()
    }

    /// Calls, and checks everything that must hold then.
    fn call(&mut self) -> Result<(), TestCaseError> {
        let mut down = self.is_down();
        for (caller, verdict) in self.gate.call(self.now) {
            let place = self.waiting.iter().position(|(id, ..)| *id == caller);
            let (_, _, urgency, _) = self.waiting.remove(place.expect("nobody else is called"));
            match verdict {
                Ok(pass) => {
                    let asked = self.waiting.iter().any(|(_, _, urgency, _)| *urgency == Urgency::Asked);
                    prop_assert!(urgency == Urgency::Asked || !asked, "planned work went first");
                    self.under_way.push((pass, down));
                    self.went.push(self.now);
                }
                Err(until) => {
                    prop_assert!(until > self.now, "whoever is refused must not come again at once");
                    prop_assert!(self.is_down() || urgency == Urgency::Planned);
                }
            }
            down = self.is_down();
        }
        prop_assert!(self.under_way.len() <= MOST_AT_ONCE as usize);
        if self.is_down() {
            prop_assert!(self.waiting.is_empty(), "nobody waits for a provider that is down");
            prop_assert!(self.under_way.iter().filter(|(_, probe)| *probe).count() <= 1, "two probes");
        } else {
            // Once it is back, a probe is a request like any other.
            self.under_way.iter_mut().for_each(|(_, probe)| *probe = false);
        }
        prop_assert!(self.gate.next_at(self.now).is_none_or(|at| at > self.now), "who can go has gone");
        Ok(())
    }

    fn end(&mut self, index: usize, outcome: Option<Outcome>, random: u8) -> Result<(), TestCaseError> {
        let (pass, _) = self.under_way.remove(index);
        self.gate.end(pass, outcome, self.now, &Fixed(random));
        self.call()
    }

    /// Has every request answered and time go on until nobody waits.
    fn finish(&mut self) -> Result<(), TestCaseError> {
        while !self.under_way.is_empty() || !self.waiting.is_empty() {
            if !self.under_way.is_empty() {
                self.end(0, Some(Outcome::Answered), 255)?;
            } else {
                let next = self.gate.next_at(self.now);
                prop_assert!(next.is_some(), "{} wait for nothing", self.waiting.len());
                self.now = next.unwrap();
                self.call()?;
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn the_rule_holds_whatever_happens(steps in steps(), per_second in proptest::option::of(1u32..20), random: u8) {
        let now = Instant::now();
        let (gate, waiting) = (Gate::new(now), Vec::new());
        let mut model = Model { gate, now, waiting, under_way: Vec::new(), went: Vec::new() };
        model.gate.limit(per_second.and_then(NonZeroU32::new), now);
        for (id, step) in steps.into_iter().enumerate() {
            match step {
                Step::LineUp(organization, urgency) => {
                    let ticket = model.gate.line_up(lane(organization), urgency, id, model.now);
                    model.waiting.push((id, organization, urgency, ticket));
                    model.call()?;
                }
                Step::Leave(index) if !model.waiting.is_empty() => {
                    let (_, organization, urgency, ticket) = model.waiting.remove(index.index(model.waiting.len()));
                    model.gate.leave(lane(organization), urgency, ticket);
                }
                Step::End(index, outcome) if !model.under_way.is_empty() => {
                    model.end(index.index(model.under_way.len()), outcome, random)?;
                }
                Step::Pass(millis) => {
                    model.now += Duration::from_millis(millis);
                    model.call()?;
                }
                Step::Leave(_) | Step::End(..) => {}
            }
        }
        model.finish()?;
        prop_assert!(per_second.is_none_or(|rate| keeps_to(rate, &model.went)), "more than the rate");
        prop_assert!(model.gate.is_forgotten(model.now + FORGOTTEN_AFTER));
    }
}
