//! Which credentials open the API: access tokens while they last, and static keys.

use onbehalf_engine::{Result, random::Random, time::Timestamp};

use super::{GrantId, Provider, issued};

/// A key that always works, for whoever tries the form in a browser.
pub const DEMO_KEY: &str = "sandbox-demo-key";
/// Whose it is, and who the consent page takes the person for unless they say otherwise.
pub const DEMO_USER: &str = "ada";

/// An access token, and what it came of.
pub(super) struct AccessToken {
    pub(super) grant: GrantId,
    pub(super) expires_at: Timestamp,
}

/// A static key.
pub(super) struct Key {
    user: String,
    permissions: Vec<String>,
}

/// Who calls the API, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The person's name here.
    pub user: String,
    /// Scopes, or a key's permissions.
    pub permissions: Vec<String>,
}

impl Caller {
    /// Whether they may do what takes `permission`.
    pub fn may(&self, permission: &str) -> bool {
        self.permissions.iter().any(|given| given == permission)
    }

    /// Whether anything is left that they may do.
    pub fn may_something(&self) -> bool {
        !self.permissions.is_empty()
    }
}

impl Provider {
    /// Who an access token speaks for.
    pub fn bearer(&self, token: &str, now: Timestamp) -> Option<Caller> {
        let access = self.access_tokens.get(token).filter(|access| now < access.expires_at)?;
        let grant = self.grants.get(&access.grant)?;
        Some(Caller { user: grant.user.clone(), permissions: grant.scopes.clone() })
    }

    /// Who a static key speaks for.
    pub fn key(&self, key: &str) -> Option<Caller> {
        if key == DEMO_KEY {
            return Some(Caller { user: DEMO_USER.into(), permissions: vec!["read".into(), "write".into()] });
        }
        let key = self.keys.get(key)?;
        Some(Caller { user: key.user.clone(), permissions: key.permissions.clone() })
    }

    /// Makes a static key.
    pub fn issue_key(&mut self, user: &str, permissions: &[String], random: &dyn Random) -> Result<String> {
        let key = issued("key", random)?;
        self.keys.insert(key.clone(), Key { user: user.into(), permissions: permissions.into() });
        Ok(key)
    }

    /// Ends a person's static keys, or everyone's.
    pub fn revoke_keys(&mut self, user: Option<&str>) {
        self.keys.retain(|_, key| user.is_some_and(|user| key.user != user));
    }
}
