"""The webhook: a signed POST of JSON to one address, to public machines only, without following redirects."""

from __future__ import annotations

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
_LONGEST_PAUSE_S = 3600.0


class Webhook:
    """Posts every message to `url`; a 2xx status accepts it. Answers are not read beyond their head."""

    def __init__(self, *, name: str, url: str, secret: str, private: bool, clock: Clock) -> None:
        self.name = name
        self._url = URL(url)
        self._secret = secret
        self._private = private
        self._clock = clock

    async def send(self, message: Message) -> None:
        """Raises DeliveryFailed."""
        await self._post(self._url, message.message_id, as_json(message))

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
