"""One-second candles are not stored: they are counted from the stored samples when somebody asks for them."""

from __future__ import annotations

import numpy as np

from ..model.market import Candle
from ..ports import SampleColumns


def second_candles(samples: SampleColumns) -> list[Candle]:
    """The candles of the seconds that have a stored sample with a price, oldest first. Other seconds are left out."""
    known = ~np.isnan(samples.price)
    if not known.any():
        return []
    second = samples.time_ms[known] // 1000 * 1000
    starts = np.flatnonzero(np.append(True, second[1:] != second[:-1]))
    ends = np.append(starts[1:], second.size) - 1
    columns = (
        second[starts],
        samples.open[known][starts],
        np.maximum.reduceat(samples.high[known], starts),
        np.minimum.reduceat(samples.low[known], starts),
        samples.price[known][ends],
        np.add.reduceat(samples.volume[known], starts),
        np.add.reduceat(samples.notional[known], starts),
        np.add.reduceat(samples.trades[known], starts),
        np.add.reduceat(samples.taker_buy_volume[known], starts),
    )
    gaps = np.logical_or.reduceat(samples.gap[known], starts).tolist()
    listed = zip(*(column.tolist() for column in columns), gaps, strict=True)
    return [Candle(samples.symbol, "1s", *row, True, gap) for *row, gap in listed]  # type: ignore[call-arg]
