-- "Some part of the value is above b" is answered by where values begin, which is indexed,
-- except for those that are wide: they are few, and have an index by where they end.
CREATE INDEX date_entry_wide ON date_entry (tenant, slot, high) WHERE high > low + 86400000000;
CREATE INDEX quantity_entry_wide ON quantity_entry (tenant, slot, high) WHERE high > low;
