-- Physical tables carry integer symbols; the views of 0002 show them as text. Times are milliseconds since the epoch, UTC.
-- In samples NULL stands for what follows from other columns: open, high, low = price; notional = price * volume;
-- taker_buy_volume = volume. price, bid and ask NULL are unknown.
CREATE TABLE symbols (
  symbol_id INTEGER PRIMARY KEY,
  symbol TEXT NOT NULL UNIQUE,
  base TEXT NOT NULL DEFAULT '',
  quote TEXT NOT NULL DEFAULT '',
  tick_size TEXT,
  lot_step TEXT,
  trading INTEGER NOT NULL DEFAULT 1,
  listed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE samples (
  symbol_id INTEGER NOT NULL,
  time INTEGER NOT NULL,
  sample_ms INTEGER NOT NULL,
  price REAL,
  open REAL,
  high REAL,
  low REAL,
  volume REAL,
  notional REAL,
  taker_buy_volume REAL,
  trades INTEGER NOT NULL,
  bid REAL,
  ask REAL,
  first_id INTEGER NOT NULL,
  last_id INTEGER NOT NULL,
  gap INTEGER NOT NULL,
  PRIMARY KEY (symbol_id, time)
) WITHOUT ROWID;
CREATE TABLE prints (
  symbol_id INTEGER NOT NULL,
  time INTEGER NOT NULL,
  trade_id INTEGER NOT NULL,
  price REAL NOT NULL,
  quantity REAL NOT NULL,
  is_buyer_maker INTEGER NOT NULL,
  trades INTEGER NOT NULL,
  trade_value REAL,
  is_whale INTEGER NOT NULL,
  PRIMARY KEY (symbol_id, time, trade_id)
) WITHOUT ROWID;
CREATE INDEX prints_whales ON prints (time, trade_id) WHERE is_whale;
CREATE TABLE bars (
  symbol_id INTEGER NOT NULL,
  interval TEXT NOT NULL,
  time INTEGER NOT NULL,
  open REAL,
  high REAL,
  low REAL,
  close REAL,
  volume REAL,
  quote_volume REAL,
  trades INTEGER NOT NULL,
  taker_buy_volume REAL,
  gap INTEGER NOT NULL,
  PRIMARY KEY (symbol_id, interval, time)
) WITHOUT ROWID;
CREATE TABLE gaps (
  gap_id TEXT NOT NULL PRIMARY KEY,
  venue TEXT NOT NULL,
  symbol TEXT NOT NULL,
  reason TEXT NOT NULL,
  state TEXT NOT NULL,
  from_time INTEGER NOT NULL,
  to_time INTEGER NOT NULL,
  from_id INTEGER,
  to_id INTEGER,
  refilled INTEGER NOT NULL
);
CREATE INDEX gaps_span ON gaps (to_time, from_time);
CREATE TABLE trade_aggregates (
  symbol TEXT NOT NULL PRIMARY KEY,
  moving_average REAL,
  trade_count INTEGER NOT NULL,
  total_volume REAL NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE TABLE metrics (
  symbol TEXT NOT NULL,
  metric_window TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  state INTEGER NOT NULL,
  price REAL,
  spread_bps REAL,
  sma REAL,
  ema REAL,
  wma REAL,
  vwap REAL,
  price_std REAL,
  volatility REAL,
  realized_vol REAL,
  drawdown REAL,
  max_drawdown REAL,
  change REAL,
  zscore REAL,
  high REAL,
  low REAL,
  volume REAL,
  trade_rate REAL,
  buy_ratio REAL,
  correlation REAL,
  beta REAL,
  PRIMARY KEY (symbol, metric_window)
);
