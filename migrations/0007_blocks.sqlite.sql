-- Finished hours of samples once more, packed column by column, for whoever looks at long spans. Made from samples by the
-- program and safe to delete. field -1 marks an hour that was amended and waits to be packed anew.
CREATE TABLE sample_blocks (
  symbol_id INTEGER NOT NULL,
  time INTEGER NOT NULL,
  field INTEGER NOT NULL,
  end_time INTEGER NOT NULL,
  data BLOB NOT NULL
);
CREATE UNIQUE INDEX sample_blocks_place ON sample_blocks (symbol_id, time, field);
CREATE INDEX sample_blocks_amended ON sample_blocks (time) WHERE field = -1;
