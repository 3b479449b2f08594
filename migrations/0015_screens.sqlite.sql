-- Saved screens; `shown` has the columns as they were written. name_key is the name as names are compared.
CREATE TABLE screens (
  screen_id TEXT NOT NULL PRIMARY KEY,
  owner_id TEXT NOT NULL,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  filter TEXT NOT NULL,
  shown TEXT NOT NULL,
  watchlist_id TEXT NOT NULL,
  sort TEXT NOT NULL,
  direction TEXT NOT NULL,
  position INTEGER NOT NULL,
  version INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX screens_name ON screens (owner_id, name_key);
