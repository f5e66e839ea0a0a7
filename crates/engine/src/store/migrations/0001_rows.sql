-- The first schema: one text for SQLite and PostgreSQL.
--
-- The types are those that both accept. SQLite gives TEXT and BIGINT columns the affinity of their name, and BYTEA and
-- BOOLEAN that of numbers, which leaves blobs and the integers 0 and 1 as they are. Its STRICT tables know none of the
-- three; a value of another type is refused when it is read. NOT NULL is said of keys too: SQLite lets a TEXT key be
-- null otherwise.

CREATE TABLE store (
    singleton BIGINT NOT NULL PRIMARY KEY CHECK (singleton = 1),
    store_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key_check BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE data_keys (
    organization TEXT NOT NULL,
    id BYTEA NOT NULL,
    wrapped BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (organization, id)
);

CREATE TABLE connections (
    organization TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    connector TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    config TEXT NOT NULL,
    secrets BYTEA,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    PRIMARY KEY (organization, id),
    UNIQUE (organization, name)
);

CREATE TABLE accounts (
    organization TEXT NOT NULL,
    id TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    identifier TEXT NOT NULL,
    status TEXT NOT NULL,
    facts TEXT NOT NULL,
    expires_at BIGINT,
    refresh_at BIGINT,
    credential BYTEA,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    PRIMARY KEY (organization, id),
    UNIQUE (organization, connection_id, identifier),
    FOREIGN KEY (organization, connection_id) REFERENCES connections (organization, id) ON DELETE CASCADE
);

CREATE INDEX accounts_by_refresh ON accounts (refresh_at) WHERE refresh_at IS NOT NULL;

-- The two filters of a list, each with the order of its pages.
CREATE INDEX accounts_by_connection ON accounts (organization, connection_id, id);
CREATE INDEX accounts_by_identifier ON accounts (organization, identifier, id);

CREATE TABLE flows (
    organization TEXT NOT NULL,
    id TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    status TEXT NOT NULL,
    link_hash BYTEA NOT NULL UNIQUE,
    state_hash BYTEA UNIQUE,
    nonce_hash BYTEA UNIQUE,
    facts TEXT NOT NULL,
    held BYTEA,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    PRIMARY KEY (organization, id),
    FOREIGN KEY (organization, account_id) REFERENCES accounts (organization, id) ON DELETE CASCADE
);

-- For the cascade, and for the count of an account's flows and its organization's.
CREATE INDEX flows_by_account ON flows (organization, account_id, expires_at);
CREATE INDEX flows_by_expiry ON flows (expires_at);
