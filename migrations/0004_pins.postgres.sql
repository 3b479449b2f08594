-- The twin of 0004_pins.sqlite.sql: spans of samples and trades around alerts, which retention leaves alone.
CREATE TABLE pins (
  alert_id text NOT NULL,
  symbol text NOT NULL,
  from_time timestamptz NOT NULL,
  to_time timestamptz NOT NULL,
  PRIMARY KEY (alert_id, symbol)
);
