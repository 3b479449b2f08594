-- The twin of 0003_alerts.sqlite.sql: rules with all their versions, the episodes they raised, and who is to be told.
-- symbols and channels are JSON lists, context is a JSON object. Durations are milliseconds.
CREATE TABLE alert_rules (
  rule_id text NOT NULL,
  version integer NOT NULL,
  name text NOT NULL,
  expression text NOT NULL,
  symbols json NOT NULL,
  for_ms bigint NOT NULL,
  recover text,
  keep_firing_ms bigint NOT NULL,
  cooldown_ms bigint NOT NULL,
  repeat_ms bigint,
  severity text NOT NULL,
  channels json NOT NULL,
  enabled boolean NOT NULL,
  expires_at timestamptz,
  origin text NOT NULL,
  PRIMARY KEY (rule_id, version)
);
CREATE TABLE alerts (
  alert_id text NOT NULL PRIMARY KEY,
  rule_id text NOT NULL,
  rule_version integer NOT NULL,
  rule_name text NOT NULL,
  symbol text NOT NULL,
  metric text NOT NULL,
  threshold float8,
  timestamp timestamptz NOT NULL,
  trigger_value float8,
  state text NOT NULL,
  resolved_at timestamptz,
  severity text NOT NULL,
  late boolean NOT NULL,
  acknowledged_at timestamptz,
  context json NOT NULL
);
CREATE INDEX alerts_time ON alerts (timestamp, alert_id);
CREATE INDEX alerts_active ON alerts (state) WHERE state <> 'resolved';
CREATE TABLE outbox (
  notification_id text NOT NULL PRIMARY KEY,
  alert_id text NOT NULL,
  channel text NOT NULL,
  kind text NOT NULL,
  state text NOT NULL,
  attempts integer NOT NULL,
  created_at timestamptz NOT NULL,
  last_error text
);
CREATE INDEX outbox_waiting ON outbox (created_at, notification_id) WHERE state = 'waiting';
