//! Rows as SQLite's values, and back: columns in the order of the structs' fields, as [`crate::store::sql`] lists them.

use rusqlite::{
    Result, Row, ToSql,
    types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef},
};

use crate::{
    store::{
        AccountRow, ConnectionRow, DataKeyRow, DueRow, FaultRow, FlowRow, KeySlotRow, LaneRow, LeaseRow, Meta,
        OutboxRow, PendingFlows, RecordRow, RecordsHeadRow,
    },
    time::Timestamp,
};

impl ToSql for Timestamp {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.as_millis().into())
    }
}

impl FromSql for Timestamp {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self::from_millis)
    }
}

pub(super) fn meta(row: &Row<'_>) -> Result<Meta> {
    Ok(Meta { store_id: row.get(0)?, key_id: row.get(1)?, key_check: row.get(2)?, created_at: row.get(3)? })
}

pub(super) fn meta_values(meta: &Meta) -> [&dyn ToSql; 4] {
    let Meta { store_id, key_id, key_check, created_at } = meta;
    [store_id, key_id, key_check, created_at]
}

pub(super) fn key_slot(row: &Row<'_>) -> Result<KeySlotRow> {
    Ok(KeySlotRow {
        id: row.get(0)?,
        kind: row.get(1)?,
        wrapped: row.get(2)?,
        key_check: row.get(3)?,
        created_at: row.get(4)?,
        version: row.get(5)?,
    })
}

pub(super) fn key_slot_values(slot: &KeySlotRow) -> [&dyn ToSql; 6] {
    let KeySlotRow { id, kind, wrapped, key_check, created_at, version } = slot;
    [id, kind, wrapped, key_check, created_at, version]
}

pub(super) fn data_key(row: &Row<'_>) -> Result<DataKeyRow> {
    Ok(DataKeyRow { organization: row.get(0)?, id: row.get(1)?, wrapped: row.get(2)?, created_at: row.get(3)? })
}

pub(super) fn data_key_values(key: &DataKeyRow) -> [&dyn ToSql; 4] {
    let DataKeyRow { organization, id, wrapped, created_at } = key;
    [organization, id, wrapped, created_at]
}

pub(super) fn connection(row: &Row<'_>) -> Result<ConnectionRow> {
    Ok(ConnectionRow {
        organization: row.get(0)?,
        id: row.get(1)?,
        name: row.get(2)?,
        connector: row.get(3)?,
        enabled: row.get(4)?,
        config: row.get(5)?,
        secrets: row.get(6)?,
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
        version: row.get(9)?,
        mac: row.get(10)?,
    })
}

pub(super) fn connection_values(row: &ConnectionRow) -> [&dyn ToSql; 11] {
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
    [organization, id, name, connector, enabled, config, secrets, created_at, updated_at, version, mac]
}

pub(super) fn account(row: &Row<'_>) -> Result<AccountRow> {
    Ok(AccountRow {
        organization: row.get(0)?,
        id: row.get(1)?,
        connection_id: row.get(2)?,
        identifier: row.get(3)?,
        status: row.get(4)?,
        facts: row.get(5)?,
        expires_at: row.get(6)?,
        refresh_at: row.get(7)?,
        credential: row.get(8)?,
        created_at: row.get(9)?,
        updated_at: row.get(10)?,
        version: row.get(11)?,
        mac: row.get(12)?,
    })
}

pub(super) fn account_values(row: &AccountRow) -> [&dyn ToSql; 13] {
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
    [
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
    ]
}

pub(super) fn lease(row: &Row<'_>) -> Result<LeaseRow> {
    Ok(LeaseRow {
        organization: row.get(0)?,
        account_id: row.get(1)?,
        holder: row.get(2)?,
        epoch: row.get(3)?,
        until: row.get(4)?,
        sent: row.get(5)?,
    })
}

pub(super) fn lease_values(row: &LeaseRow) -> [&dyn ToSql; 6] {
    let LeaseRow { organization, account_id, holder, epoch, until, sent } = row;
    [organization, account_id, holder, epoch, until, sent]
}

pub(super) fn fault(row: &Row<'_>) -> Result<FaultRow> {
    Ok(FaultRow {
        organization: row.get(0)?,
        connection_id: row.get(1)?,
        connection_version: row.get(2)?,
        error: row.get(3)?,
        since: row.get(4)?,
        failures: row.get(5)?,
        next_try: row.get(6)?,
    })
}

pub(super) fn fault_values(row: &FaultRow) -> [&dyn ToSql; 7] {
    let FaultRow { organization, connection_id, connection_version, error, since, failures, next_try } = row;
    [organization, connection_id, connection_version, error, since, failures, next_try]
}

pub(super) fn lane(row: &Row<'_>) -> Result<LaneRow> {
    Ok(LaneRow { organization: row.get(0)?, connection_id: row.get(1)?, first: row.get(2)? })
}

pub(super) fn due(row: &Row<'_>) -> Result<DueRow> {
    Ok(DueRow { account_id: row.get(0)?, refresh_at: row.get(1)? })
}

pub(super) fn record(row: &Row<'_>) -> Result<RecordRow> {
    Ok(RecordRow {
        organization: row.get(0)?,
        id: row.get(1)?,
        action: row.get(2)?,
        facts: row.get(3)?,
        at: row.get(4)?,
        number: row.get(5)?,
        link: row.get(6)?,
        mac: row.get(7)?,
    })
}

pub(super) fn record_values(row: &RecordRow) -> [&dyn ToSql; 8] {
    let RecordRow { organization, id, action, facts, at, number, link, mac } = row;
    [organization, id, action, facts, at, number, link, mac]
}

pub(super) fn records_head(row: &Row<'_>) -> Result<RecordsHeadRow> {
    Ok(RecordsHeadRow { number: row.get(0)?, link: row.get(1)?, version: row.get(2)?, mac: row.get(3)? })
}

pub(super) fn records_head_values(row: &RecordsHeadRow) -> [&dyn ToSql; 4] {
    let RecordsHeadRow { number, link, version, mac } = row;
    [number, link, version, mac]
}

pub(super) fn outbox(row: &Row<'_>) -> Result<OutboxRow> {
    Ok(OutboxRow {
        organization: row.get(0)?,
        id: row.get(1)?,
        kind: row.get(2)?,
        connection_id: row.get(3)?,
        account_id: row.get(4)?,
        status: row.get(5)?,
        facts: row.get(6)?,
        held: row.get(7)?,
        next_try: row.get(8)?,
        created_at: row.get(9)?,
        updated_at: row.get(10)?,
        version: row.get(11)?,
        mac: row.get(12)?,
    })
}

pub(super) fn outbox_values(row: &OutboxRow) -> [&dyn ToSql; 13] {
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
    [
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
    ]
}

pub(super) fn flow(row: &Row<'_>) -> Result<FlowRow> {
    Ok(FlowRow {
        organization: row.get(0)?,
        id: row.get(1)?,
        connection_id: row.get(2)?,
        account_id: row.get(3)?,
        status: row.get(4)?,
        link_hash: row.get(5)?,
        state_hash: row.get(6)?,
        nonce_hash: row.get(7)?,
        facts: row.get(8)?,
        held: row.get(9)?,
        expires_at: row.get(10)?,
        created_at: row.get(11)?,
        version: row.get(12)?,
        mac: row.get(13)?,
    })
}

pub(super) fn flow_values(row: &FlowRow) -> [&dyn ToSql; 14] {
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
    [
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
    ]
}

pub(super) fn pending_flows(row: &Row<'_>) -> Result<PendingFlows> {
    Ok(PendingFlows { of_account: row.get(0)?, of_organization: row.get(1)? })
}
