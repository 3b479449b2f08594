"""Apprise: everything that the library of that name can reach, by an address of its own kind (`tgram://`, `discord://`, ...).

The library is an extra and is loaded when the first message goes out. It blocks, answers yes or no, and writes parts of
addresses into its log; so it runs in a thread with a time limit, and its log is turned off.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any
from urllib.parse import urlsplit

from .channel import DeliveryFailed, Message
from .message import as_text, subject

_TIMEOUT_S = 20.0
_KINDS = {"info": "info", "warning": "warning", "critical": "failure"}


class Apprise:
    """Sends every message to one Apprise address. Where that leads is the operator's own choice: nothing is refused."""

    def __init__(self, *, name: str, url: str, timeout_s: float = _TIMEOUT_S) -> None:
        self.name = name
        self._url = url
        self._timeout_s = timeout_s
        self._target: Any = None
        self._busy = False

    async def send(self, message: Message) -> None:
        """Raises DeliveryFailed."""
        if self._busy:
            raise DeliveryFailed(f"{self._shown} is still busy with an earlier message.")
        severities = [told.alert.severity.value for told in message.told]
        worst = next((severity for severity in ("critical", "warning") if severity in severities), "info")
        accepted = await self._in_thread(subject(message), as_text(message), _KINDS[worst])
        if not accepted:
            raise DeliveryFailed(f"{self._shown} did not take the message; the library does not say why.")

    @property
    def _shown(self) -> str:
        """The scheme alone: all the rest of an address may be secret."""
        return f"The Apprise service {urlsplit(self._url).scheme}://"

    async def _in_thread(self, title: str, body: str, kind: str) -> bool:
        """In a thread of its own, which does not hold up the end of the program when a service never answers."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()

        def finish(accepted: bool, failure: Exception | None) -> None:
            self._busy = False
            if not answer.done():
                answer.set_result(accepted) if failure is None else answer.set_exception(failure)

        def work() -> None:
            accepted, failure = False, None
            try:
                accepted = self._notify(title, body, kind)
            except DeliveryFailed as refused:
                failure = refused
            except Exception as error:
                failure = DeliveryFailed(f"{self._shown} failed: {type(error).__name__}.")
            if not loop.is_closed():
                loop.call_soon_threadsafe(finish, accepted, failure)

        self._busy = True
        threading.Thread(target=work, name=f"notify-{self.name}", daemon=True).start()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await answer
        except TimeoutError:
            raise DeliveryFailed(f"{self._shown} has not answered within {self._timeout_s:g} s.") from None

    def _notify(self, title: str, body: str, kind: str) -> bool:
        if self._target is None:
            self._target = self._made()
        return bool(self._target.notify(title=title, body=body, notify_type=kind, body_format="text"))

    def _made(self) -> Any:
        try:
            import apprise
        except ImportError:
            raise DeliveryFailed(
                f"The channel {self.name!r} needs the library apprise, which is not installed; "
                "install marketwatch with its extra: pip install 'marketwatch[notify]'.",
                for_good=True,
            ) from None
        log = logging.getLogger("apprise")
        log.setLevel(logging.CRITICAL + 1)
        asset = apprise.AppriseAsset(app_id="marketwatch", async_mode=False, secure_logging=True)
        target = apprise.Apprise(asset=asset)
        if not target.add(self._url):
            raise DeliveryFailed(
                f"{self._shown} is not known to the library, or something is missing in its address; "
                "see MARKETWATCH_APPRISE_URLS.",
                for_good=True,
            )
        return target
