-- What the nodes of a database share and nobody else may know. Made by the first node that needs
-- it, never sent anywhere.
CREATE TABLE secret (
    -- What it is for: cursors.
    name text PRIMARY KEY,
    value bytea NOT NULL
);
