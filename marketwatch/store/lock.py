"""At most one process writes a database or a spool file."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl


class WriterLock:
    """At most one process writes a database: an advisory lock on a file beside it, gone with the process that held it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    @property
    def held(self) -> bool:
        return self._handle is not None

    def acquire(self) -> bool:
        """Take the lock without waiting; False when another process has it."""
        if self._handle is not None:
            return True
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if sys.platform != "win32":
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(handle, 0)
            os.write(handle, str(os.getpid()).encode())
        except BlockingIOError:
            os.close(handle)
            return False
        except OSError:
            os.close(handle)
            raise
        self._handle = handle
        return True

    def owner(self) -> str:
        """The process id that the holder wrote down, "?" when unknown."""
        with suppress(OSError, UnicodeDecodeError):
            return self.path.read_text("ascii").strip() or "?"
        return "?"

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
