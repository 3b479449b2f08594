"""Owner of the background tasks: every task has a name, a death is noticed, and all of them end with their owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

DeathHook = Callable[[str, BaseException | None], None]


class Tasks:
    """Starts tasks, notices when one of them dies, cancels and awaits all at the end.

    A task that was started with `critical=True` must never end by itself: when it does, its name stands in `dead` with the
    reason, which turns /readyz red.
    """

    def __init__(self, *, on_death: DeathHook) -> None:
        self._running: dict[str, asyncio.Task[Any]] = {}
        self._on_death = on_death
        self._closing = False
        self.dead: dict[str, str] = {}

    def start(self, name: str, work: Coroutine[Any, Any, Any], *, critical: bool = True) -> asyncio.Task[Any]:
        """Run `work` under `name`; a finished task of the same name is replaced."""
        task = asyncio.create_task(work, name=name)
        self._running[name] = task
        self.dead.pop(name, None)
        task.add_done_callback(lambda done: self._ended(name, done, critical))
        return task

    def _ended(self, name: str, task: asyncio.Task[Any], critical: bool) -> None:
        if task.cancelled() or self._closing:
            return
        error = task.exception()
        if error is not None or critical:
            self.dead[name] = repr(error) if error is not None else "ended by itself"
            self._on_death(name, error)

    @property
    def names(self) -> list[str]:
        """Tasks that run now."""
        return [name for name, task in self._running.items() if not task.done()]

    async def stop(self, *names: str) -> None:
        """Cancel the named tasks and wait until they are gone."""
        tasks = [self._running.pop(name) for name in names if name in self._running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def aclose(self) -> None:
        """Cancel all, newest first, and wait."""
        self._closing = True
        await self.stop(*reversed(list(self._running)))
