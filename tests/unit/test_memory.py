"""The heap of a process of many threads, as glibc describes it."""

from __future__ import annotations

import ctypes
import subprocess
import sys

from tests.kit.ci import missing

_MANY_THREADS = """
import ctypes, threading
from marketwatch.memory import settle, share_heap
if {shared}:
    share_heap()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
all_there = threading.Barrier(4)
def take():
    all_there.wait()
    libc.malloc(100_000)
    all_there.wait()
threads = [threading.Thread(target=take) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
settle()
libc.malloc_stats()
"""


def arenas(*, shared: bool) -> int:
    script = _MANY_THREADS.format(shared=shared)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return ended.stderr.count("Arena ")


def test_threads_take_their_memory_from_one_heap() -> None:
    if not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"):
        missing("Threads have heaps of their own with glibc alone.")
    assert arenas(shared=False) > 1
    assert arenas(shared=True) == 1
