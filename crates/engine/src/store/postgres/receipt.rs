//! Whether a commit was carried out whose answer never came.
//!
//! Each transaction that writes takes a receipt before its COMMIT is sent: the number by which the server remembers what
//! became of it. After the connection broke, another one asks. Where the server keeps no such memory, or another server
//! has taken its place, the rows themselves are asked: one that is there as it was written proves the whole commit. What
//! still cannot be told is an error, `STORE_UNREACHABLE`, and safe: every change was made against a version or an
//! epoch, so that whoever reads again sees what became of it, and a change that comes twice conflicts.

use std::time::Duration;

use tokio_postgres::{Client, Error as Refusal};

use super::{
    commit::scope_of,
    rows,
    server::{self, Server},
    sql,
    value::Value,
};
use crate::{Error, Result, store::Change};

/// How long to wait for a server that comes back, and for a transaction that it has not ended yet.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long between two questions.
const LOOK: Duration = Duration::from_millis(100);

/// What the server knows a transaction by.
#[derive(Debug)]
pub(super) struct Receipt {
    id: String,
    timeline: String,
}

/// Whether the server gives receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receipts {
    Given,
    /// It is no PostgreSQL from 13 on, but speaks its protocol.
    Unknown,
}

impl Receipts {
    /// What this server does.
    pub(super) async fn of(server: &Server) -> Result<Self> {
        match server.ask(sql::RECEIPT, &[]).await {
            Ok(_) => Ok(Self::Given),
            Err(error @ (Error::StoreUnreachable { .. } | Error::StoreBusy | Error::Closed)) => Err(error),
            Err(_) => Ok(Self::Unknown),
        }
    }

    /// The receipt of the transaction that is under way.
    pub(super) async fn take(self, client: &Client) -> Result<Option<Receipt>, Refusal> {
        if self == Self::Unknown {
            return Ok(None);
        }
        let rows = server::rows(client, sql::RECEIPT, &[]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(Receipt { id: row.try_get(0)?, timeline: row.try_get(1)? }))
    }
}

/// Whether the commit of `changes` was carried out; nothing where that cannot be told.
pub(super) async fn outcome(server: &Server, receipt: Option<&Receipt>, changes: &[Change]) -> Option<bool> {
    let look = async {
        loop {
            match known(server, receipt).await {
                Ok(Some(Known::Over(committed))) => return Some(committed),
                Ok(Some(Known::UnderWay)) => {}
                Ok(None) => return is_there(server, changes).await.ok().filter(|is_there| *is_there),
                Err(Error::Closed) => return None,
                Err(_) => {}
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap_or_default()
}

enum Known {
    /// Carried out, or taken back.
    Over(bool),
    UnderWay,
}

async fn known(server: &Server, receipt: Option<&Receipt>) -> Result<Option<Known>> {
    let Some(receipt) = receipt else {
        // The rows are asked, when there is a server that can be.
        return server.ask(sql::NOW, &[]).await.map(|_| None);
    };
    let row = server.ask(sql::OUTCOME, &[Value::Text(&receipt.id), Value::Text(&receipt.timeline)]).await?;
    Ok(match row.try_get::<_, Option<&str>>(0).unwrap_or_default() {
        Some("committed") => Some(Known::Over(true)),
        Some("aborted") => Some(Known::Over(false)),
        Some("in progress") => Some(Known::UnderWay),
        _ => None,
    })
}

/// Whether one of the changes has left the row that nobody else can have written.
async fn is_there(server: &Server, changes: &[Change]) -> Result<bool> {
    for change in changes {
        let scope = scope_of(change);
        let find =
            async |sql, organization, id| server.read(scope, sql, &[Value::Text(organization), Value::Text(id)]).await;
        let found = match change {
            Change::InsertConnection(row) | Change::ReplaceConnection(row) => {
                let found = find(sql::CONNECTION_BY_ID, &row.organization, &row.id).await?;
                found.first().map(rows::connection).transpose()?.as_ref() == Some(row)
            }
            Change::InsertAccount(row) | Change::ReplaceAccount(row) => {
                let found = find(sql::ACCOUNT_BY_ID, &row.organization, &row.id).await?;
                found.first().map(rows::account).transpose()?.as_ref() == Some(row)
            }
            Change::InsertFlow(row) | Change::ReplaceFlow(row) => {
                let found = find(sql::FLOW_BY_ID, &row.organization, &row.id).await?;
                found.first().map(rows::flow).transpose()?.as_ref() == Some(row)
            }
            Change::TakeLease { lease, .. } => {
                let found = find(sql::LEASE, &lease.organization, &lease.account_id).await?;
                found.first().map(rows::lease).transpose()?.as_ref() == Some(lease)
            }
            _ => false,
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
