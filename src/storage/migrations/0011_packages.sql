-- FHIR packages that were installed, and which of the stored resources came with them: so that
-- one is known again, and others can tell what they stand on. See src/operation/install_package.rs.
CREATE TABLE package (
    tenant integer NOT NULL,
    name text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    -- SHA-256 of what is in it, in hexadecimal.
    hash text NOT NULL,
    title text,
    -- What it needs, name and version each; whether that is there is asked anew each time.
    needs text[] NOT NULL,
    wanted text[] NOT NULL,
    installed timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, name, version)
);

CREATE TABLE package_resource (
    tenant integer NOT NULL,
    name text COLLATE "C" NOT NULL,
    package_version text COLLATE "C" NOT NULL,
    type smallint NOT NULL,
    -- Its id here, and that in the package.
    id text COLLATE "C" NOT NULL,
    own_id text COLLATE "C" NOT NULL,
    -- The key and version under which it was stored; a later version is somebody's change.
    key bigint NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (tenant, name, package_version, type, id),
    FOREIGN KEY (tenant, name, package_version)
        REFERENCES package (tenant, name, version) ON DELETE CASCADE
);
CREATE INDEX package_resource_key ON package_resource (tenant, type, key);
