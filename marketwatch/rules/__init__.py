"""The rule language: one line of text that is true, false or unknown for a symbol at a moment.

``volatility(60) > 0.5 and drawdown(1h) < -2%``, ``change(5m) <= -3 for 30s``, ``rsi(14, 1m) < 30``.

- Numbers; durations `500ms 30s 5m 1h 1d 1w`; per cent `2%`; symbols in quotes; `+ - * /`; `< <= > >= == !=`, also in chains
  (`0 < x < 5`); `and`, `or`, `not`; parentheses; `abs`, `min`, `max`; names and calls from the `catalogue`, in any case.
- Metrics that are per cent (change, volatility, drawdown ...) count in per cent: `change(5m) < -3` and `change(5m) < -3%`
  are the same. A written per cent goes only with such metrics: `buy_ratio(5m) > 60%` is refused (write 0.6), because it could
  be read as 60 or 0.6. A duration goes only with durations: `data_age > 10s`.
- A window is a count of samples (`60`) or a duration (`5m`). A quoted symbol as first argument takes the term from that symbol.
- `for 30s` behind the expression says how long it has to hold; it is answered beside the expression.
- `name(parameters, interval)` is an indicator over closed candles: `ema(20, 1m)`, `macd(12, 26, 9, 5m).macdsignal`. It changes
  when a candle closes.
- Unknown is neither true nor false (Kleene): `unknown and false` is false, `unknown or true` is true, everything else stays
  unknown. Terms are unknown while they warm up, without data, and after a division by zero.
"""
