-- The twin of 0014_quiet.sqlite.sql: spans of sample steps at which the rules of a symbol rested.
CREATE TABLE quiet_spans (
  symbol text NOT NULL,
  cause text NOT NULL,
  from_time timestamptz NOT NULL,
  to_time timestamptz NOT NULL,
  is_open boolean NOT NULL,
  venue text NOT NULL,
  PRIMARY KEY (symbol, from_time, cause)
);
CREATE INDEX quiet_spans_from ON quiet_spans (from_time);
CREATE INDEX quiet_spans_open ON quiet_spans (from_time) WHERE is_open;
