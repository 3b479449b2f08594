-- The twin of 0015_screens.sqlite.sql: saved screens.
CREATE TABLE screens (
  screen_id text NOT NULL PRIMARY KEY,
  owner_id text NOT NULL,
  name text NOT NULL,
  name_key text NOT NULL,
  filter text NOT NULL,
  shown text NOT NULL,
  watchlist_id text NOT NULL,
  sort text NOT NULL,
  direction text NOT NULL,
  position integer NOT NULL,
  version integer NOT NULL
);
CREATE UNIQUE INDEX screens_name ON screens (owner_id, name_key);
