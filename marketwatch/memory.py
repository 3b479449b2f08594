"""Memory after the start: what was built stays out of garbage collections, what was freed goes back to the system."""

from __future__ import annotations

import ctypes
import gc


def settle() -> None:
    """Freeze what lives now (`gc.freeze`), and let glibc return its free pages: warm-up needs far more than the run does."""
    gc.collect()
    gc.freeze()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library: nothing to give back
        return
    trim(0)
