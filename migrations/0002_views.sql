-- What other programs may read: the symbol as text, and every column filled in.
CREATE VIEW market_events AS
SELECT s.time, y.symbol, s.price, s.volume,
  COALESCE(s.open, s.price) AS open, COALESCE(s.high, s.price) AS high, COALESCE(s.low, s.price) AS low,
  COALESCE(s.notional, s.price * s.volume) AS notional,
  COALESCE(s.taker_buy_volume, s.volume) AS taker_buy_volume,
  s.trades, s.bid, s.ask, s.first_id, s.last_id, s.gap, s.sample_ms
FROM samples s JOIN symbols y ON y.symbol_id = s.symbol_id;
CREATE VIEW trades AS
SELECT p.time, y.symbol, p.trade_id, p.price, p.quantity, p.trade_value, p.is_buyer_maker, p.is_whale AS is_whale_trade, p.trades
FROM prints p JOIN symbols y ON y.symbol_id = p.symbol_id;
CREATE VIEW candles AS
SELECT b.time, y.symbol, b.interval, b.open, b.high, b.low, b.close, b.volume, b.quote_volume, b.trades, b.taker_buy_volume, b.gap
FROM bars b JOIN symbols y ON y.symbol_id = b.symbol_id;
