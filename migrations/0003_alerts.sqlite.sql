-- Rules with all their versions, the episodes they raised, and who is to be told (written in the episode's own transaction).
-- symbols and channels are JSON lists, context is a JSON object. Durations are milliseconds.
CREATE TABLE alert_rules (
  rule_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  expression TEXT NOT NULL,
  symbols TEXT NOT NULL,
  for_ms INTEGER NOT NULL,
  recover TEXT,
  keep_firing_ms INTEGER NOT NULL,
  cooldown_ms INTEGER NOT NULL,
  repeat_ms INTEGER,
  severity TEXT NOT NULL,
  channels TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  expires_at INTEGER,
  origin TEXT NOT NULL,
  PRIMARY KEY (rule_id, version)
) WITHOUT ROWID;
CREATE TABLE alerts (
  alert_id TEXT NOT NULL PRIMARY KEY,
  rule_id TEXT NOT NULL,
  rule_version INTEGER NOT NULL,
  rule_name TEXT NOT NULL,
  symbol TEXT NOT NULL,
  metric TEXT NOT NULL,
  threshold REAL,
  timestamp INTEGER NOT NULL,
  trigger_value REAL,
  state TEXT NOT NULL,
  resolved_at INTEGER,
  severity TEXT NOT NULL,
  late INTEGER NOT NULL,
  acknowledged_at INTEGER,
  context TEXT NOT NULL
);
CREATE INDEX alerts_time ON alerts (timestamp, alert_id);
CREATE INDEX alerts_active ON alerts (state) WHERE state <> 'resolved';
CREATE TABLE outbox (
  notification_id TEXT NOT NULL PRIMARY KEY,
  alert_id TEXT NOT NULL,
  channel TEXT NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  last_error TEXT
);
CREATE INDEX outbox_waiting ON outbox (created_at, notification_id) WHERE state = 'waiting';
