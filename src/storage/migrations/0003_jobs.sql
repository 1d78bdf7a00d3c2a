-- Work that outlives a request and a server: jobs under leases; the search parameters that
-- users add, with how far their index is; and the nodes, so that a job can know whether all
-- of them index what it is about. See src/jobs/mod.rs.

CREATE TABLE job (
    id text COLLATE "C" PRIMARY KEY,
    tenant integer NOT NULL,
    kind text NOT NULL,
    -- JSON; what is in it is the kind's own matter, and so is the cursor.
    parameters text NOT NULL,
    state text NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    -- Resources; the total is unknown until they are counted.
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    cursor text,
    -- Who works on it, and until when that is believed without another word.
    owner text,
    lease timestamptz,
    -- How often it was taken since it last got further.
    attempts smallint NOT NULL DEFAULT 0,
    error text,
    created timestamptz NOT NULL DEFAULT clock_timestamp(),
    started timestamptz,
    ended timestamptz
);
CREATE INDEX job_open ON job (created) WHERE state IN ('queued', 'running');

-- The custom search parameters that are live; the rows are derived from the stored
-- SearchParameters and agreed on by all nodes.
CREATE TABLE search_parameter (
    tenant integer NOT NULL,
    id text COLLATE "C" NOT NULL,
    -- The one in which it became what it is.
    generation bigint NOT NULL,
    -- The SearchParameter, as JSON.
    definition text NOT NULL,
    types smallint[] NOT NULL,
    -- The types whose resources are not all indexed by it yet.
    pending smallint[] NOT NULL,
    job text,
    PRIMARY KEY (tenant, id)
);

-- One row. The generation grows with each change of search_parameter; `reconciled` is the
-- count of writes of SearchParameters that its rows take into account.
CREATE TABLE search_generation (
    one boolean PRIMARY KEY DEFAULT TRUE CHECK (one),
    generation bigint NOT NULL,
    reconciled bigint NOT NULL
);
INSERT INTO search_generation (generation, reconciled) VALUES (0, 0);

-- The processes that write, each with the generation that all of its writes know.
CREATE TABLE node (
    id text COLLATE "C" PRIMARY KEY,
    generation bigint NOT NULL,
    -- The transaction in which it said so: writes that did not know are older.
    xact bigint NOT NULL,
    seen timestamptz NOT NULL
);
