"""The worker of the outbox: reads waiting notices from the store and hands them to the courier of their channel."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterable

from ..bus import Publish
from ..clock import Clock
from ..config import Settings
from ..errors import StoreError
from ..model.alerts import Notification
from ..model.market import Source
from ..model.system import DeliveryStatus, Level, Notice
from ..ports import MarketStore
from .channel import Channel
from .courier import Courier
from .endpoints import aliases, channels_of, remedy
from .message import trial

_LOOK_EVERY_S = 1.0
_MOST = 1000
_KEY = "notify-outbox"


class Outbox:
    """`run()` as a task: looks every second, one task for each channel, so that a slow one holds up nobody else.

    `muted`: why nothing leaves this program (an invented market nobody asked for); such notices are marked dead.
    """

    def __init__(
        self,
        *,
        store: MarketStore,
        settings: Settings,
        clock: Clock,
        publish: Publish,
        source: Source,
        channels: Iterable[Channel] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._publish = publish
        self._rng = rng or random.Random()
        self._muted = source is Source.DEMO and settings.feed == "auto"
        self.couriers = {
            channel.name: Courier(
                channel=channel,
                store=store,
                clock=clock,
                publish=publish,
                source=source.value,
                per_minute=settings.notify_per_minute,
                most_attempts=settings.notify_attempts,
                rng=self._rng,
            )
            for channel in (channels_of(settings, clock) if channels is None else channels)
        }
        self._aliases = aliases(settings)
        self._source = source
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._away = False
        self._status: DeliveryStatus | None = None
        self.undeliverable = 0

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                await self.look()
                await self._clock.sleep(_LOOK_EVERY_S)
        finally:
            await self._end()

    async def once(self) -> None:
        """Try what waits now, each notice once."""
        try:
            await self.look()
            await self.settled()
        finally:
            await self._end()

    async def _end(self) -> None:
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def look(self) -> None:
        """Read the outbox once and start the couriers that have something to do; does not wait for them."""
        if self._store.profile.read_only is not None:
            return
        try:
            await self._hand_out(await self._store.outbox(state="waiting", limit=_MOST))
        except StoreError as error:
            self._trouble(error)

    async def settled(self) -> None:
        """Wait until the couriers that are under way have ended."""
        await asyncio.gather(*self._busy.values())

    async def try_out(self, channel: str) -> str | None:
        """Send a notice that says it is a test, past the outbox; None when it was accepted, else why not."""
        courier = self.couriers.get(self._aliases.get(channel, channel))
        if courier is None:
            return f"{remedy(channel)}."
        return await courier.try_out(trial(channel, self._source.value, self._clock.now_ms()))

    async def _hand_out(self, waiting: list[Notification]) -> None:
        groups: dict[str, list[Notification]] = defaultdict(list)
        for notice in waiting:
            groups[self._aliases.get(notice.channel, notice.channel)].append(notice)
        for name, notices in groups.items():
            if name not in self.couriers or self._muted:
                await self._refuse(name, notices)
            elif name not in self._busy:
                task = asyncio.create_task(self._deliver(name, notices), name=f"notify:{name}")
                self._busy[name] = task
                task.add_done_callback(lambda _done, name=name: self._busy.pop(name))  # type: ignore[misc]
        self._tell(len(waiting))
        self._recovered()

    async def _deliver(self, name: str, notices: list[Notification]) -> None:
        try:
            await self.couriers[name].deliver(notices)
        except StoreError as error:
            self._trouble(error)

    async def _refuse(self, name: str, notices: list[Notification]) -> None:
        """Nobody will ever deliver these: say so once, and keep them as dead letters."""
        reason = f"{remedy(name)}."
        if self._muted:
            reason = "The demo market plays while no live one can be reached; its alerts do not leave this program."
        for notice in notices:
            await self._store.mark_notice(notice._replace(state="dead", last_error=reason))
        self.undeliverable += len(notices)
        self._publish(Notice(f"notify-{name}", Level.WARNING, reason, self._clock.now_ms()))

    def _tell(self, waiting: int) -> None:
        couriers = self.couriers
        status = DeliveryStatus(
            channels=tuple(couriers),
            waiting=waiting,
            sent=sum(one.sent for one in couriers.values()),
            failed=sum(one.failed for one in couriers.values()),
            dead=sum(one.dead for one in couriers.values()) + self.undeliverable,
            lately={name: one.lately for name, one in couriers.items()},
            failing={name: one.last_error or "" for name, one in couriers.items() if one.failing},
        )
        if status != self._status:
            self._status = status
            self._publish(status)

    def _trouble(self, error: StoreError) -> None:
        if not self._away:
            self._away = True
            message = f"Notices wait, their list cannot be read or written: {error}"
            self._publish(Notice(_KEY, Level.WARNING, message, self._clock.now_ms()))

    def _recovered(self) -> None:
        if self._away:
            self._away = False
            self._publish(Notice(_KEY, Level.INFO, "Notices are delivered again.", self._clock.now_ms(), over=True))
