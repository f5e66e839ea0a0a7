//! PostgreSQL's own statements, beside those that it shares with SQLite ([`crate::store::sql`]). Each that touches rows
//! names the organization.

pub(super) use crate::store::sql::*;

pub(super) const BEGIN: &str = "BEGIN";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";

/// Until the transaction ends: the tables' schema, the organization, and the way across organizations. What is temporary
/// comes last, so that nobody's table of that kind stands in for one of ours.
pub(super) const SCOPE: &str = "SELECT set_config('search_path', ?1 || ', pg_temp', true),
        set_config('onbehalf.organization', ?2, true), set_config('onbehalf.across', ?3, true)";

/// Whether COMMIT waits for the disk. A server that waits for more than its own, such as a standby's, goes on doing so.
pub(super) const DURABILITY: &str = "SELECT set_config('synchronous_commit', CASE
        WHEN NOT ?1 THEN 'off'
        WHEN current_setting('synchronous_commit') = 'off' THEN 'on'
        ELSE current_setting('synchronous_commit') END, true)";

/// Conflicts are met where rows are read, too: what is required stays as it is until the end.
pub(super) const HOLD_CONNECTION: &str =
    "SELECT 1 FROM connections WHERE organization = ?1 AND id = ?2 AND version = ?3 FOR SHARE";

pub(super) const HOLD_KEY_SLOT: &str = "SELECT 1 FROM key_slots WHERE id = ?1 AND version = ?2 FOR SHARE";

/// Nobody adds an account to it until the end.
pub(super) const LOCK_CONNECTION: &str = "SELECT 1 FROM connections WHERE organization = ?1 AND id = ?2 FOR UPDATE";

pub(super) const HOLD_ACCOUNT: &str =
    "SELECT 1 FROM accounts WHERE organization = ?1 AND id = ?2 AND version = ?3 FOR NO KEY UPDATE";

pub(super) const HOLD_ANY_ACCOUNT: &str =
    "SELECT 1 FROM accounts WHERE organization = ?1 AND id = ?2 FOR NO KEY UPDATE";

/// A list of accounts: of these connections, or of all where there are none.
pub(super) const ACCOUNTS_OF: &str = "SELECT organization, id, connection_id, identifier, status, facts, expires_at,
        refresh_at, credential, created_at, updated_at, version, mac
    FROM accounts WHERE organization = ?1 AND id > ?2 AND connection_id = ANY (?3) ORDER BY id LIMIT ?4";

pub(super) const ACCOUNTS_OF_PERSON: &str =
    "SELECT organization, id, connection_id, identifier, status, facts, expires_at,
        refresh_at, credential, created_at, updated_at, version, mac
    FROM accounts WHERE organization = ?1 AND id > ?2 AND identifier = ?3 ORDER BY id LIMIT ?4";

pub(super) const ACCOUNTS_OF_PERSON_ON: &str =
    "SELECT organization, id, connection_id, identifier, status, facts, expires_at,
        refresh_at, credential, created_at, updated_at, version, mac
    FROM accounts WHERE organization = ?1 AND id > ?2 AND connection_id = ANY (?3) AND identifier = ?4
    ORDER BY id LIMIT ?5";

pub(super) const ALL_ACCOUNTS: &str = "SELECT organization, id, connection_id, identifier, status, facts, expires_at,
        refresh_at, credential, created_at, updated_at, version, mac
    FROM accounts WHERE organization = ?1 AND id > ?2 ORDER BY id LIMIT ?3";

/// The database's clock, in milliseconds.
pub(super) const NOW: &str = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// Which transactions have ended, as a number: another one after each commit.
pub(super) const SNAPSHOT: &str = "SELECT hashtextextended(pg_current_snapshot()::text, 0)";

/// What a transaction is known by, and on which line of the server's history: a standby that was promoted goes on with
/// another, where the same number may be somebody else's.
pub(super) const RECEIPT: &str =
    "SELECT pg_current_xact_id()::text, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";

/// What became of the transaction, where the history goes on: `committed`, `aborted` or `in progress`.
pub(super) const OUTCOME: &str = "SELECT CASE
        WHEN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) = ?2 THEN pg_xact_status(?1::xid8) END";

pub(super) const FIND_TABLE: &str = "SELECT to_regclass(?1) IS NOT NULL";

pub(super) const FIND_SCHEMA: &str = "SELECT to_regnamespace(?1) IS NOT NULL";

/// Until the transaction ends, one process changes the schema. The first number is onbehalf's.
pub(super) const LOCK_SCHEMA: &str = "SELECT pg_advisory_xact_lock(1868720230, hashtext(?1))";

pub(super) const CREATE_MIGRATIONS: &str =
    "CREATE TABLE IF NOT EXISTS migrations (version BIGINT NOT NULL PRIMARY KEY)";

pub(super) const SCHEMA_VERSION: &str = "SELECT coalesce(max(version), 0) FROM migrations";

pub(super) const INSERT_MIGRATION: &str = "INSERT INTO migrations (version) VALUES (?1)";

#[cfg(test)]
mod tests {
    use super::*;

    // A73.
    #[test]
    fn no_statement_on_a_tenants_table_forgets_the_organization() {
        let all = [HOLD_CONNECTION, LOCK_CONNECTION, HOLD_ACCOUNT, HOLD_ANY_ACCOUNT, ACCOUNTS_OF, ACCOUNTS_OF_PERSON];
        for sql in all.into_iter().chain([ACCOUNTS_OF_PERSON_ON, ALL_ACCOUNTS]) {
            assert!(sql.contains("WHERE organization = ?1"), "{sql}");
        }
        let own = include_str!("sql.rs").split("#[cfg(test)]").next().unwrap();
        let tables = ["accounts", "connections", "flows", "leases", "faults", "data_keys", "outbox"];
        let named = tables.map(|table| own.matches(&format!("FROM {table} ")).count()).iter().sum::<usize>();
        assert_eq!(named, own.matches("WHERE organization = ?1").count());
    }
}
