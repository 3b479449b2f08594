-- The twin of 0007_blocks.sqlite.sql: finished hours of samples once more, packed column by column.
CREATE TABLE sample_blocks (
  symbol_id integer NOT NULL,
  time timestamptz NOT NULL,
  field integer NOT NULL,
  end_time timestamptz NOT NULL,
  data bytea NOT NULL
);
ALTER TABLE sample_blocks ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX sample_blocks_place ON sample_blocks (symbol_id, time, field);
CREATE INDEX sample_blocks_amended ON sample_blocks (time) WHERE field = -1;
