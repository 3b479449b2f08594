"""The states of an alert, told plainly: one rule, one symbol, one step after the other. What the machine is held against."""

from __future__ import annotations

from dataclasses import dataclass, field

from marketwatch.alerts.machine import Timing

TRUE, UNKNOWN, FALSE = 1, 0, -1


@dataclass
class PlainAlert:
    """One cell. `log`: (time, what happened). `recovers`: there is a recovery condition of its own."""

    timing: Timing
    recovers: bool
    step_ms: int
    state: str = "normal"
    since: int = 0
    told_ms: int | None = None
    told: int = 0
    due: int | None = None
    fired: list[int] = field(default_factory=list)
    log: list[tuple[int, str]] = field(default_factory=list)
    last_ms: int | None = None

    def step(self, now: int, truth: int, recovery: int) -> None:
        """`recovery`: the truth of the recovery condition."""
        if self.last_ms is not None and now - self.last_ms > self.step_ms:
            if self.state == "pending":
                self.state = "normal"
            self.since = now if self.state == "recovering" else self.since
        self.last_ms = now
        if self.state in ("firing", "recovering"):
            self._follow(now, truth, (recovery == TRUE and truth != TRUE) if self.recovers else truth == FALSE)
        elif truth != TRUE:
            self.state = "normal"
        else:
            self._wait(now)
        if self.state in ("firing", "recovering") and self.due is not None and now >= self.due and truth != UNKNOWN:
            self._tell(now)

    def _wait(self, now: int) -> None:
        if self.state == "normal":
            self.state, self.since = "pending", now
        if now - self.since >= self.timing.for_ms:
            self.state, self.told = "firing", 0
            self.fired.append(now)
            self.due = now if self.told_ms is None else max(now, self.told_ms + self._cooldown(now))
            self.log.append((now, "fired"))

    def _cooldown(self, now: int) -> int:
        """Ten minutes at least for what flaps: five firings, each of which counts half after ten minutes."""
        score = sum(0.5 ** ((now - at) / 600_000) for at in self.fired)
        return max(self.timing.cooldown_ms, 600_000 if score >= 5.0 else 0)

    def _follow(self, now: int, truth: int, recovered: bool) -> None:
        if not recovered and self.state == "recovering":
            self.state = "firing"
            self.log.append((now, "firing again"))
        if recovered and self.state == "firing":
            self.since = now
        if recovered and now - self.since >= self.timing.keep_ms:
            self.state = "normal"
            self.log.append((now, "recovered"))
        elif recovered and self.state == "firing":
            self.state = "recovering"
            self.log.append((now, "recovering"))

    def _tell(self, now: int) -> None:
        self.told += 1
        self.told_ms = now
        repeat = self.timing.repeat_ms
        self.due = None if repeat is None else now + max(repeat, self.timing.cooldown_ms)
        self.log.append((now, f"notice {self.told}"))
