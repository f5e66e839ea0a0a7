//! Which of an app's secrets is used: there are several while a new one takes the place of an old one.
//!
//! A provider that issues a second secret accepts both for a while. A connection lists both, the new one first, so that
//! its accounts go on whichever of them the provider knows at the moment. One is used; where the provider refuses the
//! app, the next is tried, and the one that worked is remembered while the process lives.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{Engine, rows::StoredConnection};

/// Which of an app's secrets a token request is sent with. They are tried from the one that worked last, then in the
/// order in which the connection lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SecretChoice {
    count: usize,
    first: usize,
    refused: usize,
}

impl SecretChoice {
    fn first(first: usize, count: usize) -> Self {
        Self { count, first, refused: 0 }
    }

    /// The secret's place in the connection's list.
    pub(super) fn index(self) -> usize {
        match self.refused {
            0 => self.first,
            // The list from its beginning, without the one that came first.
            refused if refused <= self.first => refused - 1,
            refused => refused,
        }
    }

    /// Whether both choose from as many.
    pub(super) fn is_among(self, other: Self) -> bool {
        self.count == other.count
    }

    /// The one to try when this one is refused; nothing when all of them were.
    pub(super) fn next(self) -> Option<Self> {
        let next = Self { refused: self.refused + 1, ..self };
        (next.refused < self.count).then_some(next)
    }
}

/// Which secret worked last, of connections where it is not the first: by their ids, each with the secrets' epoch.
#[derive(Debug, Default)]
pub(crate) struct SecretsInUse(Mutex<HashMap<String, (u64, usize)>>);

impl SecretsInUse {
    fn of(&self, connection_id: &str, epoch: u64) -> usize {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(connection_id).filter(|(of, _)| *of == epoch).map_or(0, |(_, index)| *index)
    }

    fn remember(&self, connection_id: &str, epoch: u64, index: usize) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match index {
            0 => known.remove(connection_id),
            _ => known.insert(connection_id.into(), (epoch, index)),
        };
    }
}

impl Engine {
    /// The secret to begin with.
    pub(super) fn secret_choice(&self, connection: &StoredConnection) -> SecretChoice {
        match connection.secrets.client_secret.as_ref().map_or(0, |secrets| secrets.len()) {
            count @ (0 | 1) => SecretChoice::first(0, count),
            count => {
                let first = self.secrets_in_use.of(&connection.id, connection.config.secrets_epoch);
                SecretChoice::first(first.min(count - 1), count)
            }
        }
    }

    /// Begins with this secret from now on: the provider has accepted it.
    pub(crate) fn remember_secret(&self, connection: &StoredConnection, choice: SecretChoice) {
        if choice.count > 1 {
            self.secrets_in_use.remember(&connection.id, connection.config.secrets_epoch, choice.index());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rows::ClientSecrets;

    fn order(first: usize, count: usize) -> Vec<usize> {
        std::iter::successors(Some(SecretChoice::first(first, count)), |choice| choice.next())
            .map(SecretChoice::index)
            .collect()
    }

    proptest! {
        #[test]
        fn every_secret_is_tried_once(count in 1..=ClientSecrets::MOST, first: prop::sample::Index) {
            let mut tried = order(first.index(count), count);
            prop_assert_eq!(tried[0], first.index(count));
            tried.sort_unstable();
            prop_assert_eq!(tried, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_one_that_worked_comes_first_and_the_rest_as_listed() {
        assert_eq!(order(0, 3), [0, 1, 2]);
        assert_eq!(order(2, 4), [2, 0, 1, 3]);
    }

    #[test]
    fn what_worked_is_remembered_until_the_secrets_change() {
        let known = SecretsInUse::default();
        known.remember("conn_1", 7, 2);
        assert_eq!((known.of("conn_1", 7), known.of("conn_1", 8), known.of("conn_2", 7)), (2, 0, 0));
        known.remember("conn_1", 7, 0);
        assert_eq!(known.of("conn_1", 7), 0);
        assert!(known.0.lock().unwrap().is_empty(), "the first needs no remembering");
    }
}
