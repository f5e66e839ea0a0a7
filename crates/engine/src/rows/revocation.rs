//! Revocations: what is to be sent to a provider so that a grant ends there, and what became of it. They stand in the
//! outbox, apart from the account and the connection, which may be gone.

use serde::{Deserialize, Serialize};

use super::{Rows, damaged, from_json, sealed, to_json};
use crate::{
    Result,
    names::Organization,
    secret::Secret,
    store::{Change, OutboxRow},
    time::Timestamp,
    vault::{Column, Place},
};

const TABLE: &str = "outbox";
/// What the outbox calls them.
pub(crate) const REVOCATION: &str = "revocation";

/// How far a revocation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationState {
    /// It is sent, or sent again, as soon as it is due.
    Pending,
    /// The provider has taken it, or did not know the grant any more. None of them proves more than that.
    Accepted,
    /// The provider will not do it.
    Refused,
    /// The provider could not be brought to take it for a week, and in five attempts at least.
    Abandoned,
    /// The person authorized again before it was sent: it could have ended that.
    Superseded,
    /// There is no request that would do it: the connector knows none, or the app is not the one that was granted.
    NotPossible,
}

impl RevocationState {
    const ALL: [(Self, &str); 6] = [
        (Self::Pending, "pending"),
        (Self::Accepted, "accepted"),
        (Self::Refused, "refused"),
        (Self::Abandoned, "abandoned"),
        (Self::Superseded, "superseded"),
        (Self::NotPossible, "not_possible"),
    ];

    /// Its name: `pending`, `accepted`, …
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("pending", |(_, name)| name)
    }

    /// The state of this name; one that a later version wrote counts as pending.
    pub(crate) fn parse(name: &str) -> Self {
        Self::ALL.iter().find(|(_, known)| *known == name).map_or(Self::Pending, |(state, _)| *state)
    }
}

/// Everything of a revocation that is no secret and no column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RevocationFacts {
    /// The connection's name then.
    pub(crate) connection_name: String,
    /// The app's own id of the person.
    pub(crate) identifier: String,
    /// How often it was tried.
    #[serde(default)]
    pub(crate) attempts: u32,
    /// What became of the first request, which is the one that counts: whether the provider took it.
    #[serde(default)]
    pub(crate) taken: Option<bool>,
    /// Why it did not succeed, so far or for good.
    #[serde(default)]
    pub(crate) last_error: Option<String>,
}

/// A request as it is sent. Each part may hold a secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HeldRequest {
    pub(crate) method: String,
    #[serde(serialize_with = "sealed::one")]
    pub(crate) url: Secret,
    #[serde(serialize_with = "sealed::map")]
    pub(crate) headers: indexmap::IndexMap<String, Secret>,
    #[serde(serialize_with = "sealed::one")]
    pub(crate) body: Secret,
}

/// A revocation, verified; its requests still sealed.
#[derive(Debug, Clone)]
pub(crate) struct StoredRevocation {
    pub(crate) organization: Organization,
    pub(crate) id: String,
    pub(crate) connection_id: String,
    pub(crate) account_id: String,
    /// How far it is, in the words of `revocation`.
    pub(crate) status: String,
    pub(crate) facts: RevocationFacts,
    /// The requests, sealed.
    pub(crate) cell: Option<Vec<u8>>,
    pub(crate) next_try: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// As read; zero before the first write.
    pub(crate) version: i64,
}

impl StoredRevocation {
    fn place(&self, version: i64) -> Place<'_> {
        Place {
            table: TABLE,
            organization: self.organization.as_str(),
            row: &self.id,
            field: "held",
            epoch: u64::try_from(version).unwrap_or_default(),
        }
    }
}

impl Rows {
    pub(crate) fn read_revocation(&self, row: OutboxRow) -> Result<StoredRevocation> {
        self.vault().check_row_mac(TABLE, &row.id, &columns(&row), &row.mac)?;
        Ok(StoredRevocation {
            organization: Organization::parse(&row.organization).map_err(|_| damaged(TABLE))?,
            facts: from_json(TABLE, &row.facts)?,
            id: row.id,
            connection_id: row.connection_id,
            account_id: row.account_id,
            status: row.status,
            cell: row.held,
            next_try: row.next_try,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        })
    }

    /// What is still to be sent, opened, in its order.
    pub(crate) async fn held_requests(&self, revocation: &StoredRevocation) -> Result<Vec<HeldRequest>> {
        match &revocation.cell {
            Some(cell) => self.open(&revocation.organization, &revocation.place(revocation.version), cell).await,
            None => Ok(Vec::new()),
        }
    }

    /// The row that follows this one, for an insert or a replacement. Requests that are not `held` on are destroyed.
    pub(crate) async fn write_revocation(
        &self,
        revocation: &StoredRevocation,
        held: &[HeldRequest],
    ) -> Result<OutboxRow> {
        let version = revocation.version + 1;
        let cell = match held {
            [] => None,
            held => Some(self.seal(&revocation.organization, &revocation.place(version), &held).await?),
        };
        let mut row = OutboxRow {
            organization: revocation.organization.as_str().into(),
            id: revocation.id.clone(),
            kind: REVOCATION.into(),
            connection_id: revocation.connection_id.clone(),
            account_id: revocation.account_id.clone(),
            status: revocation.status.clone(),
            facts: to_json(&revocation.facts)?,
            held: cell,
            next_try: revocation.next_try,
            created_at: revocation.created_at,
            updated_at: revocation.updated_at,
            version,
            mac: Vec::new(),
        };
        row.mac = self.vault().row_mac(TABLE, &row.id, &columns(&row)).to_vec();
        Ok(row)
    }
}

fn columns(row: &OutboxRow) -> [Column<'_>; 11] {
    [
        Column::Text(&row.organization),
        Column::Text(&row.kind),
        Column::Text(&row.connection_id),
        Column::Text(&row.account_id),
        Column::Text(&row.status),
        Column::Text(&row.facts),
        Column::from(row.held.as_deref()),
        Column::from(row.next_try),
        Column::from(row.created_at),
        Column::from(row.updated_at),
        Column::Integer(row.version),
    ]
}

/// The state that a revocation comes to by this change. To be tried again is none.
pub(super) fn state_in(change: &Change) -> Option<RevocationState> {
    match change {
        Change::InsertOutbox(row) if row.kind == REVOCATION => Some(RevocationState::parse(&row.status)),
        Change::ReplaceOutbox(row) if row.kind == REVOCATION && row.next_try.is_none() => {
            Some(RevocationState::parse(&row.status))
        }
        _ => None,
    }
}
