//! Every statement that reads or writes rows, in one place, so that one test can read them all: each names the
//! organization, save those that concern the store itself, find a flow by a hash, forget what is old, plan refreshes, send
//! what is due, or link records. SQLite and PostgreSQL take the same text; what is one's alone stands with it
//! (`postgres/sql.rs`).
//!
//! A row's columns are listed in the order of its struct's fields, and the parameters of INSERT and UPDATE are numbered
//! in that order too, so that one list of values serves both.

pub(super) const META: &str = "SELECT store_id, key_id, key_check, created_at FROM store";

pub(super) const INITIALIZE: &str =
    "INSERT INTO store (singleton, store_id, key_id, key_check, created_at) VALUES (1, ?1, ?2, ?3, ?4)";

pub(super) const KEY_SLOTS: &str = "SELECT id, kind, wrapped, key_check, created_at, version FROM key_slots
    ORDER BY created_at, id";

pub(super) const INSERT_KEY_SLOT: &str = "INSERT INTO key_slots (id, kind, wrapped, key_check, created_at, version)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

pub(super) const DELETE_KEY_SLOT: &str = "DELETE FROM key_slots WHERE id = ?1 AND version = ?2";

pub(super) const REQUIRE_KEY_SLOT: &str = "SELECT 1 FROM key_slots WHERE id = ?1 AND version = ?2";

pub(super) const DATA_KEYS: &str = "SELECT organization, id, wrapped, created_at FROM data_keys
    WHERE organization = ?1 ORDER BY created_at DESC, id DESC";

pub(super) const INSERT_DATA_KEY: &str =
    "INSERT INTO data_keys (organization, id, wrapped, created_at) VALUES (?1, ?2, ?3, ?4)";

pub(super) const CONNECTION_BY_ID: &str =
    "SELECT organization, id, name, connector, enabled, config, secrets, created_at, updated_at, version, mac
    FROM connections WHERE organization = ?1 AND id = ?2";

pub(super) const CONNECTION_BY_NAME: &str =
    "SELECT organization, id, name, connector, enabled, config, secrets, created_at, updated_at, version, mac
    FROM connections WHERE organization = ?1 AND name = ?2";

pub(super) const CONNECTIONS: &str =
    "SELECT organization, id, name, connector, enabled, config, secrets, created_at, updated_at, version, mac
    FROM connections WHERE organization = ?1 AND name > ?2 ORDER BY name LIMIT ?3";

pub(super) const INSERT_CONNECTION: &str = "INSERT INTO connections
    (organization, id, name, connector, enabled, config, secrets, created_at, updated_at, version, mac)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

pub(super) const REPLACE_CONNECTION: &str = "UPDATE connections
    SET name = ?3, connector = ?4, enabled = ?5, config = ?6, secrets = ?7, created_at = ?8, updated_at = ?9,
        version = ?10, mac = ?11
    WHERE organization = ?1 AND id = ?2 AND version = ?10 - 1";

pub(super) const DELETE_CONNECTION: &str =
    "DELETE FROM connections WHERE organization = ?1 AND id = ?2 AND version = ?3";

pub(super) const REQUIRE_CONNECTION: &str =
    "SELECT 1 FROM connections WHERE organization = ?1 AND id = ?2 AND version = ?3";

pub(super) const ACCOUNT_BY_ID: &str = "SELECT organization, id, connection_id, identifier, status, facts, expires_at,
        refresh_at, credential, created_at, updated_at, version, mac
    FROM accounts WHERE organization = ?1 AND id = ?2";

pub(super) const ACCOUNT_BY_IDENTIFIER: &str = "SELECT organization, id, connection_id, identifier, status, facts,
        expires_at, refresh_at, credential, created_at, updated_at, version, mac
    FROM accounts WHERE organization = ?1 AND connection_id = ?2 AND identifier = ?3";

/// The beginning of a list; [`accounts`] adds what its filter asks for.
const ACCOUNTS: &str = "SELECT organization, id, connection_id, identifier, status, facts, expires_at,
        refresh_at, credential, created_at, updated_at, version, mac
    FROM accounts WHERE organization = ?1 AND id > ?2";

pub(super) const INSERT_ACCOUNT: &str = "INSERT INTO accounts
    (organization, id, connection_id, identifier, status, facts, expires_at, refresh_at, credential, created_at,
        updated_at, version, mac)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

pub(super) const REPLACE_ACCOUNT: &str = "UPDATE accounts
    SET connection_id = ?3, identifier = ?4, status = ?5, facts = ?6, expires_at = ?7, refresh_at = ?8,
        credential = ?9, created_at = ?10, updated_at = ?11, version = ?12, mac = ?13
    WHERE organization = ?1 AND id = ?2 AND version = ?12 - 1";

pub(super) const DELETE_ACCOUNT: &str = "DELETE FROM accounts WHERE organization = ?1 AND id = ?2 AND version = ?3";

pub(super) const FLOW_BY_ID: &str =
    "SELECT organization, id, connection_id, account_id, status, link_hash, state_hash, nonce_hash, facts, held,
        expires_at, created_at, version, mac
    FROM flows WHERE organization = ?1 AND id = ?2";

pub(super) const FLOW_BY_LINK: &str =
    "SELECT organization, id, connection_id, account_id, status, link_hash, state_hash, nonce_hash, facts, held,
        expires_at, created_at, version, mac
    FROM flows WHERE link_hash = ?1";

pub(super) const FLOW_BY_STATE: &str =
    "SELECT organization, id, connection_id, account_id, status, link_hash, state_hash, nonce_hash, facts, held,
        expires_at, created_at, version, mac
    FROM flows WHERE state_hash = ?1";

pub(super) const FLOW_BY_NONCE: &str =
    "SELECT organization, id, connection_id, account_id, status, link_hash, state_hash, nonce_hash, facts, held,
        expires_at, created_at, version, mac
    FROM flows WHERE nonce_hash = ?1";

pub(super) const LEASE: &str = "SELECT organization, account_id, holder, epoch, until, sent FROM leases
    WHERE organization = ?1 AND account_id = ?2";

pub(super) const TAKE_LEASE: &str = "INSERT INTO leases (organization, account_id, holder, epoch, until, sent)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

pub(super) const REQUIRE_ACCOUNT: &str = "SELECT 1 FROM accounts WHERE organization = ?1 AND id = ?2 AND version = ?3";

pub(super) const MARK_SENT: &str =
    "UPDATE leases SET sent = TRUE WHERE organization = ?1 AND account_id = ?2 AND epoch = ?3";

pub(super) const RELEASE_LEASE: &str = "DELETE FROM leases WHERE organization = ?1 AND account_id = ?2 AND epoch = ?3";

pub(super) const FAULT: &str =
    "SELECT organization, connection_id, connection_version, error, since, failures, next_try FROM faults
    WHERE organization = ?1 AND connection_id = ?2";

pub(super) const SET_FAULT: &str = "INSERT INTO faults
    (organization, connection_id, connection_version, error, since, failures, next_try)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (organization, connection_id) DO UPDATE
    SET connection_version = ?3, error = ?4, since = ?5, failures = ?6, next_try = ?7";

pub(super) const POSTPONE_FAULT: &str = "UPDATE faults
    SET next_try = ?4 WHERE organization = ?1 AND connection_id = ?2 AND next_try = ?3";

pub(super) const CLEAR_FAULT: &str = "DELETE FROM faults WHERE organization = ?1 AND connection_id = ?2";

pub(super) const LANES: &str = "SELECT organization, id,
        (SELECT min(refresh_at) FROM accounts
         WHERE organization = connections.organization AND connection_id = connections.id AND refresh_at IS NOT NULL)
    FROM connections WHERE (organization, id) > (?1, ?2) ORDER BY organization, id LIMIT ?3";

pub(super) const DUE: &str = "SELECT id, refresh_at FROM accounts
    WHERE organization = ?1 AND connection_id = ?2 AND refresh_at <= ?3 ORDER BY refresh_at LIMIT ?4";

pub(super) const ACCOUNT_OF_CONNECTION: &str =
    "SELECT 1 FROM accounts WHERE organization = ?1 AND connection_id = ?2 LIMIT 1";

pub(super) const OUTBOX: &str = "SELECT organization, id, kind, connection_id, account_id, status, facts, held,
        next_try, created_at, updated_at, version, mac
    FROM outbox WHERE organization = ?1 AND kind = ?2 AND id > ?3 ORDER BY id LIMIT ?4";

pub(super) const OUTBOX_DUE: &str = "SELECT organization, id, kind, connection_id, account_id, status, facts, held,
        next_try, created_at, updated_at, version, mac
    FROM outbox WHERE kind = ?1 AND next_try <= ?2 AND (next_try, organization, id) > (?3, ?4, ?5)
    ORDER BY next_try, organization, id LIMIT ?6";

pub(super) const INSERT_OUTBOX: &str = "INSERT INTO outbox
    (organization, id, kind, connection_id, account_id, status, facts, held, next_try, created_at, updated_at, version,
        mac)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

pub(super) const REPLACE_OUTBOX: &str = "UPDATE outbox
    SET kind = ?3, connection_id = ?4, account_id = ?5, status = ?6, facts = ?7, held = ?8, next_try = ?9,
        created_at = ?10, updated_at = ?11, version = ?12, mac = ?13
    WHERE organization = ?1 AND id = ?2 AND version = ?12 - 1";

pub(super) const FORGET_OUTBOX: &str = "DELETE FROM outbox WHERE next_try IS NULL AND updated_at < ?1";

pub(super) const RECORDS: &str = "SELECT organization, id, action, facts, at, number, link, mac
    FROM records WHERE organization = ?1 AND number > ?2 ORDER BY number LIMIT ?3";

pub(super) const CHAIN: &str = "SELECT organization, id, action, facts, at, number, link, mac
    FROM records WHERE number > ?1 ORDER BY number LIMIT ?2";

pub(super) const RECORDS_UNLINKED: &str = "SELECT organization, id, action, facts, at, number, link, mac
    FROM records WHERE number IS NULL ORDER BY id LIMIT ?1";

pub(super) const INSERT_RECORD: &str = "INSERT INTO records
    (organization, id, action, facts, at, number, link, mac)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

pub(super) const LINK_RECORD: &str =
    "UPDATE records SET number = ?3, link = ?4 WHERE organization = ?1 AND id = ?2 AND number IS NULL";

pub(super) const RECORDS_HEAD: &str = "SELECT number, link, version, mac FROM records_head WHERE singleton = 1";

pub(super) const INSERT_RECORDS_HEAD: &str =
    "INSERT INTO records_head (singleton, number, link, version, mac) VALUES (1, ?1, ?2, ?3, ?4)";

pub(super) const REPLACE_RECORDS_HEAD: &str = "UPDATE records_head SET number = ?1, link = ?2, version = ?3, mac = ?4
    WHERE singleton = 1 AND version = ?3 - 1";

pub(super) const INSERT_FLOW: &str = "INSERT INTO flows
    (organization, id, connection_id, account_id, status, link_hash, state_hash, nonce_hash, facts, held, expires_at,
        created_at, version, mac)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

pub(super) const REPLACE_FLOW: &str = "UPDATE flows
    SET connection_id = ?3, account_id = ?4, status = ?5, link_hash = ?6, state_hash = ?7, nonce_hash = ?8, facts = ?9,
        held = ?10, expires_at = ?11, created_at = ?12, version = ?13, mac = ?14
    WHERE organization = ?1 AND id = ?2 AND version = ?13 - 1";

pub(super) const FORGET_UNVERIFIED: &str = "DELETE FROM flows WHERE status = 'returned' AND expires_at < ?1";

pub(super) const FORGET_FLOWS: &str = "DELETE FROM flows WHERE expires_at < ?1";

pub(super) const PENDING_FLOWS: &str = "SELECT
        (SELECT count(*) FROM flows WHERE organization = ?1 AND account_id = ?2 AND expires_at > ?3),
        (SELECT count(*) FROM flows WHERE organization = ?1 AND expires_at > ?3)";

/// A list of accounts of so many connections (0 means all), of one person or of all.
///
/// Parameters: the organization, the id to begin after, the connections' ids, the identifier where asked for, the
/// limit. Written out rather than `?4 IS NULL OR …`, which would keep SQLite from using the filters' indexes.
pub(super) fn accounts(connections: usize, of_one_person: bool) -> String {
    let mut sql = String::from(ACCOUNTS);
    if connections > 0 {
        sql.push_str(" AND connection_id IN (?");
        sql.push_str(&", ?".repeat(connections - 1));
        sql.push(')');
    }
    if of_one_person {
        sql.push_str(" AND identifier = ?");
    }
    sql.push_str(" ORDER BY id LIMIT ?");
    sql
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The string literals of this file that are statements.
    pub(in crate::store) fn statements() -> Vec<&'static str> {
        let production = include_str!("sql.rs").split("#[cfg(test)]").next().unwrap();
        let verbs = ["SELECT", "INSERT", "UPDATE", "DELETE"];
        production.split('"').filter(|text| verbs.iter().any(|verb| text.starts_with(verb))).collect()
    }

    // A73.
    #[test]
    fn no_statement_forgets_the_organization() {
        let statements = statements();
        assert!(statements.len() >= 24, "the statements were not found");
        for sql in statements {
            let flows = [FLOW_BY_LINK, FLOW_BY_STATE, FLOW_BY_NONCE, FORGET_FLOWS, FORGET_UNVERIFIED];
            let store = [META, INITIALIZE, KEY_SLOTS, INSERT_KEY_SLOT, DELETE_KEY_SLOT, REQUIRE_KEY_SLOT];
            let chain = [CHAIN, RECORDS_UNLINKED, RECORDS_HEAD, INSERT_RECORDS_HEAD, REPLACE_RECORDS_HEAD];
            let all = [LANES, OUTBOX_DUE, FORGET_OUTBOX];
            let exempt = [&store[..], &flows, &chain, &all].iter().any(|few| few.contains(&sql));
            let inserts = sql.starts_with("INSERT") && sql.contains("(organization, ");
            // Of a statement with parts, each part must say it.
            let asks = sql.matches("WHERE organization = ?1").count();
            let bound = asks > 0 && asks == sql.matches("FROM ").count() + usize::from(sql.starts_with("UPDATE"));
            assert!(exempt || inserts || bound, "{sql}");
        }
    }

    // A73.
    #[test]
    fn no_statement_lives_elsewhere() {
        let others = [
            include_str!("sqlite/mod.rs"),
            include_str!("sqlite/apply.rs"),
            include_str!("sqlite/failure.rs"),
            include_str!("sqlite/open.rs"),
            include_str!("sqlite/readers.rs"),
            include_str!("sqlite/rows.rs"),
            include_str!("sqlite/schema.rs"),
            include_str!("sqlite/writer.rs"),
            include_str!("postgres/address.rs"),
            include_str!("postgres/commit.rs"),
            include_str!("postgres/failure.rs"),
            include_str!("postgres/mod.rs"),
            include_str!("postgres/receipt.rs"),
            include_str!("postgres/rows.rs"),
            include_str!("postgres/schema.rs"),
            include_str!("postgres/server.rs"),
        ];
        for source in others {
            for verb in ["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM "] {
                assert!(!source.contains(verb), "{verb}");
            }
        }
    }

    // A73: even the longest list stays within its organization, since conditions are only ever added with AND.
    #[test]
    fn a_filter_narrows_the_list_of_one_organization() {
        let sql = accounts(2, true);
        let narrowed = sql.strip_prefix(ACCOUNTS).unwrap();
        assert_eq!(narrowed, " AND connection_id IN (?, ?) AND identifier = ? ORDER BY id LIMIT ?");
        assert_eq!(accounts(0, false).strip_prefix(ACCOUNTS), Some(" ORDER BY id LIMIT ?"));
    }
}
