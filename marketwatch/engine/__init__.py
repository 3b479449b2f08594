"""From trades to samples, windows, candles and metrics: columns over all symbols, event time, no `await`."""
