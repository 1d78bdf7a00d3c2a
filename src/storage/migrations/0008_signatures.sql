-- A signature of the resource's entries beside each date: who walks along the dates for a code
-- passes over most resources of other codes in the index itself. Rows that were there before
-- have every bit, so that nobody passes over them; $reindex gives them theirs.
ALTER TABLE date_entry ADD COLUMN signature bigint NOT NULL DEFAULT -1;
DROP INDEX date_entry_value;
CREATE INDEX date_entry_value ON date_entry (tenant, slot, low, key) INCLUDE (signature);
