//! One commit's changes, as statements in a transaction.

use rusqlite::{Connection, Result, ToSql, TransactionBehavior, params};

use super::{failure, rows};
use crate::store::{Change, Commit, sql};

/// Applies several commits in one transaction: each by itself all or nothing, in their order. It is durable, unless none
/// of its changes asks for that ([`Change::waits_for_disk`]).
///
/// The transaction takes the write lock at its beginning. One that reads first and writes later is refused with
/// `SQLITE_BUSY_SNAPSHOT` when another program wrote in between.
pub(super) fn apply_together(connection: &mut Connection, commits: &[&[Change]]) -> Result<Vec<Commit>> {
    let durable = commits.iter().copied().flatten().any(Change::waits_for_disk);
    // Of the log, FULL waits for the disk at each commit, for all that was written until then; NORMAL at checkpoints.
    connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut outcomes = Vec::with_capacity(commits.len());
    for changes in commits {
        let savepoint = transaction.savepoint()?;
        let outcome = apply(&savepoint, changes)?;
        match outcome {
            Commit::Applied => savepoint.commit()?,
            Commit::Conflict => savepoint.finish()?,
        }
        outcomes.push(outcome);
    }
    transaction.commit()?;
    Ok(outcomes)
}

/// Applies `changes` up to the first that conflicts; the caller takes them back then.
fn apply(connection: &Connection, changes: &[Change]) -> Result<Commit> {
    for change in changes {
        match apply_one(connection, change) {
            Ok(true) => {}
            Ok(false) => return Ok(Commit::Conflict),
            Err(refusal) if failure::is_conflict(&refusal) => return Ok(Commit::Conflict),
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(Commit::Applied)
}

/// Applies one change, and says whether it met the row that it expects.
fn apply_one(connection: &Connection, change: &Change) -> Result<bool> {
    let write = |sql: &str, values: &[&dyn ToSql]| Ok(connection.prepare_cached(sql)?.execute(values)? == 1);
    match change {
        Change::Initialize(meta) => write(sql::INITIALIZE, &rows::meta_values(meta)),
        Change::InsertKeySlot(slot) => write(sql::INSERT_KEY_SLOT, &rows::key_slot_values(slot)),
        Change::DeleteKeySlot { id, version } => write(sql::DELETE_KEY_SLOT, params![id, version]),
        Change::RequireKeySlot { id, version } => {
            connection.prepare_cached(sql::REQUIRE_KEY_SLOT)?.exists(params![id, version])
        }
        Change::InsertDataKey(key) => write(sql::INSERT_DATA_KEY, &rows::data_key_values(key)),
        Change::InsertConnection(row) => write(sql::INSERT_CONNECTION, &rows::connection_values(row)),
        Change::ReplaceConnection(row) => write(sql::REPLACE_CONNECTION, &rows::connection_values(row)),
        Change::DeleteConnection { organization, id, version } => {
            write(sql::DELETE_CONNECTION, params![organization, id, version])
        }
        Change::RequireConnection { organization, id, version } => {
            connection.prepare_cached(sql::REQUIRE_CONNECTION)?.exists(params![organization, id, version])
        }
        Change::InsertAccount(row) => write(sql::INSERT_ACCOUNT, &rows::account_values(row)),
        Change::ReplaceAccount(row) => write(sql::REPLACE_ACCOUNT, &rows::account_values(row)),
        Change::DeleteAccount { organization, id, version } => {
            write(sql::DELETE_ACCOUNT, params![organization, id, version])
        }
        Change::TakeLease { lease, account_version } => {
            let account = params![lease.organization, lease.account_id, account_version];
            Ok(connection.prepare_cached(sql::REQUIRE_ACCOUNT)?.exists(account)?
                && write(sql::TAKE_LEASE, &rows::lease_values(lease))?)
        }
        Change::MarkSent { organization, account_id, epoch, account_version } => {
            let account = params![organization, account_id, account_version];
            Ok(connection.prepare_cached(sql::REQUIRE_ACCOUNT)?.exists(account)?
                && write(sql::MARK_SENT, params![organization, account_id, epoch])?)
        }
        Change::ReleaseLease { organization, account_id, epoch } => {
            connection.prepare_cached(sql::RELEASE_LEASE)?.execute(params![organization, account_id, epoch])?;
            Ok(true)
        }
        Change::RequireNoLease { organization, account_id } => {
            Ok(!connection.prepare_cached(sql::LEASE)?.exists(params![organization, account_id])?)
        }
        Change::SetFault(fault) => write(sql::SET_FAULT, &rows::fault_values(fault)),
        Change::PostponeFault { organization, connection_id, from, to } => {
            write(sql::POSTPONE_FAULT, params![organization, connection_id, from, to])
        }
        Change::ClearFault { organization, connection_id } => {
            connection.prepare_cached(sql::CLEAR_FAULT)?.execute(params![organization, connection_id])?;
            Ok(true)
        }
        Change::RequireNoAccounts { organization, connection_id } => {
            Ok(!connection.prepare_cached(sql::ACCOUNT_OF_CONNECTION)?.exists(params![organization, connection_id])?)
        }
        Change::InsertOutbox(row) => write(sql::INSERT_OUTBOX, &rows::outbox_values(row)),
        Change::ReplaceOutbox(row) => write(sql::REPLACE_OUTBOX, &rows::outbox_values(row)),
        Change::ForgetOutbox { before } => {
            connection.prepare_cached(sql::FORGET_OUTBOX)?.execute(params![before])?;
            Ok(true)
        }
        Change::InsertRecord { row, .. } => write(sql::INSERT_RECORD, &rows::record_values(row)),
        Change::LinkRecord { organization, id, number, link } => {
            write(sql::LINK_RECORD, params![organization, id, number, link])
        }
        Change::MoveRecordsHead(head) if head.version == 1 => {
            write(sql::INSERT_RECORDS_HEAD, &rows::records_head_values(head))
        }
        Change::MoveRecordsHead(head) => write(sql::REPLACE_RECORDS_HEAD, &rows::records_head_values(head)),
        Change::InsertFlow(row) => write(sql::INSERT_FLOW, &rows::flow_values(row)),
        Change::ReplaceFlow(row) => write(sql::REPLACE_FLOW, &rows::flow_values(row)),
        Change::ForgetUnverified { before } => {
            connection.prepare_cached(sql::FORGET_UNVERIFIED)?.execute(params![before])?;
            Ok(true)
        }
        Change::ForgetFlows { before } => {
            connection.prepare_cached(sql::FORGET_FLOWS)?.execute(params![before])?;
            Ok(true)
        }
    }
}
