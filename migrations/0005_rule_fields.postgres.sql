-- The twin of 0005_rule_fields.sqlite.sql: when a rule may speak, whether it looks into open candles, what to do when it fires,
-- and until when nobody is told. muted_until belongs to the rule, not to the version: the row of the newest version holds it.
ALTER TABLE alert_rules ADD COLUMN schedule text;
ALTER TABLE alert_rules ADD COLUMN intrabar boolean NOT NULL DEFAULT false;
ALTER TABLE alert_rules ADD COLUMN note text NOT NULL DEFAULT '';
ALTER TABLE alert_rules ADD COLUMN muted_until timestamptz;
