-- A deleted screen can be brought back, and gives its name free. used_at: when its owner looked at it last.
ALTER TABLE screens ADD COLUMN deleted_at INTEGER;
ALTER TABLE screens ADD COLUMN used_at INTEGER;
DROP INDEX screens_name;
CREATE UNIQUE INDEX screens_name ON screens (owner_id, name_key) WHERE deleted_at IS NULL;
