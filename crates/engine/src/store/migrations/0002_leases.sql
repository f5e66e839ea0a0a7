-- Who may refresh an account, what is due of a connection, and whom a provider refuses.

-- `until` is on the store's clock. A row is there only while a request is, or may be, under way.
CREATE TABLE leases (
    organization TEXT NOT NULL,
    account_id TEXT NOT NULL,
    holder TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    until BIGINT NOT NULL,
    sent BOOLEAN NOT NULL,
    PRIMARY KEY (organization, account_id),
    FOREIGN KEY (organization, account_id) REFERENCES accounts (organization, id) ON DELETE CASCADE
);

CREATE TABLE faults (
    organization TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    connection_version BIGINT NOT NULL,
    error TEXT NOT NULL,
    since BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    next_try BIGINT NOT NULL,
    PRIMARY KEY (organization, connection_id),
    FOREIGN KEY (organization, connection_id) REFERENCES connections (organization, id) ON DELETE CASCADE
);

-- The earliest of each connection is one look away, however many accounts there are.
DROP INDEX accounts_by_refresh;
CREATE INDEX accounts_by_refresh ON accounts (organization, connection_id, refresh_at) WHERE refresh_at IS NOT NULL;
