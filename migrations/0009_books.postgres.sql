-- The twin of 0009_books.sqlite.sql: portfolios with their transactions, and watchlists. Amounts are exact decimal numbers.
-- name_key is the name as names are compared; a deleted portfolio gives its name free.
CREATE TABLE portfolios (
  portfolio_id text NOT NULL PRIMARY KEY,
  owner_id text NOT NULL,
  name text NOT NULL,
  name_key text NOT NULL,
  base_currency text NOT NULL,
  cost_method text NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL,
  deleted_at timestamptz
);
CREATE UNIQUE INDEX portfolios_name ON portfolios (owner_id, name_key) WHERE deleted_at IS NULL;
CREATE TABLE portfolio_transactions (
  portfolio_id text NOT NULL,
  transaction_id text NOT NULL,
  kind text NOT NULL,
  coin text NOT NULL,
  quantity numeric NOT NULL,
  time timestamptz NOT NULL,
  price numeric,
  currency text NOT NULL,
  rate numeric,
  fee numeric NOT NULL,
  fee_currency text NOT NULL,
  note text NOT NULL,
  source text NOT NULL,
  external_id text,
  import_id text,
  sequence integer NOT NULL,
  version integer NOT NULL,
  PRIMARY KEY (portfolio_id, transaction_id)
);
CREATE INDEX portfolio_transactions_time ON portfolio_transactions (portfolio_id, time, sequence);
CREATE UNIQUE INDEX portfolio_transactions_external ON portfolio_transactions (portfolio_id, source, external_id)
  WHERE external_id IS NOT NULL;
CREATE TABLE watchlists (
  watchlist_id text NOT NULL PRIMARY KEY,
  owner_id text NOT NULL,
  name text NOT NULL,
  name_key text NOT NULL,
  position integer NOT NULL,
  version integer NOT NULL
);
CREATE UNIQUE INDEX watchlists_name ON watchlists (owner_id, name_key);
CREATE TABLE watchlist_items (
  watchlist_id text NOT NULL,
  symbol text NOT NULL,
  position integer NOT NULL,
  note text NOT NULL,
  PRIMARY KEY (watchlist_id, symbol)
);
