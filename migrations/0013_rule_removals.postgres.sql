-- The twin of 0013_rule_removals.sqlite.sql: rules that a person has deleted; a row without a time was taken back.
CREATE TABLE rule_removals (
  rule_id text NOT NULL PRIMARY KEY,
  removed_at timestamptz
);
