-- Code systems that are loaded from the files of their publishers (andiron terminology load):
-- too many concepts to be a resource. They belong to no tenant: they hold nothing of anybody.
-- What the columns are for is told in src/terminology/tables/mod.rs.

-- One row per version that is loaded whole: it is written last, with its concepts already in
-- place, so that nobody sees half a version.
CREATE TABLE code_system (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text NOT NULL,
    -- Empty where the source has none.
    version text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    language text,
    -- CodeSystem.content, caseSensitive, hierarchyMeaning
    content text NOT NULL,
    case_sensitive boolean NOT NULL,
    hierarchy_meaning text,
    concepts integer NOT NULL,
    inactive integer NOT NULL,
    -- What a canonical without a version means.
    is_default boolean NOT NULL,
    loaded timestamptz NOT NULL DEFAULT now(),
    UNIQUE (url, version)
);

-- A partition per code system, which is filled and indexed before it is attached.
CREATE TABLE concept (
    system integer NOT NULL,
    -- The place in the order of the source, from 0.
    number integer NOT NULL,
    -- How many concepts are below it.
    below integer NOT NULL,
    -- 1: inactive, 2: abstract
    flags smallint NOT NULL,
    code text COLLATE "C" NOT NULL,
    display text,
    definition text,
    -- Numbers of the concepts directly above, and of all that are above.
    parents integer[] NOT NULL,
    above integer[] NOT NULL,
    -- XXH3 of each property with its value, and of each property alone.
    keys bigint[] NOT NULL,
    -- The folded words of the code and of everything that it is called.
    words tsvector NOT NULL,
    -- CodeSystem.concept.designation and .property, as JSON arrays.
    designations text COMPRESSION lz4,
    properties text COMPRESSION lz4
) PARTITION BY LIST (system);
CREATE UNIQUE INDEX concept_number ON concept (system, number);
CREATE UNIQUE INDEX concept_code ON concept (system, code);
CREATE INDEX concept_parents ON concept USING gin (parents) WITH (fastupdate = off);
CREATE INDEX concept_above ON concept USING gin (above) WITH (fastupdate = off);
CREATE INDEX concept_keys ON concept USING gin (keys) WITH (fastupdate = off);
CREATE INDEX concept_words ON concept USING gin (words) WITH (fastupdate = off);

-- Tables of $closure: which concepts a client has named, and what is above what among them,
-- each with the version of the table in which it came.
CREATE TABLE closure (
    tenant integer NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (tenant, name)
);
CREATE TABLE closure_concept (
    tenant integer NOT NULL,
    name text NOT NULL,
    system text NOT NULL,
    code text NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (tenant, name, system, code)
);
CREATE TABLE closure_relation (
    tenant integer NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    system text NOT NULL,
    -- The narrower concept, and the one that subsumes it.
    source text NOT NULL,
    target text NOT NULL,
    PRIMARY KEY (tenant, name, version, system, source, target)
);
