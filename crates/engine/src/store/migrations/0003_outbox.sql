-- What a commit has left to be sent, until it is: a grant to be revoked.
--
-- A row outlives the connection and the account that it was sent for. `next_try` is NULL when it is over; the row is kept
-- for a while then, so that it can be seen what became of it.

CREATE TABLE outbox (
    organization TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    status TEXT NOT NULL,
    facts TEXT NOT NULL,
    held BYTEA,
    next_try BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    PRIMARY KEY (organization, id)
);

CREATE INDEX outbox_by_next_try ON outbox (kind, next_try, organization, id) WHERE next_try IS NOT NULL;
CREATE INDEX outbox_by_end ON outbox (updated_at) WHERE next_try IS NULL;
