"""The worker of the outbox as a program of its own, to be killed: `python -m tests.kit.outbox_program DATABASE-FILE URL`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from marketwatch.clock import SystemClock
from marketwatch.config import Settings
from marketwatch.model.market import Source
from marketwatch.notify.outbox import Outbox
from marketwatch.store import open_store


def ignore(_event: object) -> None:
    """Nobody looks at this program."""


async def deliver(file: Path, url: str) -> None:
    """Deliver the waiting notices of the database until killed."""
    settings = Settings.of(
        data_dir=file.parent,
        database_url=f"sqlite:///{file}",
        feed="binance",
        webhook_url=(url,),
        webhook_private=True,
        notify_per_minute=8,
    )
    store = open_store(settings, clock=SystemClock())
    await store.open()
    await Outbox(store=store, settings=settings, clock=SystemClock(), publish=ignore, source=Source.LIVE).run()


if __name__ == "__main__":
    asyncio.run(deliver(Path(sys.argv[1]), sys.argv[2]))
