"""Memory: one heap for all threads; after the start what was built stays out of garbage collections, what was freed goes back
to the system."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_ARENAS = -8
"""M_ARENA_MAX of glibc's malloc.h."""


def share_heap() -> None:
    """Let all threads take memory from one heap, before there are any. With one of their own (glibc's way), what a thread frees
    is of no use to the others: long columns are asked of the system again and again, a quarter more memory at the peak."""
    _glibc("mallopt", _ARENAS, 1)


def settle() -> None:
    """Freeze what lives now (`gc.freeze`), and let glibc return its free pages: warm-up needs far more than the run does."""
    gc.collect()
    gc.freeze()
    _glibc("malloc_trim", 0)


def _glibc(name: str, *values: int) -> None:
    """Call a function of the C library that not every one has; without it nothing happens."""
    with suppress(AttributeError, OSError, TypeError):
        getattr(ctypes.CDLL(None), name)(*values)
