//! Connected account rows: who, in what state, and the sealed credential.

use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Credential, Rows, damaged, from_json, to_json};
use crate::{
    Result,
    names::Organization,
    store::{AccountKey, AccountRow},
    time::Timestamp,
    vault::{Column, Place},
};

const TABLE: &str = "accounts";
/// As far as a clock is set back in the course of things: no further than what is left of a token that is handed out.
const CORRECTION: Duration = Duration::from_secs(30);

/// Whether a connected account can be used. The names are the wire's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The credential works, as far as is known.
    Active,
    /// The credential stopped working; the reason says why. The person must authorize again.
    Expired,
    /// The person has not authorized yet.
    PendingAuth,
    /// The person consented; the app has not verified yet that it was the right one.
    PendingVerification,
    /// Disconnected on purpose; the credential is gone, the account is kept.
    Disconnected,
}

impl Status {
    const ALL: [Self; 5] =
        [Self::Active, Self::Expired, Self::PendingAuth, Self::PendingVerification, Self::Disconnected];

    /// The wire's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Expired => "EXPIRED",
            Self::PendingAuth => "PENDING_AUTH",
            Self::PendingVerification => "PENDING_VERIFICATION",
            Self::Disconnected => "DISCONNECTED",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// Everything of an account that is no secret and no column. What is as [`Default`] has it is not written: most of it,
/// of most accounts, and there may be a million.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AccountFacts {
    /// Counts the credentials stored; bound into the seal of the present one.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) token_epoch: u64,
    /// Counts the token requests that came to an end. The one under way has the next number, which its lease says. Ahead
    /// of `token_epoch` after one that brought nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) request_epoch: u64,
    /// Whether nobody knows what the provider made of a token request since the credential was stored. It may have
    /// replaced the refresh token, and an `invalid_grant` would be the end of that.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) doubtful: bool,
    /// What earlier versions noted of the last request alone; it is in `doubtful` once the row is read.
    #[serde(skip_serializing)]
    unanswered: bool,
    /// The epoch of the credential of which the provider has said `invalid_grant` once.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) refused: Option<u64>,
    /// Since when the provider refuses the credential in words that prove nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) unproven_since: Option<Timestamp>,
    /// Counts authorizations and disconnections: an exchange that began before one of them comes too late.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) grants: u64,
    /// The connector and app that the credential was granted to.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) binding: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) reason: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) scopes_granted: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) provider_account_id: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) provider_account_label: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) kept: IndexMap<String, String>,
    /// Until then a consent waits for the app's verification.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) verifying_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) last_refresh_error: Option<String>,
    /// Refreshes that failed in a row.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) failed_refreshes: u32,
    /// No token request before this moment.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) next_refresh_at: Option<Timestamp>,
    /// When a refresh last brought a token.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) refreshed_at: Option<Timestamp>,
    /// What came from another environment.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) moved: Option<Moved>,
}

/// What was last imported into an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moved {
    /// The epoch that it got here: with a later one, the account has a credential of its own.
    pub(crate) epoch: u64,
    /// When the account had last changed where it came from, on that one's clock.
    pub(crate) changed_at: Timestamp,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl AccountFacts {
    /// A good answer came: what went wrong before is over.
    pub(crate) fn clear_failures(&mut self) {
        self.reason = None;
        self.doubtful = false;
        self.refused = None;
        self.unproven_since = None;
        self.last_refresh_error = None;
        self.failed_refreshes = 0;
        self.next_refresh_at = None;
    }
}

/// A connected account, verified; its credential still sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredAccount {
    pub(crate) organization: Organization,
    pub(crate) id: String,
    pub(crate) connection_id: String,
    pub(crate) identifier: String,
    pub(crate) status: Status,
    pub(crate) facts: AccountFacts,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) refresh_at: Option<Timestamp>,
    /// The sealed credential as stored.
    pub(crate) cell: Option<Vec<u8>>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// As read; zero before the first write.
    pub(crate) version: i64,
    /// The status as read, and until when a consent waited for verification; nothing before the first write.
    pub(crate) before: Option<(Status, Option<Timestamp>)>,
}

impl StoredAccount {
    /// The status as of `now`: a consent that waits for verification shows, unless the account works already.
    pub(crate) fn status_at(&self, now: Timestamp) -> Status {
        shown(self.status, self.facts.verifying_until, now)
    }

    /// The status as of `now`, had nothing been changed since the account was read.
    pub(crate) fn previous_status_at(&self, now: Timestamp) -> Option<Status> {
        self.before.map(|(status, verifying_until)| shown(status, verifying_until, now))
    }

    /// No token request before `at`: then one is due.
    pub(crate) fn postpone_refresh(&mut self, at: Timestamp) {
        self.facts.next_refresh_at = Some(at);
        self.refresh_at = Some(at);
    }

    /// Plans no refresh while the access token serves, which is until so long before its end: sending the refresh token
    /// again may end it with the grant. Whoever needs another token earlier may still ask.
    pub(crate) fn spare_access_token(&mut self, before_end: Duration) {
        let ends = self.expires_at.map(|end| end.minus(before_end));
        self.refresh_at = self.refresh_at.max(ends);
    }

    /// The provider gives no token for it any more; the person must consent again.
    pub(crate) fn end_grant(&mut self, reason: &str) {
        self.status = Status::Expired;
        self.facts.reason = Some(reason.to_owned());
        self.refresh_at = None;
    }

    /// Destroys the credential. What an exchange or a refresh under way brings is no longer wanted.
    pub(crate) fn disconnect(&mut self) {
        self.status = Status::Disconnected;
        self.cell = None;
        self.expires_at = None;
        self.refresh_at = None;
        self.facts.reason = Some("disconnected".into());
        self.facts.verifying_until = None;
        self.facts.grants += 1;
        self.facts.request_epoch += 1;
        self.facts.token_epoch = self.facts.request_epoch;
    }

    pub(crate) fn was_refreshed_within(&self, span: Duration, now: Timestamp) -> bool {
        self.facts.refreshed_at.is_some_and(|at| now < at.plus(span)) && !self.is_from_later_than(now)
    }

    /// Whether the token came at a moment that is still to come, by more than clocks are corrected: the clock was set back
    /// since, and no longer tells when the token ends.
    pub(crate) fn is_from_later_than(&self, now: Timestamp) -> bool {
        self.facts.refreshed_at.is_some_and(|at| at > now.plus(CORRECTION))
    }

    /// The same of whatever was last noted of the account.
    pub(crate) fn was_written_later_than(&self, now: Timestamp) -> bool {
        self.updated_at > now.plus(CORRECTION)
    }

    fn place(&self) -> Place<'_> {
        Place {
            table: TABLE,
            organization: self.organization.as_str(),
            row: &self.id,
            field: "credential",
            epoch: self.facts.token_epoch,
        }
    }
}

fn shown(status: Status, verifying_until: Option<Timestamp>, now: Timestamp) -> Status {
    match verifying_until {
        Some(until) if now < until && status != Status::Active => Status::PendingVerification,
        _ => status,
    }
}

impl Rows {
    pub(crate) async fn account(
        &self,
        organization: &Organization,
        key: AccountKey<'_>,
    ) -> Result<Option<StoredAccount>> {
        self.store
            .account(organization.as_str(), key)
            .await?
            .map(|row| self.read_account(organization, row))
            .transpose()
    }

    pub(crate) fn read_account(&self, organization: &Organization, row: AccountRow) -> Result<StoredAccount> {
        self.vault().check_row_mac(TABLE, &row.id, &columns(&row), &row.mac)?;
        let status = Status::parse(&row.status).ok_or_else(|| damaged(TABLE))?;
        let mut facts: AccountFacts = from_json(TABLE, &row.facts)?;
        facts.doubtful |= std::mem::take(&mut facts.unanswered);
        Ok(StoredAccount {
            organization: organization.clone(),
            before: Some((status, facts.verifying_until)),
            status,
            facts,
            id: row.id,
            connection_id: row.connection_id,
            identifier: row.identifier,
            expires_at: row.expires_at,
            refresh_at: row.refresh_at,
            cell: row.credential,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        })
    }

    /// The account's credential, opened.
    pub(crate) async fn credential(&self, account: &StoredAccount) -> Result<Option<Credential>> {
        match &account.cell {
            Some(cell) => self.open(&account.organization, &account.place(), cell).await.map(Some),
            None => Ok(None),
        }
    }

    /// Seals a new credential into the account: the one that the request of `epoch` brought. The old cell does not open
    /// in its place.
    pub(crate) async fn seal_credential(
        &self,
        account: &mut StoredAccount,
        credential: &Credential,
        epoch: u64,
    ) -> Result<()> {
        account.facts.token_epoch = epoch;
        account.facts.request_epoch = account.facts.request_epoch.max(epoch);
        account.cell = Some(self.seal(&account.organization, &account.place(), credential).await?);
        Ok(())
    }

    /// The row that follows this one, for an insert or a replacement.
    pub(crate) fn write_account(&self, account: &StoredAccount) -> Result<AccountRow> {
        let mut row = AccountRow {
            organization: account.organization.as_str().into(),
            id: account.id.clone(),
            connection_id: account.connection_id.clone(),
            identifier: account.identifier.clone(),
            status: account.status.as_str().into(),
            facts: to_json(&account.facts)?,
            expires_at: account.expires_at,
            refresh_at: account.refresh_at,
            credential: account.cell.clone(),
            created_at: account.created_at,
            updated_at: account.updated_at,
            version: account.version + 1,
            mac: Vec::new(),
        };
        row.mac = self.vault().row_mac(TABLE, &row.id, &columns(&row)).to_vec();
        Ok(row)
    }
}

fn columns(row: &AccountRow) -> [Column<'_>; 11] {
    [
        Column::Text(&row.organization),
        Column::Text(&row.connection_id),
        Column::Text(&row.identifier),
        Column::Text(&row.status),
        Column::Text(&row.facts),
        Column::from(row.expires_at.map(Timestamp::as_millis)),
        Column::from(row.refresh_at.map(Timestamp::as_millis)),
        Column::from(row.credential.as_deref()),
        Column::Integer(row.created_at.as_millis()),
        Column::Integer(row.updated_at.as_millis()),
        Column::Integer(row.version),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_versions_noted_is_read() {
        let text = r#"{"token_epoch":2,"request_epoch":3,"unanswered":true,"doubtful":false,"asked_by":"x","misconfigured":7}"#;
        let facts: AccountFacts = serde_json::from_str(text).unwrap();
        assert!(facts.unanswered && !facts.doubtful);
        assert!(!serde_json::to_string(&facts).unwrap().contains("unanswered"));
    }

    #[test]
    fn what_there_is_nothing_to_say_of_takes_no_room() {
        assert_eq!(serde_json::to_string(&AccountFacts::default()).unwrap(), "{}");
        let brought = AccountFacts {
            token_epoch: 1,
            request_epoch: 1,
            grants: 1,
            binding: Some("an app".into()),
            ..AccountFacts::default()
        };
        let text = r#"{"token_epoch":1,"request_epoch":1,"grants":1,"binding":"an app"}"#;
        assert_eq!(serde_json::to_string(&brought).unwrap(), text);
        // As earlier versions wrote the same.
        let written_out = r#"{"token_epoch":1,"request_epoch":1,"doubtful":false,"grants":1,"binding":"an app","reason":null,
            "scopes_granted":[],"provider_account_id":null,"provider_account_label":null,"kept":{},"verifying_until":null,
            "last_refresh_error":null,"failed_refreshes":0,"next_refresh_at":null,"refreshed_at":null}"#;
        assert_eq!(serde_json::from_str::<AccountFacts>(written_out).unwrap(), brought);
    }

    #[test]
    fn what_there_is_to_say_is_read_as_it_was_written() {
        let moment = Some(Timestamp::from_millis(1));
        let text = || Some(String::from("text"));
        let facts = AccountFacts {
            token_epoch: 1,
            request_epoch: 2,
            doubtful: true,
            unanswered: false,
            refused: Some(0),
            unproven_since: moment,
            grants: 3,
            binding: text(),
            reason: text(),
            scopes_granted: vec![String::new()],
            provider_account_id: text(),
            provider_account_label: Some(String::new()),
            kept: IndexMap::from([(String::new(), String::new())]),
            verifying_until: moment,
            last_refresh_error: text(),
            failed_refreshes: 4,
            next_refresh_at: Some(Timestamp::from_millis(0)),
            refreshed_at: moment,
            moved: Some(Moved { epoch: 1, changed_at: Timestamp::from_millis(1) }),
        };
        let text = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<AccountFacts>(&text).unwrap(), facts);
    }
}
