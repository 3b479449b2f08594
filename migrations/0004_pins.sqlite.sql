-- Spans of samples and trades around alerts, which retention leaves alone.
CREATE TABLE pins (
  alert_id TEXT NOT NULL,
  symbol TEXT NOT NULL,
  from_time INTEGER NOT NULL,
  to_time INTEGER NOT NULL,
  PRIMARY KEY (alert_id, symbol)
) WITHOUT ROWID;
