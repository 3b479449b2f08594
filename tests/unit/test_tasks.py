"""Every task has an owner: deaths are noticed, the rest ends with the owner."""

from __future__ import annotations

import asyncio

from marketwatch.tasks import Tasks


async def _forever() -> None:
    await asyncio.Event().wait()


async def _fail() -> None:
    raise ValueError("boom")


async def _end() -> None:
    return None


async def test_tasks_a_task_that_raises_is_reported_dead_with_its_reason() -> None:
    deaths: list[tuple[str, str]] = []
    tasks = Tasks(on_death=lambda name, error: deaths.append((name, repr(error))))
    tasks.start("feed", _fail(), critical=False)
    tasks.start("writer", _forever())
    await asyncio.sleep(0.01)
    assert deaths == [("feed", "ValueError('boom')")]
    assert tasks.dead == {"feed": "ValueError('boom')"}
    assert tasks.names == ["writer"]
    await tasks.aclose()


async def test_tasks_only_a_critical_task_may_not_end_by_itself() -> None:
    tasks = Tasks(on_death=lambda name, error: None)
    tasks.start("recording", _end(), critical=False)
    tasks.start("feed", _end())
    await asyncio.sleep(0.01)
    assert tasks.dead == {"feed": "ended by itself"}
    tasks.start("feed", _forever())
    assert tasks.dead == {}
    await tasks.aclose()


async def test_tasks_aclose_cancels_all_and_reports_no_death() -> None:
    deaths: list[str] = []
    tasks = Tasks(on_death=lambda name, error: deaths.append(name))
    started = [tasks.start(str(number), _forever()) for number in range(3)]
    await asyncio.sleep(0)
    await tasks.aclose()
    assert all(task.cancelled() for task in started)
    assert deaths == []
