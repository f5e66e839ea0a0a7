//! Revocation: what a person granted is taken back at the provider when its account is deleted or disconnected.
//!
//! Whoever removes a credential leaves, in the same commit, the requests that revoke it in the outbox, filled in and
//! sealed: the account, the connection and the app's secrets may be gone when they are sent. A task of each instance
//! ([`sender`]) sends what is due and tries again until the provider has taken it, refuses it, or too long has passed.
//! Sending one twice does no harm (RFC 7009 §2.2), so a process that is killed leaves nothing to be repaired.

mod sender;

use http::Request;
use indexmap::IndexMap;

pub(crate) use self::sender::Sender;
pub use crate::rows::RevocationState;
use crate::{
    Engine, Error, Result,
    audit::Action,
    connections::registration::Setup,
    names::Organization,
    page::{self, Page},
    rows::{
        Credential, HeldRequest, REVOCATION, RecordFacts, RevocationFacts, StoredAccount, StoredConnection,
        StoredRevocation,
    },
    secret::Secret,
    store::Change,
    time::Timestamp,
};

/// A grant that is being taken back, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// `rev_…`
    pub id: String,
    /// The tenant.
    pub organization: Organization,
    /// The account that had the grant; it may be gone.
    pub account_id: String,
    /// The name of its connection then.
    pub connection_name: String,
    /// The app's own id of the person.
    pub identifier: String,
    /// How far it is.
    pub state: RevocationState,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it did not succeed, so far or for good: what the provider said, or why it could not be asked.
    pub last_error: Option<String>,
    /// When it is tried next; nothing when it is over.
    pub next_try_at: Option<Timestamp>,
    /// When the credential was removed.
    pub created_at: Timestamp,
    /// When this last changed.
    pub updated_at: Timestamp,
}

/// A page of revocations.
#[derive(Debug, Clone)]
pub struct RevocationPage {
    /// In the order of their ids.
    pub revocations: Vec<Revocation>,
    /// Passed to the next call; absent on the last page.
    pub next_page_token: Option<String>,
}

impl Engine {
    /// Revocations of an organization, a page of 1 to 100 (10 unless said) at a time: those under way, and for thirty days
    /// at least those that are over.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a page size or token that is none; `INTEGRITY_FAILED` for a row that was edited.
    pub async fn revocations(
        &self,
        organization: &Organization,
        page_size: Option<u32>,
        page_token: Option<&str>,
    ) -> Result<RevocationPage> {
        self.ensure_open()?;
        let size = page::size(page_size, 10)?;
        let after = page_token.map(page::read_token).transpose()?;
        let store = &self.rows.store;
        let rows = store.outbox(organization.as_str(), REVOCATION, after.as_deref(), size + 1).await?;
        let Page { rows, next } = page::cut(rows, size, |row| &row.id);
        let read = rows.into_iter().map(|row| self.rows.read_revocation(row).map(view));
        Ok(RevocationPage { revocations: read.collect::<Result<_>>()?, next_page_token: next })
    }

    /// What must be committed together with the removal of the account's credential: its revocation, where there is a
    /// grant to be revoked, and that no refresh is under way, whose token would go on working.
    pub(crate) async fn revocation_of(
        &self,
        connection: &StoredConnection,
        account: &StoredAccount,
    ) -> Result<Vec<Change>> {
        let Some(requests) = self.revocation_requests(connection, account).await? else { return Ok(Vec::new()) };
        let (requests, problem) = match requests {
            Ok(requests) => (requests, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        let now = self.clock.now();
        let is_possible = !requests.is_empty();
        let revocation = StoredRevocation {
            organization: account.organization.clone(),
            id: self.random.id("rev")?,
            connection_id: connection.id.clone(),
            account_id: account.id.clone(),
            status: if is_possible { RevocationState::Pending } else { RevocationState::NotPossible }.as_str().into(),
            facts: RevocationFacts {
                connection_name: connection.name.clone(),
                identifier: account.identifier.clone(),
                attempts: 0,
                taken: None,
                last_error: problem,
            },
            cell: None,
            next_try: is_possible.then_some(now),
            created_at: now,
            updated_at: now,
            version: 0,
        };
        let no_lease = Change::RequireNoLease {
            organization: account.organization.as_str().into(),
            account_id: account.id.clone(),
        };
        let of = RecordFacts { revocation_id: Some(revocation.id.clone()), ..RecordFacts::of_account(account) }
            .failed(revocation.facts.last_error.as_deref());
        let record = self.record(&account.organization, Action::RevocationLeft, &of)?;
        Ok(vec![no_lease, Change::InsertOutbox(self.rows.write_revocation(&revocation, &requests).await?), record])
    }

    /// The requests, or why none can be made, in a word; nothing where no grant is to be revoked. What a person entered was
    /// not granted to the app, and is theirs to withdraw.
    async fn revocation_requests(
        &self,
        connection: &StoredConnection,
        account: &StoredAccount,
    ) -> Result<Option<Result<Vec<HeldRequest>, String>>> {
        let in_a_word = |error: Error| error.code().to_lowercase();
        let tokens = match self.rows.credential(account).await {
            Ok(Some(Credential::Tokens(tokens))) => tokens,
            Ok(_) => return Ok(None),
            // One that was edited can be removed all the same.
            Err(error @ Error::IntegrityFailed { .. }) => return Ok(Some(Err(in_a_word(error)))),
            Err(error) => return Err(error),
        };
        let setup = match Setup::of(self, connection) {
            Ok(setup) => setup,
            Err(error) => return Ok(Some(Err(in_a_word(error)))),
        };
        if account.facts.binding.as_deref() != Some(setup.binding().as_str()) {
            // It must not be sent to another app's provider.
            return Ok(Some(Err("connection_changed".into())));
        }
        Ok(Some(match setup.revocation_requests(&account.facts.kept, &tokens) {
            Ok(requests) if requests.is_empty() => Err("no_revocation_endpoint".into()),
            Ok(requests) => Ok(requests.iter().map(hold).collect()),
            Err(error) => Err(in_a_word(error)),
        }))
    }
}

/// A request as it is sealed. Header values that are no text cannot come of a connector's templates.
fn hold(request: &Request<bytes::Bytes>) -> HeldRequest {
    let text = |bytes: &[u8]| Secret::from(String::from_utf8_lossy(bytes).into_owned());
    let headers = request.headers().iter();
    HeldRequest {
        method: request.method().as_str().into(),
        url: request.uri().to_string().into(),
        headers: headers
            .map(|(name, value)| (name.as_str().into(), text(value.as_bytes())))
            .collect::<IndexMap<_, _>>(),
        body: text(request.body()),
    }
}

fn view(stored: StoredRevocation) -> Revocation {
    let StoredRevocation { facts, .. } = stored;
    Revocation {
        id: stored.id,
        organization: stored.organization,
        account_id: stored.account_id,
        connection_name: facts.connection_name,
        identifier: facts.identifier,
        state: RevocationState::parse(&stored.status),
        attempts: facts.attempts,
        last_error: facts.last_error,
        next_try_at: stored.next_try,
        created_at: stored.created_at,
        updated_at: stored.updated_at,
    }
}
