-- What was just written stands in a list of the index of entries until that is as long as this, and
-- each look into the index reads the whole list. A quarter of the length spares nearly all of
-- that, and costs who writes nothing that could be measured: see Decisions in src/storage/mod.rs.
ALTER INDEX resource_entries SET (gin_pending_list_limit = 64);
ALTER INDEX contained_entries SET (gin_pending_list_limit = 64);
