-- Rules that a person has deleted. Their versions stay in alert_rules; a row without a time was taken back.
CREATE TABLE rule_removals (
  rule_id TEXT NOT NULL PRIMARY KEY,
  removed_at INTEGER
) WITHOUT ROWID;
