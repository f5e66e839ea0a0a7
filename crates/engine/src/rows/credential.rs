//! What is sealed of an account: the tokens that a provider granted, or what a person entered.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::sealed;
use crate::secret::Secret;

/// An account's credential, opened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Cell", into = "Cell")]
pub(crate) enum Credential {
    /// Granted by OAuth.
    Tokens(Tokens),
    /// Entered: every field of the connector's method, those that are no secret too. It never ends by itself.
    Fields(IndexMap<String, Secret>),
}

/// What OAuth grants.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) access_token: Secret,
    pub(crate) refresh_token: Option<Secret>,
    /// Secret values that the connector keeps.
    pub(crate) kept: IndexMap<String, Secret>,
}

impl Credential {
    /// What can bring the next access token; nothing where the credential does not end.
    pub(crate) fn refresh_token(&self) -> Option<&Secret> {
        match self {
            Self::Tokens(tokens) => tokens.refresh_token.as_ref(),
            Self::Fields(_) => None,
        }
    }
}

/// The cell's JSON. Flat, so that a secret is read straight into its place.
#[derive(Serialize, Deserialize)]
struct Cell {
    /// Cells without it are older than it, and hold tokens.
    #[serde(default)]
    kind: Kind,
    #[serde(serialize_with = "sealed::optional", default, skip_serializing_if = "Option::is_none")]
    access_token: Option<Secret>,
    #[serde(serialize_with = "sealed::optional", default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<Secret>,
    #[serde(serialize_with = "sealed::map", default, skip_serializing_if = "IndexMap::is_empty")]
    kept: IndexMap<String, Secret>,
    #[serde(serialize_with = "sealed::map", default, skip_serializing_if = "IndexMap::is_empty")]
    fields: IndexMap<String, Secret>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Tokens,
    Fields,
}

impl TryFrom<Cell> for Credential {
    type Error = &'static str;

    fn try_from(cell: Cell) -> Result<Self, Self::Error> {
        let Cell { kind, access_token, refresh_token, kept, fields } = cell;
        match kind {
            Kind::Fields => Ok(Self::Fields(fields)),
            Kind::Tokens => access_token
                .map(|access_token| Self::Tokens(Tokens { access_token, refresh_token, kept }))
                .ok_or("tokens without an access token"),
        }
    }
}

impl From<Credential> for Cell {
    fn from(credential: Credential) -> Self {
        let empty = Self {
            kind: Kind::Tokens,
            access_token: None,
            refresh_token: None,
            kept: IndexMap::new(),
            fields: IndexMap::new(),
        };
        match credential {
            Credential::Fields(fields) => Self { kind: Kind::Fields, fields, ..empty },
            Credential::Tokens(Tokens { access_token, refresh_token, kept }) => {
                Self { access_token: Some(access_token), refresh_token, kept, ..empty }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ExposeSecret;

    #[test]
    fn each_kind_opens_as_what_it_was() {
        let tokens = Tokens {
            access_token: Secret::from("at"),
            refresh_token: Some(Secret::from("rt")),
            kept: IndexMap::from([("k".into(), Secret::from("v"))]),
        };
        let json = serde_json::to_string(&Credential::Tokens(tokens)).unwrap();
        assert_eq!(json, r#"{"kind":"tokens","access_token":"at","refresh_token":"rt","kept":{"k":"v"}}"#);
        let json = r#"{"kind":"fields","fields":{"api_key":"k"}}"#;
        let Credential::Fields(fields) = serde_json::from_str(json).unwrap() else { panic!("these are fields") };
        assert_eq!(fields["api_key"].expose_secret(), "k");
        assert_eq!(serde_json::to_string(&Credential::Fields(fields)).unwrap(), json);
    }

    #[test]
    fn a_cell_that_is_older_than_the_kinds_holds_tokens() {
        let json = r#"{"access_token":"at","refresh_token":null,"kept":{}}"#;
        let Credential::Tokens(tokens) = serde_json::from_str(json).unwrap() else { panic!("these are tokens") };
        assert_eq!((tokens.access_token.expose_secret(), tokens.refresh_token.is_none()), ("at", true));
        assert!(serde_json::from_str::<Credential>("{}").is_err());
    }
}
