//! An app's secrets with a provider: one, or several while a new one takes the place of an old one.

use std::{collections::HashSet, fmt};

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use crate::{
    Error, Result,
    secret::{ExposeSecret, Secret},
};

/// An app's secrets with a provider, the one to use first. A connection takes 1 to 4 of them, none empty, no two alike.
#[derive(Debug, Clone)]
pub struct ClientSecrets(Vec<Secret>);

impl ClientSecrets {
    /// More than any provider accepts at a time.
    pub(crate) const MOST: usize = 4;

    /// The secrets, in the order in which they are tried.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn nth(&self, index: usize) -> Option<&Secret> {
        self.0.get(index)
    }

    /// Refuses what no connection takes.
    pub(crate) fn check(&self) -> Result<()> {
        let different: HashSet<_> = self.iter().map(ExposeSecret::expose_secret).collect();
        if different.is_empty()
            || different.len() != self.0.len()
            || self.0.len() > Self::MOST
            || different.contains("")
        {
            let problem =
                format!("must be a string or 1 to {} of them in an array, none empty, no two alike", Self::MOST);
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

#[cfg(test)]
mod tests {
    use super::*;

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
