-- Spans of sample steps at which the rules of a symbol rested: `stale`, for it was quiet longer than is usual for it, or `gap`, for
-- its feed was down or trades were missing when the steps were first told. A span that is open went on at to_time.
CREATE TABLE quiet_spans (
  symbol TEXT NOT NULL,
  cause TEXT NOT NULL,
  from_time INTEGER NOT NULL,
  to_time INTEGER NOT NULL,
  is_open INTEGER NOT NULL,
  venue TEXT NOT NULL,
  PRIMARY KEY (symbol, from_time, cause)
) WITHOUT ROWID;
CREATE INDEX quiet_spans_from ON quiet_spans (from_time);
CREATE INDEX quiet_spans_open ON quiet_spans (from_time) WHERE is_open;
