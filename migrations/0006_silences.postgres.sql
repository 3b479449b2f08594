-- The twin of 0006_silences.sqlite.sql: who is not to be told of what and until when, and how far a notice has come.
CREATE TABLE silences (
  silence_id text NOT NULL PRIMARY KEY,
  rule_id text NOT NULL,
  symbol text NOT NULL,
  severity text NOT NULL,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  comment text NOT NULL,
  who text NOT NULL,
  created_at timestamptz NOT NULL,
  ended_at timestamptz,
  remind boolean NOT NULL
);
CREATE INDEX silences_end ON silences (ends_at, silence_id);
ALTER TABLE outbox ADD COLUMN due_at timestamptz;
ALTER TABLE outbox ADD COLUMN sent_at timestamptz;
CREATE INDEX outbox_time ON outbox (created_at, notification_id);
CREATE INDEX outbox_alert ON outbox (alert_id);
