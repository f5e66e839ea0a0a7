//! An app's secrets with a provider: several while a new one takes the place of an old one.
//!
//! A provider that issues a second secret accepts both for a while. A connection lists both, the new one first, so that
//! its accounts go on whichever of them the provider knows at the moment. One is used; where the provider refuses the
//! app, the next is tried, and the one that worked is remembered while the process lives.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Mutex, PoisonError},
};

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use crate::{
    Engine, Error, Result,
    rows::StoredConnection,
    secret::{ExposeSecret, Secret},
};

/// More than any provider accepts at a time.
const MOST: usize = 4;

/// An app's secrets with a provider, the one to use first. A connection takes 1 to 4 of them, none empty, no two alike.
#[derive(Debug, Clone)]
pub struct ClientSecrets(Vec<Secret>);

impl ClientSecrets {
    /// The secrets, in the order in which they are tried.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }

    pub(super) fn nth(&self, index: usize) -> Option<&Secret> {
        self.0.get(index)
    }

    pub(super) fn check(&self) -> Result<()> {
        let different: HashSet<_> = self.iter().map(ExposeSecret::expose_secret).collect();
        if different.is_empty() || different.len() != self.0.len() || self.0.len() > MOST || different.contains("") {
            let problem = format!("must be a string or 1 to {MOST} of them in an array, none empty, no two alike");
            return Err(Error::invalid("clientSecret", problem));
        }
        Ok(())
    }
}

impl From<&str> for ClientSecrets {
    fn from(secret: &str) -> Self {
        Self(vec![secret.into()])
    }
}

impl From<Secret> for ClientSecrets {
    fn from(secret: Secret) -> Self {
        Self(vec![secret])
    }
}

impl From<Vec<Secret>> for ClientSecrets {
    fn from(secrets: Vec<Secret>) -> Self {
        Self(secrets)
    }
}

/// A string, as most apps write it and rows once were, or an array.
impl<'de> Deserialize<'de> for ClientSecrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrSeveral;

        impl<'de> Visitor<'de> for OneOrSeveral {
            type Value = ClientSecrets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }

            fn visit_str<E>(self, secret: &str) -> Result<ClientSecrets, E> {
                Ok(secret.into())
            }

            fn visit_string<E>(self, secret: String) -> Result<ClientSecrets, E> {
                Ok(Secret::from(secret).into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<ClientSecrets, A::Error> {
                let mut secrets = Vec::new();
                while let Some(secret) = elements.next_element::<Secret>()? {
                    secrets.push(secret);
                }
                Ok(secrets.into())
            }
        }

        deserializer.deserialize_any(OneOrSeveral)
    }
}

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
        match connection.secrets.client_secret.as_ref().map_or(0, |secrets| secrets.0.len()) {
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

    fn order(first: usize, count: usize) -> Vec<usize> {
        std::iter::successors(Some(SecretChoice::first(first, count)), |choice| choice.next())
            .map(SecretChoice::index)
            .collect()
    }

    proptest! {
        #[test]
        fn every_secret_is_tried_once(count in 1..=MOST, first: prop::sample::Index) {
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

    #[test]
    fn one_to_four_different_secrets_are_taken() {
        let check = |secrets: &[&str]| {
            ClientSecrets::from(secrets.iter().map(|secret| Secret::from(*secret)).collect::<Vec<_>>()).check().is_ok()
        };
        assert!(check(&["a"]) && check(&["a", "b", "c", "d"]));
        for refused in [&[][..], &[""], &["a", ""], &["a", "b", "a"], &["a", "b", "c", "d", "e"]] {
            assert!(!check(refused), "{refused:?}");
        }
    }

    #[test]
    fn one_or_several_are_read_and_nothing_else() {
        let read = |json| serde_json::from_str::<ClientSecrets>(json).ok().map(|secrets| secrets.0.len());
        assert_eq!([read(r#""a""#), read(r#"["a","b"]"#), read("7"), read("[7]")], [Some(1), Some(2), None, None]);
    }
}
