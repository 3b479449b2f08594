"""Alerting of one session: rules file and a person's own rules, the lookout, and what it remembers over a restart."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import orjson

from ..bus import Publish
from ..clock import Clock
from ..config import Settings
from ..errors import StoreError
from ..model.alerts import Alert, Alerts, AlertState, Rule
from ..model.market import Source
from ..model.silences import Silences
from ..model.system import Level, Notice
from ..ports import MarketStore
from ..watch import Watch
from .lookout import Lookout
from .rule_desk import RuleDesk
from .rulebook import Rulebook
from .snapshot import active_ids, restore, snapshot

_SAVE_S = 5.0
_MOST_BYTES = 100_000_000
_MOST_ALERTS = 5000
_KEY = "alert-memory"


class Alerting:
    """`await begin()` before the feed runs, `run()` as a task, `await aclose()` after the feed has ended.

    A live watch goes on where the last one of the same venue ended (`alerts-<venue>.json` in the data directory, written every
    five seconds and at the end); demo and recordings begin anew.
    """

    def __init__(self, *, watch: Watch, store: MarketStore, settings: Settings, clock: Clock, desk: RuleDesk) -> None:
        self.lookout = Lookout(watch=watch, sample_ms=settings.sample_ms)
        self._watch = watch
        self._store = store
        self._clock = clock
        self._path = settings.rules_file
        self._memory = Memory(settings.data_dir / f"alerts-{watch.venue}.json") if watch.source is Source.LIVE else None
        self._publish: Publish = watch.bus.publish
        self.rulebook: Rulebook | None = None
        self._desk = desk

    async def begin(self) -> None:
        """Put rules in force and take up what was going on."""
        known: list[Rule] = []
        try:
            known = await self._store.rules()
        except StoreError as error:
            self._warn(f"The stored rules cannot be read, only those of the rules file are in force: {error}")
        await self._take_silences()
        await self._desk.begin(self._publish)
        self.rulebook = Rulebook(
            path=self._path,
            clock=self._clock,
            publish=self._publish,
            on_change=self._desk.take_file,
            known=known,
            current=lambda: self._watch.state.rules,
        )
        await self.rulebook.refresh()
        if not self.rulebook.rules:
            self._desk.take_file([])
        await self._restore()

    async def _take_silences(self) -> None:
        try:
            self._publish(Silences(await self._store.silences()))
        except StoreError as error:
            self._warn(f"The stored silences cannot be read, so people are told of what they had silenced: {error}")

    async def run(self) -> None:
        """Look after the rules file, and save what is going on, until cancelled."""
        assert self.rulebook is not None
        async with asyncio.TaskGroup() as group:
            group.create_task(self.rulebook.run(), name="rules file")
            if self._memory is not None:
                group.create_task(self._save_often(), name="alert memory")

    async def aclose(self) -> None:
        """Save for the next start."""
        if self.rulebook is not None:
            await self.save()

    async def _restore(self) -> None:
        if self._memory is None:
            return
        saved: dict[str, Any] | None = None
        try:
            loaded = await asyncio.to_thread(self._memory.load)
            active_ids(loaded)
            saved = loaded
        except ValueError as error:
            self._warn(f"What was pending is forgotten: {error}")
        found = await self._restored(saved)
        if found is not None:
            self._publish(found)
        standing = self.lookout.evaluator.shown()
        if standing:
            self._publish(Alerts(self.lookout.evaluator.machine.time_ms, standing, []))

    async def _restored(self, saved: dict[str, Any] | None) -> Alerts | None:
        evaluator = self.lookout.evaluator
        try:
            stored = await self._stored(saved)
        except StoreError as error:
            self._warn(f"The stored alerts cannot be read, only what was saved beside them goes on: {error}")
            return restore(evaluator, saved)
        try:
            return restore(evaluator, saved, stored)
        except ValueError as error:
            self._warn(f"What was pending is forgotten: {error}")
            return restore(evaluator, None, stored)

    async def _stored(self, saved: dict[str, Any] | None) -> list[Alert]:
        """What the store knows of the active alerts of a snapshot, and its own active ones."""
        found: dict[str, Alert] = {}
        for state in (AlertState.PENDING, AlertState.FIRING, AlertState.RECOVERING):
            found |= {alert.alert_id: alert for alert in await self._store.alerts(state=state, limit=_MOST_ALERTS)}
        for key in active_ids(saved):
            if key not in found and (alert := await self._store.alert(key)) is not None:
                found[key] = alert
        return list(found.values())

    async def _save_often(self) -> None:
        while True:
            await self._clock.sleep(_SAVE_S)
            await self.save()

    async def save(self) -> None:
        if self._memory is None:
            return
        state = self._watch.state
        try:
            await asyncio.to_thread(self._memory.save, orjson.dumps(snapshot(self.lookout.evaluator)))
        except OSError as error:
            self._warn(f"What the alerts remember cannot be saved to {self._memory.path}: {error.strerror or error}.")
        else:
            if _KEY in state.notices:
                self._publish(
                    Notice(_KEY, Level.INFO, "The memory of the alerts is saved again.", self._clock.now_ms(), over=True)
                )

    def _warn(self, message: str) -> None:
        self._publish(Notice(_KEY, Level.WARNING, message, self._clock.now_ms()))


class Memory:
    """One JSON file, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[str, Any] | None:
        """What was saved, None where nothing was. Raises ValueError for what cannot be read."""
        try:
            if self.path.stat().st_size > _MOST_BYTES:
                raise ValueError(f"{self.path} is too large to be the memory of the alerts.")
            found = orjson.loads(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ValueError(f"{self.path} cannot be read: {error.strerror or error}.") from None
        if not isinstance(found, dict):
            raise ValueError(f"{self.path} does not hold the memory of the alerts.")
        return found

    def save(self, data: bytes) -> None:
        """Replace the file; a crash leaves the old one or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".json.new")
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
