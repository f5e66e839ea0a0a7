//! One commit's changes, as a transaction.
//!
//! Its statements go out together, and their answers decide: COMMIT, or ROLLBACK. A row that was read is checked by the
//! statement that writes it, or is locked until the end by the one that requires it; so READ COMMITTED is enough, and
//! nothing waits but for who writes the same row.
//!
//! Where the connection breaks before COMMIT was sent, nothing was changed. Where it breaks after, the end is not known:
//! [`receipt`](super::receipt) finds it out.

use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use tokio_postgres::{Client, Error as Refusal};

use super::{
    failure,
    receipt::{Receipt, Receipts},
    rows,
    server::{self, Connection, LONGEST, Scope, Server},
    sql,
    value::Value,
};
use crate::{
    Error, Result,
    store::{Change, Commit},
};

/// How often a transaction is tried that stood in another's way, or whose connection was broken.
const ATTEMPTS: u32 = 16;
/// How many statements are sent before the first answer is waited for.
const TOGETHER: usize = 24;

/// What became of an attempt.
enum Attempt {
    Done(Commit),
    /// Taken back, for another's sake, or because the connection broke.
    Again,
    /// The connection broke while COMMIT was under way.
    Unknown(Option<Receipt>),
}

/// What a statement must find.
#[derive(Clone, Copy)]
enum Expect {
    /// Exactly one row.
    One,
    /// No row.
    None,
    /// Whatever there is.
    Any,
}

/// One statement of a transaction.
struct Step<'a> {
    sql: &'static str,
    values: Vec<Value<'a>>,
    expect: Expect,
}

/// Applies all changes, or none.
pub(super) async fn commit(server: &Server, receipts: Receipts, changes: &[Change]) -> Result<Commit> {
    for attempt in 0..ATTEMPTS {
        match apply(server, receipts, changes).await? {
            Attempt::Done(commit) => return Ok(commit),
            Attempt::Again => tokio::time::sleep(LONGEST / 1000 * attempt).await,
            Attempt::Unknown(receipt) => match super::receipt::outcome(server, receipt.as_ref(), changes).await {
                Some(true) => return Ok(Commit::Applied),
                Some(false) => {}
                None => {
                    return Err(failure::unreachable(
                        "the connection broke within a commit, and whether it was carried out cannot be told yet",
                    ));
                }
            },
        }
    }
    Err(Error::StoreBusy)
}

async fn apply(server: &Server, receipts: Receipts, changes: &[Change]) -> Result<Attempt> {
    let connection = server.connection().await?;
    let stated = tokio::time::timeout(LONGEST, state(connection.client(), server, receipts, changes)).await;
    let (outcome, receipt) = match stated {
        Ok(Ok(stated)) => stated,
        Ok(Err(refusal)) if failure::is_passing(&refusal) => {
            take_back(connection).await;
            return Ok(Attempt::Again);
        }
        Ok(Err(refusal)) => {
            connection.end();
            // Nothing was changed, and another connection may not be broken.
            return if failure::leaves_open(&refusal) { Ok(Attempt::Again) } else { Err(server.meaning(&refusal)) };
        }
        Err(_) => {
            connection.end();
            return Err(failure::unreachable("the database server does not answer"));
        }
    };
    if outcome == Commit::Conflict {
        take_back(connection).await;
        return Ok(Attempt::Done(Commit::Conflict));
    }
    let ended = tokio::time::timeout(LONGEST, connection.client().batch_execute(sql::COMMIT)).await;
    let refusal = match ended {
        Ok(Ok(())) => return Ok(Attempt::Done(Commit::Applied)),
        Ok(Err(refusal)) => refusal,
        Err(_) => {
            connection.end();
            return Ok(Attempt::Unknown(receipt));
        }
    };
    connection.end();
    if failure::leaves_open(&refusal) {
        Ok(Attempt::Unknown(receipt))
    } else if failure::is_passing(&refusal) {
        Ok(Attempt::Again)
    } else {
        Err(server.meaning(&refusal))
    }
}

/// Takes the transaction back, or its connection with it.
async fn take_back(connection: Connection) {
    match tokio::time::timeout(LONGEST, connection.client().batch_execute(sql::ROLLBACK)).await {
        Ok(Ok(())) => {}
        _ => connection.end(),
    }
}

/// Sends every statement but the last word, and says what that should be.
async fn state(
    client: &Client,
    server: &Server,
    receipts: Receipts,
    changes: &[Change],
) -> Result<(Commit, Option<Receipt>), Refusal> {
    let durable = [Value::Flag(changes.iter().any(Change::waits_for_disk))];
    let mut sent: Vec<(BoxFuture<'_, Result<u64, Refusal>>, Expect)> = Vec::new();
    let mut conflict = false;
    sent.push((client.batch_execute(sql::BEGIN).map(|begun| begun.map(|()| 0)).boxed(), Expect::Any));
    sent.push((server::rows(client, sql::DURABILITY, &durable).map(|rows| rows.map(|_| 0)).boxed(), Expect::Any));
    let mut scope = None;
    for change in changes {
        let own = scope_of(change);
        if scope.replace(own) != Some(own) {
            let settled = server::settle(client, server.schema(), own);
            sent.push((settled.map(|settled| settled.map(|()| 0)).boxed(), Expect::Any));
        }
        for step in steps(change) {
            let Step { sql, values, expect } = step;
            sent.push((async move { server::changed(client, sql, &values).await }.boxed(), expect));
        }
        if sent.len() >= TOGETHER {
            conflict |= !answered(std::mem::take(&mut sent)).await?;
        }
        if conflict {
            return Ok((Commit::Conflict, None));
        }
    }
    let (answers, receipt) = futures_util::future::join(answered(sent), receipts.take(client)).await;
    if !answers? {
        return Ok((Commit::Conflict, None));
    }
    Ok((Commit::Applied, receipt?))
}

/// Whether every statement found what it must. Sent in their order, which the first poll of each decides.
async fn answered(sent: Vec<(BoxFuture<'_, Result<u64, Refusal>>, Expect)>) -> Result<bool, Refusal> {
    let (statements, expected): (Vec<_>, Vec<_>) = sent.into_iter().unzip();
    for (answer, expect) in join_all(statements).await.into_iter().zip(expected) {
        let met = match (answer, expect) {
            // What follows is refused for this one's sake.
            (Err(refusal), _) if failure::is_conflict(&refusal) => false,
            (Err(refusal), _) => return Err(refusal),
            (Ok(_), Expect::Any) => true,
            (Ok(rows), Expect::One) => rows == 1,
            (Ok(rows), Expect::None) => rows == 0,
        };
        if !met {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whose rows a change concerns.
pub(super) fn scope_of(change: &Change) -> Scope<'_> {
    match change {
        Change::Initialize(_)
        | Change::InsertKeySlot(_)
        | Change::DeleteKeySlot { .. }
        | Change::RequireKeySlot { .. } => Scope::Nobody,
        Change::ForgetUnverified { .. } | Change::ForgetFlows { .. } | Change::ForgetOutbox { .. } => {
            Scope::Across("forget")
        }
        Change::InsertDataKey(row) => Scope::Organization(&row.organization),
        Change::InsertConnection(row) | Change::ReplaceConnection(row) => Scope::Organization(&row.organization),
        Change::InsertAccount(row) | Change::ReplaceAccount(row) => Scope::Organization(&row.organization),
        Change::InsertFlow(row) | Change::ReplaceFlow(row) => Scope::Organization(&row.organization),
        Change::InsertOutbox(row) | Change::ReplaceOutbox(row) => Scope::Organization(&row.organization),
        Change::InsertRecord { row, .. } => Scope::Organization(&row.organization),
        Change::MoveRecordsHead(_) => Scope::Nobody,
        Change::TakeLease { lease, .. } => Scope::Organization(&lease.organization),
        Change::SetFault(fault) => Scope::Organization(&fault.organization),
        Change::DeleteConnection { organization, .. }
        | Change::RequireConnection { organization, .. }
        | Change::LinkRecord { organization, .. }
        | Change::DeleteAccount { organization, .. }
        | Change::MarkSent { organization, .. }
        | Change::ReleaseLease { organization, .. }
        | Change::RequireNoLease { organization, .. }
        | Change::RequireNoAccounts { organization, .. }
        | Change::PostponeFault { organization, .. }
        | Change::ClearFault { organization, .. } => Scope::Organization(organization),
    }
}

/// The statements of a change.
///
/// Who takes a lease, uses it, or rests on there being none, locks the account's row first: so that each of them sees
/// what the others did.
fn steps(change: &Change) -> Vec<Step<'_>> {
    let one = |sql, values| vec![Step { sql, values, expect: Expect::One }];
    let any = |sql, values| vec![Step { sql, values, expect: Expect::Any }];
    match change {
        Change::Initialize(meta) => one(sql::INITIALIZE, rows::meta_values(meta)),
        Change::InsertKeySlot(slot) => one(sql::INSERT_KEY_SLOT, rows::key_slot_values(slot)),
        Change::DeleteKeySlot { id, version } => one(sql::DELETE_KEY_SLOT, vec![id.into(), (*version).into()]),
        Change::RequireKeySlot { id, version } => one(sql::HOLD_KEY_SLOT, vec![id.into(), (*version).into()]),
        Change::InsertDataKey(key) => one(sql::INSERT_DATA_KEY, rows::data_key_values(key)),
        Change::InsertConnection(row) => one(sql::INSERT_CONNECTION, rows::connection_values(row)),
        Change::ReplaceConnection(row) => one(sql::REPLACE_CONNECTION, rows::connection_values(row)),
        Change::DeleteConnection { organization, id, version } => {
            one(sql::DELETE_CONNECTION, vec![organization.into(), id.into(), (*version).into()])
        }
        Change::RequireConnection { organization, id, version } => {
            one(sql::HOLD_CONNECTION, vec![organization.into(), id.into(), (*version).into()])
        }
        Change::InsertAccount(row) => one(sql::INSERT_ACCOUNT, rows::account_values(row)),
        Change::ReplaceAccount(row) => one(sql::REPLACE_ACCOUNT, rows::account_values(row)),
        Change::DeleteAccount { organization, id, version } => {
            one(sql::DELETE_ACCOUNT, vec![organization.into(), id.into(), (*version).into()])
        }
        Change::TakeLease { lease, account_version } => vec![
            hold_account(&lease.organization, &lease.account_id, *account_version),
            Step { sql: sql::TAKE_LEASE, values: rows::lease_values(lease), expect: Expect::One },
        ],
        Change::MarkSent { organization, account_id, epoch, account_version } => vec![
            hold_account(organization, account_id, *account_version),
            Step {
                sql: sql::MARK_SENT,
                values: vec![organization.into(), account_id.into(), (*epoch).into()],
                expect: Expect::One,
            },
        ],
        Change::ReleaseLease { organization, account_id, epoch } => {
            any(sql::RELEASE_LEASE, vec![organization.into(), account_id.into(), (*epoch).into()])
        }
        Change::RequireNoLease { organization, account_id } => {
            let account = || vec![organization.into(), account_id.into()];
            vec![
                Step { sql: sql::HOLD_ANY_ACCOUNT, values: account(), expect: Expect::Any },
                Step { sql: sql::LEASE, values: account(), expect: Expect::None },
            ]
        }
        Change::SetFault(fault) => one(sql::SET_FAULT, rows::fault_values(fault)),
        Change::PostponeFault { organization, connection_id, from, to } => {
            one(sql::POSTPONE_FAULT, vec![organization.into(), connection_id.into(), (*from).into(), (*to).into()])
        }
        Change::ClearFault { organization, connection_id } => {
            any(sql::CLEAR_FAULT, vec![organization.into(), connection_id.into()])
        }
        // Whoever inserts an account holds its connection, which is deleted together with this.
        Change::RequireNoAccounts { organization, connection_id } => vec![
            Step {
                sql: sql::LOCK_CONNECTION,
                values: vec![organization.into(), connection_id.into()],
                expect: Expect::Any,
            },
            Step {
                sql: sql::ACCOUNT_OF_CONNECTION,
                values: vec![organization.into(), connection_id.into()],
                expect: Expect::None,
            },
        ],
        Change::InsertOutbox(row) => one(sql::INSERT_OUTBOX, rows::outbox_values(row)),
        Change::ReplaceOutbox(row) => one(sql::REPLACE_OUTBOX, rows::outbox_values(row)),
        Change::ForgetOutbox { before } => any(sql::FORGET_OUTBOX, vec![(*before).into()]),
        Change::InsertRecord { row, .. } => one(sql::INSERT_RECORD, rows::record_values(row)),
        Change::LinkRecord { organization, id, number, link } => {
            one(sql::LINK_RECORD, vec![organization.into(), id.into(), (*number).into(), link.into()])
        }
        Change::MoveRecordsHead(head) if head.version == 1 => {
            one(sql::INSERT_RECORDS_HEAD, rows::records_head_values(head))
        }
        Change::MoveRecordsHead(head) => one(sql::REPLACE_RECORDS_HEAD, rows::records_head_values(head)),
        Change::InsertFlow(row) => one(sql::INSERT_FLOW, rows::flow_values(row)),
        Change::ReplaceFlow(row) => one(sql::REPLACE_FLOW, rows::flow_values(row)),
        Change::ForgetUnverified { before } => any(sql::FORGET_UNVERIFIED, vec![(*before).into()]),
        Change::ForgetFlows { before } => any(sql::FORGET_FLOWS, vec![(*before).into()]),
    }
}

/// The account's row, if it has this version, kept as it is until the end.
fn hold_account<'a>(organization: &'a str, id: &'a str, version: i64) -> Step<'a> {
    let values = vec![organization.into(), id.into(), version.into()];
    Step { sql: sql::HOLD_ACCOUNT, values, expect: Expect::One }
}
