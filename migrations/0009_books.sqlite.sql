-- Portfolios with their transactions, and watchlists. Amounts are decimal numbers as text, so that no digit is lost.
-- name_key is the name as names are compared; a deleted portfolio gives its name free.
CREATE TABLE portfolios (
  portfolio_id TEXT NOT NULL PRIMARY KEY,
  owner_id TEXT NOT NULL,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  base_currency TEXT NOT NULL,
  cost_method TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  deleted_at INTEGER
) WITHOUT ROWID;
CREATE UNIQUE INDEX portfolios_name ON portfolios (owner_id, name_key) WHERE deleted_at IS NULL;
CREATE TABLE portfolio_transactions (
  portfolio_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  coin TEXT NOT NULL,
  quantity TEXT NOT NULL,
  time INTEGER NOT NULL,
  price TEXT,
  currency TEXT NOT NULL,
  rate TEXT,
  fee TEXT NOT NULL,
  fee_currency TEXT NOT NULL,
  note TEXT NOT NULL,
  source TEXT NOT NULL,
  external_id TEXT,
  import_id TEXT,
  sequence INTEGER NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (portfolio_id, transaction_id)
) WITHOUT ROWID;
CREATE INDEX portfolio_transactions_time ON portfolio_transactions (portfolio_id, time, sequence);
CREATE UNIQUE INDEX portfolio_transactions_external ON portfolio_transactions (portfolio_id, source, external_id)
  WHERE external_id IS NOT NULL;
CREATE TABLE watchlists (
  watchlist_id TEXT NOT NULL PRIMARY KEY,
  owner_id TEXT NOT NULL,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  position INTEGER NOT NULL,
  version INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX watchlists_name ON watchlists (owner_id, name_key);
CREATE TABLE watchlist_items (
  watchlist_id TEXT NOT NULL,
  symbol TEXT NOT NULL,
  position INTEGER NOT NULL,
  note TEXT NOT NULL,
  PRIMARY KEY (watchlist_id, symbol)
) WITHOUT ROWID;
