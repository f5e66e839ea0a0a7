//! Audit: what was done for whom, and what came of it.
//!
//! Whoever changes something adds a record of it to the same commit ([`Engine::record`]): there is none of what did not
//! happen, and nothing happens without one. A credential leaves the engine only after a record of that is durable
//! ([`disclosure`]). Records hold ids and codes, never a secret. Each is signed, and tied to the one before it in a chain
//! ([`chain`]): one that was changed, taken away or put in is found by [`Engine::verify_records`].

mod chain;
mod disclosure;

pub use self::chain::{Checkpoint, Verified};
pub(crate) use self::{chain::Linker, disclosure::Disclosures};
use crate::{
    Engine, Error, Result,
    names::Organization,
    page,
    rows::{RecordFacts, StoredAccount, StoredConnection, StoredFlow, StoredRecord},
    store::Change,
    time::Timestamp,
};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A connection was made.
    ConnectionCreated,
    /// A connection was changed, enabled or disabled, or its declaration was.
    ConnectionUpdated,
    /// A connection was deleted.
    ConnectionDeleted,
    /// A connected account was made.
    AccountCreated,
    /// Its person authorized it: a credential was stored at the end of a flow.
    AccountAuthorized,
    /// The app brought a credential for it.
    CredentialBrought,
    /// A refresh brought a token.
    TokenRefreshed,
    /// A refresh did not succeed; the problem says why.
    RefreshFailed,
    /// It can be used no longer; the problem says why.
    AccountExpired,
    /// Its credential was destroyed on purpose.
    AccountDisconnected,
    /// It was deleted with its credential.
    AccountDeleted,
    /// An authorization link was made.
    LinkCreated,
    /// The person set out from the link's page.
    FlowStarted,
    /// What the person brought back is held for verification.
    FlowReturned,
    /// A flow ended without a credential; the problem says why.
    FlowFailed,
    /// A credential left the engine at the app's request. Further times within the same minute are not told of.
    CredentialDisclosed,
    /// A credential was exported, sealed to another environment.
    CredentialExported,
    /// An account came in by an import.
    AccountImported,
    /// A grant is to be taken back at the provider, or cannot be; the problem says why.
    RevocationLeft,
    /// What became of that; the problem is anything but that the provider took it.
    RevocationEnded,
    /// Another key opens the store from now on.
    KeyAdded,
    /// A key opens the store no more.
    KeyRemoved,
}

impl Action {
    /// Its name: `account.authorized`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionCreated => "connection.created",
            Self::ConnectionUpdated => "connection.updated",
            Self::ConnectionDeleted => "connection.deleted",
            Self::AccountCreated => "account.created",
            Self::AccountAuthorized => "account.authorized",
            Self::CredentialBrought => "credential.brought",
            Self::TokenRefreshed => "token.refreshed",
            Self::RefreshFailed => "refresh.failed",
            Self::AccountExpired => "account.expired",
            Self::AccountDisconnected => "account.disconnected",
            Self::AccountDeleted => "account.deleted",
            Self::LinkCreated => "link.created",
            Self::FlowStarted => "flow.started",
            Self::FlowReturned => "flow.returned",
            Self::FlowFailed => "flow.failed",
            Self::CredentialDisclosed => "credential.disclosed",
            Self::CredentialExported => "credential.exported",
            Self::AccountImported => "account.imported",
            Self::RevocationLeft => "revocation.left",
            Self::RevocationEnded => "revocation.ended",
            Self::KeyAdded => "key.added",
            Self::KeyRemoved => "key.removed",
        }
    }
}

/// What was done, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place among all records of the environment, from 1. Other organizations' stand between.
    pub number: u64,
    /// `rec_…`
    pub id: String,
    /// The tenant.
    pub organization: Organization,
    /// The name of an [`Action`]; a later version may have written others.
    pub action: String,
    /// `conn_…`; it may be gone, as may the others.
    pub connection_id: Option<String>,
    /// `ca_…`
    pub account_id: Option<String>,
    /// `flow_…`
    pub flow_id: Option<String>,
    /// `rev_…`
    pub revocation_id: Option<String>,
    /// The connection's name, the app's own id of the person, told where each is made, or a key's id.
    pub name: Option<String>,
    /// Why it did not succeed, in a word: one of our codes in lower case, or the provider's.
    pub problem: Option<String>,
    /// When, on the clock of the process that did it.
    pub at: Timestamp,
}

/// A page of records.
#[derive(Debug, Clone)]
pub struct RecordPage {
    /// In the order of the chain.
    pub records: Vec<Record>,
    /// Passed to the next call; absent on the last page.
    pub next_page_token: Option<String>,
}

impl Engine {
    /// An organization's records, a page of 1 to 100 (30 unless said) at a time, the oldest first: all that was committed
    /// before this call.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a page's size or token; `INTEGRITY_FAILED` for a record that was changed.
    pub async fn records(
        &self,
        organization: &Organization,
        page_size: Option<u32>,
        page_token: Option<&str>,
    ) -> Result<RecordPage> {
        self.ensure_open()?;
        let size = page::size(page_size, 30)?;
        let after = page_token.map(page::read_token).transpose()?.unwrap_or_else(|| "0".into());
        let invalid = || Error::invalid("pageToken", "must be the `nextPageToken` of the page before");
        let after: i64 = after.parse().map_err(|_| invalid())?;
        self.link_records().await?;
        let mut rows = self.rows.store.records(organization.as_str(), after, size + 1).await?;
        let more = rows.len() > size as usize;
        rows.truncate(size as usize);
        let records: Vec<_> =
            rows.into_iter().map(|row| self.rows.read_record(row).and_then(view)).collect::<Result<_>>()?;
        let next_page_token =
            records.last().filter(|_| more).map(|record| page::write_token(&record.number.to_string()));
        Ok(RecordPage { records, next_page_token })
    }

    /// Records of all organizations that follow this number, at most `limit` (1 to 1000, 100 unless said) of them: for
    /// whoever ships them elsewhere, and goes on where they stopped.
    ///
    /// # Errors
    /// As [`Engine::records`].
    pub async fn records_after(&self, number: u64, limit: Option<u32>) -> Result<Vec<Record>> {
        self.ensure_open()?;
        let limit = limit.unwrap_or(100);
        if !(1..=1000).contains(&limit) {
            return Err(Error::invalid("limit", "must be 1 to 1000"));
        }
        let number = i64::try_from(number).map_err(|_| Error::invalid("after", "must be the number of a record"))?;
        self.link_records().await?;
        let rows = self.rows.store.chain(number, limit).await?;
        rows.into_iter().map(|row| self.rows.read_record(row).and_then(view)).collect()
    }

    /// The change that records an action; it belongs in the commit of what it tells of.
    pub(crate) fn record(&self, organization: &Organization, action: Action, of: &RecordFacts) -> Result<Change> {
        let now = self.clock.now();
        let id = self.linker.id(now, &*self.random)?;
        let row = self.rows.write_record(organization, id, action.as_str(), of, now)?;
        Ok(Change::InsertRecord {
            row,
            durable: matches!(action, Action::CredentialDisclosed | Action::CredentialExported),
        })
    }
}

impl RecordFacts {
    /// Of a connection.
    pub(crate) fn of_connection(connection: &StoredConnection) -> Self {
        Self { connection_id: Some(connection.id.clone()), ..Self::default() }
    }

    /// Of a connected account.
    pub(crate) fn of_account(account: &StoredAccount) -> Self {
        let connection_id = Some(account.connection_id.clone());
        Self { connection_id, account_id: Some(account.id.clone()), ..Self::default() }
    }

    /// Of a flow.
    pub(crate) fn of_flow(flow: &StoredFlow) -> Self {
        Self {
            connection_id: Some(flow.connection_id.clone()),
            account_id: Some(flow.account_id.clone()),
            flow_id: Some(flow.id.clone()),
            ..Self::default()
        }
    }

    /// Made under this name.
    pub(crate) fn named(self, name: &str) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Without success, for this reason.
    pub(crate) fn failed(self, problem: Option<&str>) -> Self {
        Self { problem: problem.map(str::to_owned), ..self }
    }
}

fn view(stored: StoredRecord) -> Result<Record> {
    let StoredRecord { organization, id, action, facts, at, place, .. } = stored;
    let number = place.and_then(|(number, _)| u64::try_from(number).ok());
    let number = number.ok_or_else(|| Error::IntegrityFailed { what: "a row of `records`".into() })?;
    Ok(Record {
        number,
        id,
        organization,
        action,
        connection_id: facts.connection_id,
        account_id: facts.account_id,
        flow_id: facts.flow_id,
        revocation_id: facts.revocation_id,
        name: facts.name,
        problem: facts.problem,
        at,
    })
}
