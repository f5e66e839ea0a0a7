//! A line in which organizations take turns, and within one its connections: ten thousand who wait for one of them delay
//! another's first by one turn.

use std::collections::{
    BTreeMap,
    btree_map::{Entry, OccupiedEntry},
};

use super::Lane;

/// A place in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// Those who wait, by organization, connection and arrival.
#[derive(Debug)]
pub(super) struct Line<W> {
    organizations: Queues<Queues<BTreeMap<Ticket, W>>>,
    /// Counts arrivals and turns, which gives them their order.
    count: u64,
}

type Queues<Q> = BTreeMap<String, Queue<Q>>;

/// Never empty while it stands in a line.
#[derive(Debug)]
struct Queue<Q> {
    /// When it had its last turn, or began to wait: the lowest is next.
    since: u64,
    waiting: Q,
}

impl<W> Line<W> {
    pub(super) fn new() -> Self {
        Self { organizations: BTreeMap::new(), count: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.organizations.is_empty()
    }

    /// Adds one at the end of its connection's queue.
    pub(super) fn push(&mut self, lane: Lane<'_>, waiter: W) -> Ticket {
        self.count += 1;
        let since = self.count;
        let organization = self.organizations.entry(lane.organization.to_owned());
        let connections = &mut organization.or_insert_with(|| Queue { since, waiting: BTreeMap::new() }).waiting;
        let connection = connections.entry(lane.connection.to_owned());
        let waiters = &mut connection.or_insert_with(|| Queue { since, waiting: BTreeMap::new() }).waiting;
        waiters.insert(Ticket(since), waiter);
        Ticket(since)
    }

    /// Takes the one out whose turn it is. Looks at each organization that waits, which are few: planners don't line up
    /// where there is no room.
    pub(super) fn pop(&mut self) -> Option<W> {
        self.count += 1;
        let mut organization = next_of(&mut self.organizations)?;
        organization.get_mut().since = self.count;
        let mut connection = next_of(&mut organization.get_mut().waiting)?;
        connection.get_mut().since = self.count;
        let (_, waiter) = connection.get_mut().waiting.pop_first()?;
        if connection.get().waiting.is_empty() {
            connection.remove();
        }
        if organization.get().waiting.is_empty() {
            organization.remove();
        }
        Some(waiter)
    }

    /// Takes one out who gave up. Nothing happens when it has left the line already.
    pub(super) fn remove(&mut self, lane: Lane<'_>, ticket: Ticket) {
        let Some(organization) = self.organizations.get_mut(lane.organization) else { return };
        let Some(connection) = organization.waiting.get_mut(lane.connection) else { return };
        connection.waiting.remove(&ticket);
        if connection.waiting.is_empty() {
            organization.waiting.remove(lane.connection);
        }
        if organization.waiting.is_empty() {
            self.organizations.remove(lane.organization);
        }
    }

    /// Takes everyone out.
    pub(super) fn take(&mut self) -> impl Iterator<Item = W> + use<W> {
        let organizations = std::mem::take(&mut self.organizations).into_values();
        organizations.flat_map(|queue| queue.waiting.into_values()).flat_map(|queue| queue.waiting.into_values())
    }
}

/// The queue that has waited longest for a turn.
fn next_of<Q>(queues: &mut Queues<Q>) -> Option<OccupiedEntry<'_, String, Queue<Q>>> {
    let name = queues.iter().min_by_key(|(_, queue)| queue.since)?.0.clone();
    match queues.entry(name) {
        Entry::Occupied(queue) => Some(queue),
        Entry::Vacant(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 4] = ["a", "b", "c", "d"];

    fn lane(organization: usize, connection: usize) -> Lane<'static> {
        Lane { organization: NAMES[organization], connection: NAMES[connection] }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(usize, usize),
        Pop,
        Remove(proptest::sample::Index),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..4usize, 0..4usize).prop_map(|(organization, connection)| Step::Push(organization, connection)),
            2 => Just(Step::Pop),
            1 => any::<proptest::sample::Index>().prop_map(Step::Remove),
        ];
        proptest::collection::vec(step, 1..300)
    }

    /// How often each name had a turn while another waited for one.
    #[derive(Default)]
    struct Overtaken(HashMap<(String, String), u32>);

    impl Overtaken {
        /// Notes a turn, and that of those who wait nobody was passed twice by the same.
        fn by(&mut self, served: String, waiting: &HashSet<String>) -> bool {
            self.0.retain(|(slow, _), _| *slow != served && waiting.contains(slow));
            waiting.iter().filter(|slow| **slow != served).all(|slow| {
                let times = self.0.entry((slow.clone(), served.clone())).or_default();
                *times += 1;
                *times <= 1
            })
        }

        /// Those who stop waiting are no longer overtaken.
        fn only(&mut self, waiting: &HashSet<String>) {
            self.0.retain(|(slow, _), _| waiting.contains(slow));
        }
    }

    fn organizations(waiting: &[(usize, usize, Ticket)]) -> HashSet<String> {
        waiting.iter().map(|(organization, ..)| NAMES[*organization].to_owned()).collect()
    }

    fn connections_of(waiting: &[(usize, usize, Ticket)], of: usize) -> HashSet<String> {
        let of_it = waiting.iter().filter(|(organization, ..)| *organization == of);
        of_it.map(|(_, connection, _)| NAMES[*connection].to_owned()).collect()
    }

    proptest! {
        #[test]
        fn nobody_who_waits_is_overtaken_twice_by_the_same(steps in steps()) {
            let (mut line, mut waiting, mut count) = (Line::new(), Vec::new(), 0usize);
            let mut among_organizations = Overtaken::default();
            let mut among_connections: [Overtaken; 4] = Default::default();
            for step in steps {
                match step {
                    Step::Push(organization, connection) => {
                        let ticket = line.push(lane(organization, connection), count);
                        waiting.push((organization, connection, ticket));
                        count += 1;
                    }
                    Step::Remove(index) if !waiting.is_empty() => {
                        let (organization, connection, ticket) = waiting.remove(index.index(waiting.len()));
                        line.remove(lane(organization, connection), ticket);
                        line.remove(lane(organization, connection), ticket);
                    }
                    Step::Pop | Step::Remove(_) => {
                        let before = line.count;
                        let popped = line.pop();
                        prop_assert_eq!(popped.is_none(), waiting.is_empty());
                        if popped.is_some() {
                            let queues = &line.organizations;
                            let gone = waiting.iter().position(|(organization, connection, ticket)| {
                                let queue = queues.get(NAMES[*organization]);
                                let queue = queue.and_then(|queue| queue.waiting.get(NAMES[*connection]));
                                queue.is_none_or(|queue| !queue.waiting.contains_key(ticket))
                            });
                            let (organization, connection, ticket) = waiting.remove(gone.unwrap());
                            prop_assert!(ticket.0 <= before);
                            let first = !waiting.iter().any(|(o, c, t)| (*o, *c) == (organization, connection) && *t < ticket);
                            prop_assert!(first, "within a connection the first is first");
                            let (all, its) = (organizations(&waiting), connections_of(&waiting, organization));
                            prop_assert!(among_organizations.by(NAMES[organization].into(), &all));
                            prop_assert!(among_connections[organization].by(NAMES[connection].into(), &its));
                        }
                    }
                }
                among_organizations.only(&organizations(&waiting));
                for (organization, connections) in among_connections.iter_mut().enumerate() {
                    connections.only(&connections_of(&waiting, organization));
                }
                prop_assert_eq!(line.is_empty(), waiting.is_empty());
            }
            prop_assert_eq!(line.take().count(), waiting.len());
            prop_assert!(line.is_empty());
        }
    }

    #[test]
    fn ten_thousand_of_one_organization_delay_another_by_one_turn() {
        let mut line = Line::new();
        for _ in 0..10_000 {
            line.push(lane(0, 0), "many");
        }
        line.push(lane(1, 0), "other organization");
        line.push(lane(0, 1), "other connection");
        let order: Vec<_> = std::iter::from_fn(|| line.pop()).take(4).collect();
        assert_eq!(order, ["many", "other organization", "other connection", "many"]);
    }
}
