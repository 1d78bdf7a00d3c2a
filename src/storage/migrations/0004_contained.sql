-- What searches need of contained resources. The container holds their text: a row is written and
-- removed with it. Resources that were stored before have none until they are indexed anew.
CREATE TABLE contained (
    tenant integer NOT NULL,
    type smallint NOT NULL,
    container_type smallint NOT NULL,
    -- XXH3 of "Type/id#local": of the same space as resource.key.
    key bigint NOT NULL,
    container_key bigint NOT NULL,
    -- As in resource.
    present bigint NOT NULL,
    entries bigint[] NOT NULL,
    PRIMARY KEY (tenant, type, key)
);
CREATE INDEX contained_entries ON contained USING gin (entries) WITH (fastupdate = on, gin_pending_list_limit = 256);
