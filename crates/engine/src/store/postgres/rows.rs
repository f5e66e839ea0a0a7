//! Rows as PostgreSQL's values, and back: columns in the order of the structs' fields, as [`crate::store::sql`] lists
//! them.

use tokio_postgres::{Row, types::FromSqlOwned};

use super::value::Value;
use crate::{
    Error, Result,
    store::{
        AccountRow, ConnectionRow, DataKeyRow, DueRow, FaultRow, FlowRow, KeySlotRow, LaneRow, LeaseRow, Meta,
        OutboxRow, PendingFlows, RecordRow, RecordsHeadRow,
    },
    time::Timestamp,
};

/// A column, which has a type of ours unless another program changed the table.
fn column<T: FromSqlOwned>(row: &Row, index: usize) -> Result<T> {
    row.try_get(index).map_err(|_| changed())
}

/// A count, which is no negative number.
fn count(row: &Row, index: usize) -> Result<u32> {
    column::<i64>(row, index)?.try_into().map_err(|_| changed())
}

fn changed() -> Error {
    Error::IntegrityFailed { what: "a row of the store".into() }
}

pub(super) fn meta(row: &Row) -> Result<Meta> {
    Ok(Meta {
        store_id: column(row, 0)?,
        key_id: column(row, 1)?,
        key_check: column(row, 2)?,
        created_at: column(row, 3)?,
    })
}

pub(super) fn meta_values(meta: &Meta) -> Vec<Value<'_>> {
    let Meta { store_id, key_id, key_check, created_at } = meta;
    vec![store_id.into(), key_id.into(), key_check.into(), (*created_at).into()]
}

pub(super) fn key_slot(row: &Row) -> Result<KeySlotRow> {
    Ok(KeySlotRow {
        id: column(row, 0)?,
        kind: column(row, 1)?,
        wrapped: column(row, 2)?,
        key_check: column(row, 3)?,
        created_at: column(row, 4)?,
        version: column(row, 5)?,
    })
}

pub(super) fn key_slot_values(slot: &KeySlotRow) -> Vec<Value<'_>> {
    let KeySlotRow { id, kind, wrapped, key_check, created_at, version } = slot;
    vec![id.into(), kind.into(), wrapped.into(), key_check.into(), (*created_at).into(), (*version).into()]
}

pub(super) fn data_key(row: &Row) -> Result<DataKeyRow> {
    let id: Vec<u8> = column(row, 1)?;
    Ok(DataKeyRow {
        organization: column(row, 0)?,
        id: id.try_into().map_err(|_| changed())?,
        wrapped: column(row, 2)?,
        created_at: column(row, 3)?,
    })
}

pub(super) fn data_key_values(key: &DataKeyRow) -> Vec<Value<'_>> {
    let DataKeyRow { organization, id, wrapped, created_at } = key;
    vec![organization.into(), id.as_slice().into(), wrapped.into(), (*created_at).into()]
}

pub(super) fn connection(row: &Row) -> Result<ConnectionRow> {
    Ok(ConnectionRow {
        organization: column(row, 0)?,
        id: column(row, 1)?,
        name: column(row, 2)?,
        connector: column(row, 3)?,
        enabled: column(row, 4)?,
        config: column(row, 5)?,
        secrets: column(row, 6)?,
        created_at: column(row, 7)?,
        updated_at: column(row, 8)?,
        version: column(row, 9)?,
        mac: column(row, 10)?,
    })
}

pub(super) fn connection_values(row: &ConnectionRow) -> Vec<Value<'_>> {
    let ConnectionRow {
        organization,
        id,
        name,
        connector,
        enabled,
        config,
        secrets,
        created_at,
        updated_at,
        version,
        mac,
    } = row;
    vec![
        organization.into(),
        id.into(),
        name.into(),
        connector.into(),
        (*enabled).into(),
        config.into(),
        secrets.into(),
        (*created_at).into(),
        (*updated_at).into(),
        (*version).into(),
        mac.into(),
    ]
}

pub(super) fn account(row: &Row) -> Result<AccountRow> {
    Ok(AccountRow {
        organization: column(row, 0)?,
        id: column(row, 1)?,
        connection_id: column(row, 2)?,
        identifier: column(row, 3)?,
        status: column(row, 4)?,
        facts: column(row, 5)?,
        expires_at: column(row, 6)?,
        refresh_at: column(row, 7)?,
        credential: column(row, 8)?,
        created_at: column(row, 9)?,
        updated_at: column(row, 10)?,
        version: column(row, 11)?,
        mac: column(row, 12)?,
    })
}

pub(super) fn account_values(row: &AccountRow) -> Vec<Value<'_>> {
    let AccountRow {
        organization,
        id,
        connection_id,
        identifier,
        status,
        facts,
        expires_at,
        refresh_at,
        credential,
        created_at,
        updated_at,
        version,
        mac,
    } = row;
    vec![
        organization.into(),
        id.into(),
        connection_id.into(),
        identifier.into(),
        status.into(),
        facts.into(),
        (*expires_at).into(),
        (*refresh_at).into(),
        credential.into(),
        (*created_at).into(),
        (*updated_at).into(),
        (*version).into(),
        mac.into(),
    ]
}

pub(super) fn lease(row: &Row) -> Result<LeaseRow> {
    Ok(LeaseRow {
        organization: column(row, 0)?,
        account_id: column(row, 1)?,
        holder: column(row, 2)?,
        epoch: column(row, 3)?,
        until: column(row, 4)?,
        sent: column(row, 5)?,
    })
}

pub(super) fn lease_values(row: &LeaseRow) -> Vec<Value<'_>> {
    let LeaseRow { organization, account_id, holder, epoch, until, sent } = row;
    vec![organization.into(), account_id.into(), holder.into(), (*epoch).into(), (*until).into(), (*sent).into()]
}

pub(super) fn fault(row: &Row) -> Result<FaultRow> {
    Ok(FaultRow {
        organization: column(row, 0)?,
        connection_id: column(row, 1)?,
        connection_version: column(row, 2)?,
        error: column(row, 3)?,
        since: column(row, 4)?,
        failures: count(row, 5)?,
        next_try: column(row, 6)?,
    })
}

pub(super) fn fault_values(row: &FaultRow) -> Vec<Value<'_>> {
    let FaultRow { organization, connection_id, connection_version, error, since, failures, next_try } = row;
    vec![
        organization.into(),
        connection_id.into(),
        (*connection_version).into(),
        error.into(),
        (*since).into(),
        (*failures).into(),
        (*next_try).into(),
    ]
}

pub(super) fn lane(row: &Row) -> Result<LaneRow> {
    Ok(LaneRow { organization: column(row, 0)?, connection_id: column(row, 1)?, first: column(row, 2)? })
}

pub(super) fn due(row: &Row) -> Result<DueRow> {
    Ok(DueRow { account_id: column(row, 0)?, refresh_at: column(row, 1)? })
}

pub(super) fn record(row: &Row) -> Result<RecordRow> {
    Ok(RecordRow {
        organization: column(row, 0)?,
        id: column(row, 1)?,
        action: column(row, 2)?,
        facts: column(row, 3)?,
        at: column(row, 4)?,
        number: column(row, 5)?,
        link: column(row, 6)?,
        mac: column(row, 7)?,
    })
}

pub(super) fn record_values(row: &RecordRow) -> Vec<Value<'_>> {
    let RecordRow { organization, id, action, facts, at, number, link, mac } = row;
    vec![
        organization.into(),
        id.into(),
        action.into(),
        facts.into(),
        (*at).into(),
        number.map_or(Value::NoNumber, Value::Number),
        link.into(),
        mac.into(),
    ]
}

pub(super) fn records_head(row: &Row) -> Result<RecordsHeadRow> {
    Ok(RecordsHeadRow {
        number: column(row, 0)?,
        link: column(row, 1)?,
        version: column(row, 2)?,
        mac: column(row, 3)?,
    })
}

pub(super) fn records_head_values(row: &RecordsHeadRow) -> Vec<Value<'_>> {
    let RecordsHeadRow { number, link, version, mac } = row;
    vec![(*number).into(), link.into(), (*version).into(), mac.into()]
}

pub(super) fn outbox(row: &Row) -> Result<OutboxRow> {
    Ok(OutboxRow {
        organization: column(row, 0)?,
        id: column(row, 1)?,
        kind: column(row, 2)?,
        connection_id: column(row, 3)?,
        account_id: column(row, 4)?,
        status: column(row, 5)?,
        facts: column(row, 6)?,
        held: column(row, 7)?,
        next_try: column(row, 8)?,
        created_at: column(row, 9)?,
        updated_at: column(row, 10)?,
        version: column(row, 11)?,
        mac: column(row, 12)?,
    })
}

pub(super) fn outbox_values(row: &OutboxRow) -> Vec<Value<'_>> {
    let OutboxRow {
        organization,
        id,
        kind,
        connection_id,
        account_id,
        status,
        facts,
        held,
        next_try,
        created_at,
        updated_at,
        version,
        mac,
    } = row;
    vec![
        organization.into(),
        id.into(),
        kind.into(),
        connection_id.into(),
        account_id.into(),
        status.into(),
        facts.into(),
        held.into(),
        (*next_try).into(),
        (*created_at).into(),
        (*updated_at).into(),
        (*version).into(),
        mac.into(),
    ]
}

pub(super) fn flow(row: &Row) -> Result<FlowRow> {
    Ok(FlowRow {
        organization: column(row, 0)?,
        id: column(row, 1)?,
        connection_id: column(row, 2)?,
        account_id: column(row, 3)?,
        status: column(row, 4)?,
        link_hash: column(row, 5)?,
        state_hash: column(row, 6)?,
        nonce_hash: column(row, 7)?,
        facts: column(row, 8)?,
        held: column(row, 9)?,
        expires_at: column(row, 10)?,
        created_at: column(row, 11)?,
        version: column(row, 12)?,
        mac: column(row, 13)?,
    })
}

pub(super) fn flow_values(row: &FlowRow) -> Vec<Value<'_>> {
    let FlowRow {
        organization,
        id,
        connection_id,
        account_id,
        status,
        link_hash,
        state_hash,
        nonce_hash,
        facts,
        held,
        expires_at,
        created_at,
        version,
        mac,
    } = row;
    vec![
        organization.into(),
        id.into(),
        connection_id.into(),
        account_id.into(),
        status.into(),
        link_hash.into(),
        state_hash.into(),
        nonce_hash.into(),
        facts.into(),
        held.into(),
        (*expires_at).into(),
        (*created_at).into(),
        (*version).into(),
        mac.into(),
    ]
}

pub(super) fn pending_flows(row: &Row) -> Result<PendingFlows> {
    Ok(PendingFlows { of_account: count(row, 0)?, of_organization: count(row, 1)? })
}

/// A moment that stands alone.
pub(super) fn moment(row: &Row) -> Result<Timestamp> {
    column(row, 0)
}

/// A number that stands alone.
pub(super) fn number(row: &Row) -> Result<i64> {
    column(row, 0)
}
