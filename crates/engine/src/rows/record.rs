//! Records: what was done and what came of it, each under a MAC of its own and tied to the one before.

use serde::{Deserialize, Serialize};

use super::{Rows, damaged, from_json, to_json};
use crate::{
    Error, Result,
    names::Organization,
    store::{Change, RecordRow, RecordsHeadRow},
    time::Timestamp,
    vault::Column,
};

const TABLE: &str = "records";
const HEAD: &str = "records_head";

/// To whom something was done, in whose course, and what came of it. Ids and codes; never a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordFacts {
    /// `conn_…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) connection_id: Option<String>,
    /// `ca_…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account_id: Option<String>,
    /// `flow_…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) flow_id: Option<String>,
    /// `rev_…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revocation_id: Option<String>,
    /// A connection's name or an account's identifier, told once: where it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Why it did not succeed, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

/// A record, verified.
#[derive(Debug, Clone)]
pub(crate) struct StoredRecord {
    pub(crate) organization: Organization,
    pub(crate) id: String,
    pub(crate) action: String,
    pub(crate) facts: RecordFacts,
    pub(crate) at: Timestamp,
    /// Its place in the chain and its link, once it has them.
    pub(crate) place: Option<(i64, Vec<u8>)>,
    /// What the next link ties up.
    pub(crate) mac: Vec<u8>,
}

/// The end of the chain: number and link of its last record; zero and nothing while there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RecordsHead {
    pub(crate) number: i64,
    pub(crate) link: Vec<u8>,
    /// As read; zero before the first write.
    pub(crate) version: i64,
}

impl Rows {
    /// The row of a record that has no place in the chain yet.
    pub(crate) fn write_record(
        &self,
        organization: &Organization,
        id: String,
        action: &str,
        facts: &RecordFacts,
        at: Timestamp,
    ) -> Result<RecordRow> {
        let mut row = RecordRow {
            organization: organization.as_str().into(),
            id,
            action: action.into(),
            facts: to_json(facts)?,
            at,
            number: None,
            link: None,
            mac: Vec::new(),
        };
        row.mac = self.vault().row_mac(TABLE, &row.id, &columns(&row)).to_vec();
        Ok(row)
    }

    pub(crate) fn read_record(&self, row: RecordRow) -> Result<StoredRecord> {
        self.vault().check_row_mac(TABLE, &row.id, &columns(&row), &row.mac)?;
        Ok(StoredRecord {
            organization: Organization::parse(&row.organization).map_err(|_| damaged(TABLE))?,
            facts: from_json(TABLE, &row.facts)?,
            id: row.id,
            action: row.action,
            at: row.at,
            place: row.number.zip(row.link),
            mac: row.mac,
        })
    }

    /// Where the chain ends.
    pub(crate) async fn records_head(&self) -> Result<RecordsHead> {
        let Some(row) = self.store.records_head().await? else { return Ok(RecordsHead::default()) };
        self.vault().check_row_mac(HEAD, "", &head_columns(&row), &row.mac)?;
        Ok(RecordsHead { number: row.number, link: row.link, version: row.version })
    }

    /// Puts `records` behind the head, and says where the chain ends then.
    pub(crate) fn link_records(&self, head: &RecordsHead, records: &[StoredRecord]) -> (Vec<Change>, RecordsHead) {
        let mut next = RecordsHead { version: head.version + 1, ..head.clone() };
        let mut changes = Vec::with_capacity(records.len() + 1);
        for record in records {
            next.number += 1;
            next.link = self.vault().link(&next.link, next.number, &record.mac).to_vec();
            changes.push(Change::LinkRecord {
                organization: record.organization.as_str().into(),
                id: record.id.clone(),
                number: next.number,
                link: next.link.clone(),
            });
        }
        let mut row =
            RecordsHeadRow { number: next.number, link: next.link.clone(), version: next.version, mac: Vec::new() };
        row.mac = self.vault().row_mac(HEAD, "", &head_columns(&row)).to_vec();
        changes.insert(0, Change::MoveRecordsHead(row));
        (changes, next)
    }

    /// Where the chain ends with this record, if it is the one that follows `head`.
    ///
    /// # Errors
    /// `INTEGRITY_FAILED` when it is not, or was changed.
    pub(crate) fn follow(&self, head: &RecordsHead, row: RecordRow) -> Result<RecordsHead> {
        let number = head.number + 1;
        let broken = || Error::IntegrityFailed { what: format!("the chain of records, at number {number},") };
        let record = self.read_record(row).map_err(|_| broken())?;
        let link = self.vault().link(&head.link, number, &record.mac).to_vec();
        if record.place != Some((number, link.clone())) {
            return Err(broken());
        }
        Ok(RecordsHead { number, link, version: head.version })
    }
}

fn columns(row: &RecordRow) -> [Column<'_>; 4] {
    [Column::Text(&row.organization), Column::Text(&row.action), Column::Text(&row.facts), Column::from(row.at)]
}

fn head_columns(row: &RecordsHeadRow) -> [Column<'_>; 3] {
    [Column::Integer(row.number), Column::Bytes(&row.link), Column::Integer(row.version)]
}
