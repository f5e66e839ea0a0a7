//! What JavaScript gets of revocations.

use napi_derive::napi;
use onbehalf_engine::revocation::{Revocation, RevocationPage};

use super::Moment;

/// A grant that is being taken back at its provider, or was.
#[napi(object, object_from_js = false)]
pub struct RevocationDetails {
    /// `rev_…`
    pub id: String,
    /// The account that had the grant; it may be gone.
    pub connected_account_id: String,
    /// The name of its connection then.
    pub connection_name: String,
    /// Your app's own id of the person.
    pub identifier: String,
    /// How far it is: `accepted` says that the provider has taken it, or did not know the grant any more, which is all that
    /// can be known (RFC 7009). It is `refused` by the provider, `abandoned` after a week in which it did not take
    /// it, `superseded` when the person authorized again first, and `not_possible` where no request would do it.
    #[napi(ts_type = "'pending' | 'accepted' | 'refused' | 'abandoned' | 'superseded' | 'not_possible'")]
    pub state: &'static str,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it did not succeed, so far or for good: what the provider said, or why it could not be asked.
    pub last_error: Option<String>,
    /// When it is tried next; absent when it is over.
    #[napi(ts_type = "Date")]
    pub next_try_at: Option<Moment>,
    /// When the credential was removed.
    #[napi(ts_type = "Date")]
    pub created_at: Moment,
    /// When this last changed.
    #[napi(ts_type = "Date")]
    pub updated_at: Moment,
}

impl From<Revocation> for RevocationDetails {
    fn from(revocation: Revocation) -> Self {
        Self {
            id: revocation.id,
            connected_account_id: revocation.account_id,
            connection_name: revocation.connection_name,
            identifier: revocation.identifier,
            state: revocation.state.as_str(),
            attempts: revocation.attempts,
            last_error: revocation.last_error,
            next_try_at: revocation.next_try_at.map(Moment),
            created_at: Moment(revocation.created_at),
            updated_at: Moment(revocation.updated_at),
        }
    }
}

/// A page of revocations.
#[napi(object, object_from_js = false)]
pub struct RevocationList {
    pub revocations: Vec<RevocationDetails>,
    /// Pass it as `pageToken` for the next page; absent on the last.
    pub next_page_token: Option<String>,
}

impl From<RevocationPage> for RevocationList {
    fn from(page: RevocationPage) -> Self {
        Self {
            revocations: page.revocations.into_iter().map(Into::into).collect(),
            next_page_token: page.next_page_token,
        }
    }
}
