//! What a store holds, in memory, as strict as a database: versions, unique keys, and what is deleted along.

use std::collections::BTreeMap;

use onbehalf_engine::store::{
    AccountRow, Change, Commit, ConnectionRow, DataKeyRow, FaultRow, KeySlotRow, LeaseRow, Meta,
};

/// Organization and id.
type Key = (String, String);

/// All rows but flows: accounts are connected with tokens that the app brings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    pub(crate) meta: Option<Meta>,
    pub(crate) key_slots: Vec<KeySlotRow>,
    /// The oldest first.
    pub(crate) data_keys: Vec<DataKeyRow>,
    pub(crate) connections: BTreeMap<Key, ConnectionRow>,
    pub(crate) accounts: BTreeMap<Key, AccountRow>,
    pub(crate) leases: BTreeMap<Key, LeaseRow>,
    pub(crate) faults: BTreeMap<Key, FaultRow>,
    /// Grows with every commit.
    pub(crate) version: i64,
}

pub(crate) fn key(organization: &str, id: &str) -> Key {
    (organization.to_owned(), id.to_owned())
}

impl Tables {
    /// All changes or none.
    pub(crate) fn commit(&mut self, changes: Vec<Change>) -> Commit {
        let mut after = self.clone();
        if !changes.into_iter().all(|change| after.apply(change)) {
            return Commit::Conflict;
        }
        after.version += 1;
        *self = after;
        Commit::Applied
    }

    /// Whether the change met the row that it expects.
    fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Initialize(meta) => self.meta.is_none() && self.meta.replace(meta).is_none(),
            Change::InsertKeySlot(row) => {
                let taken = self.key_slots.iter().any(|slot| slot.id == row.id);
                self.key_slots.push(row);
                !taken
            }
            Change::DeleteKeySlot { .. } | Change::RequireKeySlot { .. } => unreachable!("nobody replaces a key here"),
            Change::InsertDataKey(row) => {
                let taken = self.data_keys.iter().any(|key| (&key.organization, key.id) == (&row.organization, row.id));
                self.data_keys.push(row);
                !taken
            }
            Change::InsertConnection(row) => {
                !self.connections.contains_key(&key(&row.organization, &row.id)) && self.put_connection(row)
            }
            Change::ReplaceConnection(row) => {
                self.has_connection(&row.organization, &row.id, row.version - 1) && self.put_connection(row)
            }
            Change::DeleteConnection { organization, id, version } => {
                let met = self.has_connection(&organization, &id, version);
                let of_it = |row: &AccountRow| (&row.organization, &row.connection_id) == (&organization, &id);
                let accounts: Vec<_> =
                    self.accounts.values().filter(|row| of_it(row)).map(|row| row.id.clone()).collect();
                accounts.iter().for_each(|account| self.delete_account(&organization, account));
                self.faults.remove(&key(&organization, &id));
                self.connections.remove(&key(&organization, &id));
                met
            }
            Change::RequireConnection { organization, id, version } => self.has_connection(&organization, &id, version),
            Change::InsertAccount(row) => {
                let taken = self.accounts.contains_key(&key(&row.organization, &row.id));
                !taken
                    && self.connections.contains_key(&key(&row.organization, &row.connection_id))
                    && self.put_account(row)
            }
            Change::ReplaceAccount(row) => {
                self.has_account(&row.organization, &row.id, row.version - 1) && self.put_account(row)
            }
            Change::DeleteAccount { organization, id, version } => {
                let met = self.has_account(&organization, &id, version);
                self.delete_account(&organization, &id);
                met
            }
            Change::TakeLease { lease, account_version } => {
                let place = key(&lease.organization, &lease.account_id);
                self.has_account(&lease.organization, &lease.account_id, account_version)
                    && self.leases.insert(place, lease).is_none()
            }
            Change::MarkSent { organization, account_id, epoch, account_version } => {
                if !self.has_account(&organization, &account_id, account_version) {
                    return false;
                }
                let lease = self.leases.get_mut(&key(&organization, &account_id)).filter(|lease| lease.epoch == epoch);
                lease.map(|lease| lease.sent = true).is_some()
            }
            Change::ReleaseLease { organization, account_id, epoch } => {
                let place = key(&organization, &account_id);
                if self.leases.get(&place).is_some_and(|lease| lease.epoch == epoch) {
                    self.leases.remove(&place);
                }
                true
            }
            Change::RequireNoLease { organization, account_id } => {
                !self.leases.contains_key(&key(&organization, &account_id))
            }
            Change::PostponeFault { organization, connection_id, from, to } => {
                let fault = self.faults.get_mut(&key(&organization, &connection_id));
                fault.filter(|fault| fault.next_try == from).map(|fault| fault.next_try = to).is_some()
            }
            Change::SetFault(row) => {
                let place = key(&row.organization, &row.connection_id);
                let known = self.connections.contains_key(&place);
                self.faults.insert(place, row);
                known
            }
            Change::ClearFault { organization, connection_id } => {
                self.faults.remove(&key(&organization, &connection_id));
                true
            }
            // Nobody reads them here.
            Change::InsertRecord { .. } => true,
            Change::LinkRecord { .. } | Change::MoveRecordsHead(_) => unreachable!("there is nothing to link"),
            Change::ForgetUnverified { .. } | Change::ForgetFlows { .. } | Change::ForgetOutbox { .. } => true,
            Change::InsertFlow(_) | Change::ReplaceFlow(_) => unreachable!("nobody authorizes here"),
            Change::RequireNoAccounts { .. } | Change::InsertOutbox(_) | Change::ReplaceOutbox(_) => {
                unreachable!("nobody takes anything back here")
            }
        }
    }

    fn has_connection(&self, organization: &str, id: &str, version: i64) -> bool {
        self.connections.get(&key(organization, id)).is_some_and(|row| row.version == version)
    }

    fn has_account(&self, organization: &str, id: &str, version: i64) -> bool {
        self.accounts.get(&key(organization, id)).is_some_and(|row| row.version == version)
    }

    fn put_connection(&mut self, row: ConnectionRow) -> bool {
        let named = |other: &ConnectionRow| (&other.organization, &other.name) == (&row.organization, &row.name);
        let unique = !self.connections.values().any(|other| named(other) && other.id != row.id);
        self.connections.insert(key(&row.organization, &row.id), row);
        unique
    }

    fn put_account(&mut self, row: AccountRow) -> bool {
        let named = |other: &AccountRow| {
            (&other.organization, &other.connection_id, &other.identifier)
                == (&row.organization, &row.connection_id, &row.identifier)
        };
        let unique = !self.accounts.values().any(|other| named(other) && other.id != row.id);
        self.accounts.insert(key(&row.organization, &row.id), row);
        unique
    }

    fn delete_account(&mut self, organization: &str, id: &str) {
        self.leases.remove(&key(organization, id));
        self.accounts.remove(&key(organization, id));
    }
}
