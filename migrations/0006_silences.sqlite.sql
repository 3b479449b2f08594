-- Who is not to be told of what and until when, and how far a notice has come: when its next attempt is due, when it was sent.
CREATE TABLE silences (
  silence_id TEXT NOT NULL PRIMARY KEY,
  rule_id TEXT NOT NULL,
  symbol TEXT NOT NULL,
  severity TEXT NOT NULL,
  starts_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL,
  comment TEXT NOT NULL,
  who TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  ended_at INTEGER,
  remind INTEGER NOT NULL
);
CREATE INDEX silences_end ON silences (ends_at, silence_id);
ALTER TABLE outbox ADD COLUMN due_at INTEGER;
ALTER TABLE outbox ADD COLUMN sent_at INTEGER;
CREATE INDEX outbox_time ON outbox (created_at, notification_id);
CREATE INDEX outbox_alert ON outbox (alert_id);
