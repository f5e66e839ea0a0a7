//! What JavaScript gets of records.

use napi_derive::napi;
use onbehalf_engine::audit::{Record, RecordPage, Verified};

use super::Moment;

/// What was done, and what came of it. It holds ids and codes, and never a secret.
#[napi(object, object_from_js = false)]
pub struct AuditRecord {
    /// Its place among the records of all organizations, from 1.
    pub number: i64,
    /// `rec_…`
    pub id: String,
    /// The tenant of your app.
    pub organization_id: String,
    /// What was done. A later version may know more.
    #[napi(
        ts_type = "'connection.created' | 'connection.updated' | 'connection.deleted' | 'account.created' | 'account.authorized' | 'account.expired' | 'account.disconnected' | 'account.deleted' | 'credential.brought' | 'credential.disclosed' | 'credential.exported' | 'account.imported' | 'token.refreshed' | 'refresh.failed' | 'link.created' | 'flow.started' | 'flow.returned' | 'flow.failed' | 'revocation.left' | 'revocation.ended' | 'key.added' | 'key.removed' | (string & {})"
    )]
    pub action: String,
    /// `conn_…`; it may be gone by now, as may the others.
    pub connection_id: Option<String>,
    /// `ca_…`
    pub connected_account_id: Option<String>,
    /// `flow_…`: one authorization, from link to outcome.
    pub flow_id: Option<String>,
    /// `rev_…`
    pub revocation_id: Option<String>,
    /// The connection's name or your app's own id of the person, told where each is made, or a key's id.
    pub name: Option<String>,
    /// Why it did not succeed, in a word: an error code in lower case, or the provider's own.
    pub problem: Option<String>,
    /// When, on the clock of the process that did it.
    #[napi(ts_type = "Date")]
    pub at: Moment,
}

impl From<Record> for AuditRecord {
    fn from(record: Record) -> Self {
        Self {
            number: as_number(record.number),
            id: record.id,
            organization_id: record.organization.as_str().into(),
            action: record.action,
            connection_id: record.connection_id,
            connected_account_id: record.account_id,
            flow_id: record.flow_id,
            revocation_id: record.revocation_id,
            name: record.name,
            problem: record.problem,
            at: Moment(record.at),
        }
    }
}

/// A page of records.
#[napi(object, object_from_js = false)]
pub struct AuditList {
    pub records: Vec<AuditRecord>,
    /// Pass it as `pageToken` for the next page; absent on the last.
    pub next_page_token: Option<String>,
}

impl From<RecordPage> for AuditList {
    fn from(page: RecordPage) -> Self {
        Self { records: page.records.into_iter().map(Into::into).collect(), next_page_token: page.next_page_token }
    }
}

/// Records that follow another.
#[napi(object, object_from_js = false)]
pub struct AuditTail {
    /// None when there are no more so far.
    pub records: Vec<AuditRecord>,
}

impl From<Vec<Record>> for AuditTail {
    fn from(records: Vec<Record>) -> Self {
        Self { records: records.into_iter().map(Into::into).collect() }
    }
}

/// A place in the chain of records.
#[napi(object, object_from_js = false)]
pub struct AuditCheckpoint {
    /// How many records there were.
    pub number: i64,
    /// What ties the last one to all before it, in hexadecimal.
    pub link: String,
}

impl From<Verified> for AuditCheckpoint {
    fn from(Verified { end }: Verified) -> Self {
        Self { number: as_number(end.number), link: end.link }
    }
}

fn as_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
