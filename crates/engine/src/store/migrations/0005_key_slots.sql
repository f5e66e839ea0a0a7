-- The keys that a store opens with. It belongs to no organization.
--
-- A slot's id is its key's. `wrapped` is the root key, sealed under that one; it is NULL where the key is the root key, as
-- in every store that is older than this table.

CREATE TABLE key_slots (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    wrapped BYTEA,
    key_check BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);

INSERT INTO key_slots (id, kind, key_check, created_at, version)
    SELECT key_id, 'direct', key_check, created_at, 1 FROM store;
