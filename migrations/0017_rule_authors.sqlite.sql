-- Who wrote a rule: terms of one's own money are about this person's portfolios.
ALTER TABLE alert_rules ADD COLUMN owner_id TEXT NOT NULL DEFAULT 'owner';
