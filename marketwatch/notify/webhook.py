"""The webhook: a signed POST of JSON to each configured address, to public machines only, without following redirects."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from ipaddress import ip_address

import aiohttp
from yarl import URL

from .. import __version__
from ..clock import Clock
from .address import CheckedResolver, check
from .channel import DeliveryFailed, Message
from .message import as_json
from .signature import HEADER, sign

_TIMEOUT = aiohttp.ClientTimeout(total=10.0, connect=5.0)
_REMEMBERED = 1000
_LONGEST_PAUSE_S = 3600.0


class Webhook:
    """Posts every message to all `urls`; it is delivered when all have accepted it with a 2xx status.

    An address that has accepted a message is not asked again for it while the program runs. Answers are not read beyond
    their head.
    """

    name = "webhook"

    def __init__(self, *, urls: tuple[str, ...], secret: str, private: bool, clock: Clock) -> None:
        self._urls = [URL(url) for url in urls]
        self._secret = secret
        self._private = private
        self._clock = clock
        self._accepted: OrderedDict[tuple[str, int], None] = OrderedDict()

    async def send(self, message: Message) -> None:
        """Raises DeliveryFailed with the failures of every address."""
        body = as_json(message)
        todo = [place for place in range(len(self._urls)) if (message.message_id, place) not in self._accepted]
        answers = await asyncio.gather(
            *(self._post(self._urls[place], message.message_id, body) for place in todo), return_exceptions=True
        )
        failed: list[DeliveryFailed] = []
        for place, answer in zip(todo, answers, strict=True):
            if answer is None:
                self._remember(message.message_id, place)
            elif isinstance(answer, DeliveryFailed):
                failed.append(answer)
            else:
                raise answer
        if failed:
            raise DeliveryFailed(
                " ".join(map(str, failed)),
                for_good=all(one.for_good for one in failed),
                retry_after_s=max(one.retry_after_s for one in failed),
            )

    def _remember(self, message_id: str, place: int) -> None:
        self._accepted[message_id, place] = None
        while len(self._accepted) > _REMEMBERED:
            self._accepted.popitem(last=False)

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"marketwatch/{__version__}",
            "Idempotency-Key": message_id,
        }
        if self._secret:
            headers[HEADER] = sign(self._secret, body, self._clock.now_ms() // 1000)
        return headers

    async def _post(self, url: URL, message_id: str, body: bytes) -> None:
        self._check_literal(url)
        connector = aiohttp.TCPConnector(resolver=CheckedResolver(private=self._private), use_dns_cache=False, force_close=True)
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=_TIMEOUT, auto_decompress=False
                ) as client,
                client.post(url, data=body, headers=self._headers(message_id, body), allow_redirects=False) as answer,
            ):
                _judge(url, answer)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise DeliveryFailed(f"The webhook at {shown(url)} cannot be reached: {_reason(error)}.") from None

    def _check_literal(self, url: URL) -> None:
        """An address that stands in the URL itself is not looked up, so it is checked here."""
        try:
            literal = ip_address(url.host or "")
        except ValueError:
            return
        check(str(literal), private=self._private)


def shown(url: URL) -> str:
    """Scheme, host and port: path and query may hold secrets."""
    return str(url.origin())


def _judge(url: URL, answer: aiohttp.ClientResponse) -> None:
    if 200 <= answer.status < 300:
        return
    if 300 <= answer.status < 400:
        raise DeliveryFailed(f"The webhook at {shown(url)} answered {answer.status}; redirects are not followed.")
    text = answer.headers.get("Retry-After", "")
    pause = min(float(text), _LONGEST_PAUSE_S) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0
    gone = answer.status == 410
    raise DeliveryFailed(f"The webhook at {shown(url)} answered {answer.status}.", for_good=gone, retry_after_s=pause)


def _reason(error: Exception) -> str:
    """What went wrong, without addresses that may hold secrets."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "its certificate is not trusted"
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return type(error).__name__
