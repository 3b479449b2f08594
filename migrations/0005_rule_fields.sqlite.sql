-- When a rule may speak, whether it looks into open candles, what to do when it fires, and until when nobody is told.
-- muted_until belongs to the rule, not to the version: the row of the newest version holds it.
ALTER TABLE alert_rules ADD COLUMN schedule TEXT;
ALTER TABLE alert_rules ADD COLUMN intrabar INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert_rules ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE alert_rules ADD COLUMN muted_until INTEGER;
