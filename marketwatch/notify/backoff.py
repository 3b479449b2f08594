"""How long to wait before the next attempt."""

from __future__ import annotations

import random

FIRST_S = 2.0
LONGEST_S = 900.0


def pause_s(attempts: int, rng: random.Random) -> float:
    """Seconds after the `attempts`-th failure: doubles from 2 s up to 15 min, of which a random half to all of it."""
    full = min(FIRST_S * 2.0 ** min(attempts - 1, 30), LONGEST_S)
    return full * rng.uniform(0.5, 1.0)
