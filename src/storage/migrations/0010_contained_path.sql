-- Where a contained resource stands in the body of its container, {contained,0}, so that conditions
-- on its text can read it there. Rows that were there before have none, as if they had no text;
-- $reindex gives them theirs.
ALTER TABLE contained ADD COLUMN path text;
