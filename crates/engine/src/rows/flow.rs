//! Flow rows: one authorization under way, and what is held of it between its steps.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Rows, damaged, from_json, sealed, to_json};
use crate::{
    Result,
    names::Organization,
    secret::Secret,
    store::{FlowKey, FlowRow},
    time::Timestamp,
    vault::{Column, Place},
};

const TABLE: &str = "flows";

/// Where a flow stands. Each arrow is one compare-and-set; the last three are ends.
///
/// `Linked → Started → [Returned →] Exchanging → Completed`, or from anywhere `Refused` or `Failed`. Where a person
/// enters a credential there is no provider to go to: `Linked → [Returned →] Completed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FlowStatus {
    /// The link exists; nobody has used it.
    Linked,
    /// The browser was sent to the provider. The PKCE verifier is held.
    Started,
    /// The provider sent a code back, or the person entered a credential that works; it is held until the app verifies
    /// the user.
    Returned,
    /// The code is being exchanged; it is no longer stored, so that it cannot be sent twice.
    Exchanging,
    /// The credential is stored.
    Completed,
    /// The person said no.
    Refused,
    /// It did not work; the facts say why.
    Failed,
}

impl FlowStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Started => "started",
            Self::Returned => "returned",
            Self::Exchanging => "exchanging",
            Self::Completed => "completed",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Linked, Self::Started, Self::Returned, Self::Exchanging, Self::Completed, Self::Refused, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// Everything of a flow that is no secret and no column.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct FlowFacts {
    /// Asked of the provider instead of the connection's scopes.
    #[serde(default)]
    pub(crate) scopes: Option<Vec<String>>,
    /// Where the flow ends for verification.
    #[serde(default)]
    pub(crate) verify_url: Option<Url>,
    /// The app's own value, for the verify URL.
    #[serde(default)]
    pub(crate) app_state: Option<String>,
    /// The cookie that binds the flow to a browser: its name and the SHA-256 of its value, hexadecimal.
    #[serde(default)]
    pub(crate) cookie: Option<(String, String)>,
    /// The provider and app that the flow started with: it ends with the same or not at all (RFC 9700 §4.4.2).
    #[serde(default)]
    pub(crate) registration: Option<String>,
    /// How often the account had been authorized or disconnected when the person set out to authorize: what happened
    /// since is newer than what this flow brings.
    #[serde(default)]
    pub(crate) grants: u64,
    /// How many credentials were tried with this link.
    #[serde(default)]
    pub(crate) attempts: u32,
    /// Until then one of them is being tried.
    #[serde(default)]
    pub(crate) trying_until: Option<Timestamp>,
    /// The code of the error that ended it.
    #[serde(default)]
    pub(crate) failure: Option<String>,
}

/// What is held between a flow's steps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Held {
    #[serde(serialize_with = "sealed::optional", default)]
    pub(crate) verifier: Option<Secret>,
    #[serde(serialize_with = "sealed::optional", default)]
    pub(crate) code: Option<Secret>,
    /// Values of the callback that the connector keeps.
    #[serde(default)]
    pub(crate) callback: IndexMap<String, String>,
    /// What the person entered.
    #[serde(default)]
    pub(crate) submission: Option<Submission>,
}

/// A static credential that works, and whose it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Submission {
    #[serde(serialize_with = "sealed::map")]
    pub(crate) fields: IndexMap<String, Secret>,
    /// Nothing when the connector has no call that tells.
    pub(crate) owner: Option<Owner>,
}

/// What the provider says about the owner of a credential.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// Stable.
    pub(crate) id: Option<String>,
    /// A name that a person recognises.
    pub(crate) label: Option<String>,
    /// What the connector keeps of the answer.
    pub(crate) kept: IndexMap<String, String>,
}

/// A flow, verified; what it holds still sealed.
#[derive(Debug, Clone)]
pub(crate) struct StoredFlow {
    pub(crate) organization: Organization,
    pub(crate) id: String,
    pub(crate) connection_id: String,
    pub(crate) account_id: String,
    pub(crate) status: FlowStatus,
    pub(crate) link_hash: Vec<u8>,
    pub(crate) state_hash: Option<Vec<u8>>,
    pub(crate) nonce_hash: Option<Vec<u8>>,
    pub(crate) facts: FlowFacts,
    /// What is held, sealed.
    pub(crate) cell: Option<Vec<u8>>,
    pub(crate) expires_at: Timestamp,
    pub(crate) created_at: Timestamp,
    /// As read; zero before the first write.
    pub(crate) version: i64,
}

impl StoredFlow {
    pub(crate) fn key(&self) -> FlowKey<'_> {
        FlowKey::Id { organization: self.organization.as_str(), id: &self.id }
    }

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
    pub(crate) async fn flow(&self, key: FlowKey<'_>) -> Result<Option<StoredFlow>> {
        let Some(row) = self.store.flow(key).await? else { return Ok(None) };
        self.vault().check_row_mac(TABLE, &row.id, &columns(&row), &row.mac)?;
        Ok(Some(StoredFlow {
            organization: Organization::parse(&row.organization).map_err(|_| damaged(TABLE))?,
            status: FlowStatus::parse(&row.status).ok_or_else(|| damaged(TABLE))?,
            facts: from_json(TABLE, &row.facts)?,
            id: row.id,
            connection_id: row.connection_id,
            account_id: row.account_id,
            link_hash: row.link_hash,
            state_hash: row.state_hash,
            nonce_hash: row.nonce_hash,
            cell: row.held,
            expires_at: row.expires_at,
            created_at: row.created_at,
            version: row.version,
        }))
    }

    /// What the flow holds, opened.
    pub(crate) async fn held(&self, flow: &StoredFlow) -> Result<Held> {
        match &flow.cell {
            Some(cell) => self.open(&flow.organization, &flow.place(flow.version), cell).await,
            None => Ok(Held::default()),
        }
    }

    /// The row that follows this one, for an insert or a replacement. What `held` does not carry on is destroyed.
    pub(crate) async fn write_flow(&self, flow: &StoredFlow, held: Option<&Held>) -> Result<FlowRow> {
        let version = flow.version + 1;
        let cell = match held {
            Some(held) => Some(self.seal(&flow.organization, &flow.place(version), held).await?),
            None => None,
        };
        let mut row = FlowRow {
            organization: flow.organization.as_str().into(),
            id: flow.id.clone(),
            connection_id: flow.connection_id.clone(),
            account_id: flow.account_id.clone(),
            status: flow.status.as_str().into(),
            link_hash: flow.link_hash.clone(),
            state_hash: flow.state_hash.clone(),
            nonce_hash: flow.nonce_hash.clone(),
            facts: to_json(&flow.facts)?,
            held: cell,
            expires_at: flow.expires_at,
            created_at: flow.created_at,
            version,
            mac: Vec::new(),
        };
        row.mac = self.vault().row_mac(TABLE, &row.id, &columns(&row)).to_vec();
        Ok(row)
    }
}

fn columns(row: &FlowRow) -> [Column<'_>; 12] {
    [
        Column::Text(&row.organization),
        Column::Text(&row.connection_id),
        Column::Text(&row.account_id),
        Column::Text(&row.status),
        Column::Bytes(&row.link_hash),
        Column::from(row.state_hash.as_deref()),
        Column::from(row.nonce_hash.as_deref()),
        Column::Text(&row.facts),
        Column::from(row.held.as_deref()),
        Column::Integer(row.expires_at.as_millis()),
        Column::Integer(row.created_at.as_millis()),
        Column::Integer(row.version),
    ]
}
