"""The courier of one channel: takes waiting notices out, each at least once, and sums bursts up."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence

from ..bus import Publish
from ..clock import Clock
from ..model.alerts import Notification
from ..model.system import Level, Notice
from ..ports import MarketStore
from .backoff import pause_s
from .channel import Channel, DeliveryFailed, Message, Told
from .message import compose

_MINUTE_S = 60.0
_MOST_IN_DIGEST = 100
_EPISODE_AFTER = 3


class Courier:
    """`await deliver(notices)` with the waiting notices of the channel, oldest first; those that are not due stay.

    Before an attempt the attempt is committed, after it the outcome: a crash between the two leaves the notice waiting, so it
    goes out again under the same id. When the pauses end is kept in memory: a restart tries everything at once.
    """

    def __init__(
        self,
        *,
        channel: Channel,
        store: MarketStore,
        clock: Clock,
        publish: Publish,
        source: str,
        per_minute: int,
        most_attempts: int,
        rng: random.Random,
    ) -> None:
        self._channel = channel
        self._store = store
        self._clock = clock
        self._publish = publish
        self._source = source
        self._per_minute = per_minute
        self._most_attempts = most_attempts
        self._rng = rng
        self._due_s: dict[str, float] = {}
        self._outcomes: dict[str, Notification] = {}
        self._recent_s: deque[float] = deque()
        self._digest_s = float("-inf")
        self._failing = 0
        self.sent = self.failed = self.dead = 0
        self.last_error: str | None = None

    @property
    def failing(self) -> bool:
        """The last attempts have failed, and the person at the screen was told."""
        return self._failing >= _EPISODE_AFTER

    @property
    def lately(self) -> int:
        """Notices that went out one by one in the last minute."""
        self._age()
        return len(self._recent_s)

    def _age(self) -> None:
        now = self._clock.monotonic()
        while self._recent_s and now - self._recent_s[0] >= _MINUTE_S:
            self._recent_s.popleft()

    async def deliver(self, notices: Sequence[Notification]) -> None:
        """Try all that is due. Raises StoreError; outcomes that could not be committed are kept and committed next time."""
        await self._commit_outcomes()
        told = await self._due(notices)
        singles, rest = self._share_out(told)
        for one in singles:
            await self._attempt(compose([one], digest=False, source=self._source))
        if rest and self._clock.monotonic() - self._digest_s >= _MINUTE_S:
            self._digest_s = self._clock.monotonic()
            await self._attempt(compose(rest[:_MOST_IN_DIGEST], digest=True, source=self._source))

    async def try_out(self, message: Message) -> str | None:
        """Send one message at once; None when it was accepted, else why not. Counts for nothing."""
        try:
            await self._channel.send(message)
        except DeliveryFailed as failure:
            return str(failure)
        except Exception as error:
            return f"The channel {self._channel.name!r} failed: {type(error).__name__}."
        return None

    async def _due(self, notices: Sequence[Notification]) -> list[Told]:
        """Those whose pause is over, with their alerts."""
        now = self._clock.monotonic()
        waiting = {notice.notification_id for notice in notices}
        self._due_s = {name: due for name, due in self._due_s.items() if name in waiting}
        found = []
        for notice in notices:
            if self._due_s.get(notice.notification_id, now) > now:
                continue
            alert = await self._store.alert(notice.alert_id)
            if alert is None:
                await self._bury(notice, "The alert of this notice is not stored any more.")
            else:
                found.append(Told(notice, alert))
        return found

    def _share_out(self, told: Sequence[Told]) -> tuple[list[Told], list[Told]]:
        """(told one by one, summed up): late alerts and what is too much for a minute are summed up."""
        self._age()
        now = self._clock.monotonic()
        prompt = [one for one in told if not one.alert.late]
        room = max(0, self._per_minute - len(self._recent_s))
        singles = prompt[:room]
        self._recent_s.extend([now] * len(singles))
        rest = [one for one in told if one.alert.late] + prompt[room:]
        return singles, rest

    async def _attempt(self, message: Message) -> None:
        claimed = [one.notice._replace(attempts=one.notice.attempts + 1) for one in message.told]
        for notice in claimed:
            await self._store.mark_notice(notice)
        try:
            await self._channel.send(message)
        except DeliveryFailed as failure:
            self._fail(claimed, failure)
        except Exception as error:
            self._fail(claimed, DeliveryFailed(f"The channel {self._channel.name!r} failed: {type(error).__name__}."))
        else:
            self._succeed(claimed)
        await self._commit_outcomes()

    def _succeed(self, claimed: Sequence[Notification]) -> None:
        self.sent += len(claimed)
        for notice in claimed:
            self._outcomes[notice.notification_id] = notice._replace(
                state="sent", last_error=None, due_ms=None, sent_ms=self._clock.now_ms()
            )
        if self.failing:
            self._say(Level.INFO, f"The channel {self._channel.name!r} delivers again.", over=True)
        self._failing = 0
        self.last_error = None

    def _fail(self, claimed: Sequence[Notification], failure: DeliveryFailed) -> None:
        now, was_failing = self._clock.monotonic(), self.failing
        self.failed += 1
        self._failing += 1
        self.last_error = str(failure)
        for notice in claimed:
            dead = failure.for_good or notice.attempts >= self._most_attempts
            self.dead += dead
            self._failing = max(self._failing, _EPISODE_AFTER) if dead else self._failing
            pause = max(pause_s(notice.attempts, self._rng), failure.retry_after_s)
            self._due_s[notice.notification_id] = now + pause
            self._outcomes[notice.notification_id] = notice._replace(
                state="dead" if dead else "waiting",
                last_error=str(failure),
                due_ms=None if dead else self._clock.now_ms() + round(1000 * pause),
            )
        if self.failing and not was_failing:
            self._say(Level.WARNING, f"Notices by {self._channel.name!r} do not arrive: {failure}")

    async def _bury(self, notice: Notification, reason: str) -> None:
        self.dead += 1
        await self._store.mark_notice(notice._replace(state="dead", last_error=reason))

    async def _commit_outcomes(self) -> None:
        for name, notice in list(self._outcomes.items()):
            await self._store.mark_notice(notice)
            del self._outcomes[name]

    def _say(self, level: Level, message: str, *, over: bool = False) -> None:
        self._publish(Notice(f"notify-{self._channel.name}", level, message, self._clock.now_ms(), over=over))
