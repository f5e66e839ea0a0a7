-- What was done, by whose word, and what came of it: each row in the commit of what it tells of.
--
-- A row is committed without a place in the chain, so that commits do not wait for each other. Soon after, whoever moves
-- the head gives those without one their numbers, and links each to the one before.

CREATE TABLE records (
    organization TEXT NOT NULL,
    id TEXT NOT NULL,
    action TEXT NOT NULL,
    facts TEXT NOT NULL,
    at BIGINT NOT NULL,
    number BIGINT,
    link BYTEA,
    mac BYTEA NOT NULL,
    PRIMARY KEY (organization, id)
);

CREATE UNIQUE INDEX records_by_number ON records (number) WHERE number IS NOT NULL;
CREATE INDEX records_of_organization ON records (organization, number) WHERE number IS NOT NULL;
-- Ids begin with the moment, so this is the order in which records were made.
CREATE INDEX records_without_number ON records (id) WHERE number IS NULL;

CREATE TABLE records_head (
    singleton BIGINT NOT NULL PRIMARY KEY CHECK (singleton = 1),
    number BIGINT NOT NULL,
    link BYTEA NOT NULL,
    version BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
