-- The whole of storage: the current version of each resource with what searches need of it,
-- and the superseded versions. `tenant` leads every key: isolation today, the distribution
-- column of a sharded PostgreSQL tomorrow.

-- The numbers under which types are stored; a type never changes its number.
CREATE TABLE resource_type (
    number smallint PRIMARY KEY,
    name text NOT NULL UNIQUE
);

-- One row per resource that was ever written. A deleted one keeps its row without a body,
-- so that a read answers 410 and a later update continues its versions.
CREATE TABLE resource (
    tenant integer NOT NULL,
    version integer NOT NULL,
    -- XXH3 of "Type/id": what references and index rows name it by.
    key bigint NOT NULL,
    -- The feed position: the writing transaction (never below that of the version before).
    xact bigint NOT NULL,
    last_updated timestamptz NOT NULL,
    -- Which parameters of entries have a value, a bit each: see src/search/registry.rs.
    present bigint NOT NULL,
    type smallint NOT NULL,
    -- 1 POST, 2 PUT, 3 DELETE, 4 PATCH
    method smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    -- Hashes of values XOR seeds of slots: see src/search/index.rs.
    entries bigint[] NOT NULL,
    -- The JSON as it is served; NULL where deleted.
    body text,
    PRIMARY KEY (tenant, type, key)
);
-- Without the key: what one transaction wrote has equal values here, which a B-tree keeps
-- once; a page sorts the few that are equal by itself.
CREATE INDEX resource_last_updated ON resource (tenant, type, last_updated);
CREATE INDEX resource_feed ON resource (tenant, xact);
CREATE INDEX resource_entries ON resource USING gin (entries) WITH (fastupdate = on, gin_pending_list_limit = 256);
ALTER TABLE resource ALTER COLUMN entries SET STATISTICS 1000;

-- Superseded versions: written once, never changed.
CREATE TABLE history (
    tenant integer NOT NULL,
    version integer NOT NULL,
    key bigint NOT NULL,
    xact bigint NOT NULL,
    last_updated timestamptz NOT NULL,
    type smallint NOT NULL,
    method smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    body text,
    PRIMARY KEY (tenant, type, key, version)
);
CREATE INDEX history_last_updated ON history (tenant, type, last_updated);
CREATE INDEX history_feed ON history (tenant, xact);

-- Values with an order, one row each; `slot` is a parameter on a type.
CREATE TABLE date_entry (
    tenant integer NOT NULL,
    slot integer NOT NULL,
    key bigint NOT NULL,
    -- Microseconds since 1970, half open; the extremes of bigint stand for "open".
    low bigint NOT NULL,
    high bigint NOT NULL
);
CREATE INDEX date_entry_value ON date_entry (tenant, slot, low, key);
CREATE INDEX date_entry_key ON date_entry (tenant, key);

CREATE TABLE string_entry (
    tenant integer NOT NULL,
    slot integer NOT NULL,
    key bigint NOT NULL,
    -- Normalised, its first 200 characters; all of it in `whole` where it is longer.
    value text COLLATE "C" NOT NULL,
    whole text COLLATE "C",
    exact text COLLATE "C" NOT NULL
);
CREATE INDEX string_entry_value ON string_entry (tenant, slot, value, key);
CREATE INDEX string_entry_key ON string_entry (tenant, key);

CREATE TABLE quantity_entry (
    tenant integer NOT NULL,
    slot integer NOT NULL,
    key bigint NOT NULL,
    unit bigint NOT NULL,
    code bigint NOT NULL,
    label bigint NOT NULL,
    low numeric NOT NULL,
    high numeric NOT NULL
);
CREATE INDEX quantity_entry_value ON quantity_entry (tenant, slot, low, key);
CREATE INDEX quantity_entry_key ON quantity_entry (tenant, key);

-- For people with SQL: what is current, under its own names.
CREATE VIEW fhir AS
SELECT r.tenant, t.name AS type, r.id, r.version, r.last_updated, r.body::json AS body
FROM resource r JOIN resource_type t ON t.number = r.type
WHERE r.body IS NOT NULL;
