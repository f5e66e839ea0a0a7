//! Rows as SQLite's values, and back: columns in the order of the structs' fields, as [`super::sql`] lists them.

use rusqlite::{
    Result, Row, ToSql,
    types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef},
};

use crate::{
    store::{AccountRow, ConnectionRow, DataKeyRow, FlowRow, Meta, PendingFlows},
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
