"""An ordered list of addresses of one venue: who is tried next, and who is never asked again."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import EndpointForbidden

BINANCE_STREAMS = (
    "wss://data-stream.binance.vision",
    "wss://stream.binance.com:9443",
    "wss://stream.binance.com:443",
)
BINANCE_REST = ("https://data-api.binance.vision", "https://api.binance.com")
BINANCE_US_STREAMS = ("wss://stream.binance.us:9443",)
BINANCE_US_REST = ("https://api.binance.us",)


class Endpoints:
    """`current` is the address to use now. A forbidden address (HTTP 451 or 403) is out for good; one that failed `patience`
    times in a row hands over to the next and gets its turn again later."""

    def __init__(self, urls: Sequence[str], *, patience: int = 2) -> None:
        self._urls = [url.rstrip("/") for url in urls]
        self._patience = patience
        self._forbidden: dict[str, int] = {}
        self._failures = 0
        self._at = 0

    @property
    def current(self) -> str:
        """Raises EndpointForbidden when no address is left."""
        allowed = self.allowed
        if not allowed:
            tried = ", ".join(f"{url} (HTTP {status})" for url, status in self._forbidden.items())
            raise EndpointForbidden(f"No address of the venue serves us from here: {tried or 'the list is empty'}.")
        return allowed[self._at % len(allowed)]

    @property
    def allowed(self) -> list[str]:
        return [url for url in self._urls if url not in self._forbidden]

    @property
    def forbidden(self) -> dict[str, int]:
        """Addresses that refused us for good, with the HTTP status."""
        return dict(self._forbidden)

    def forbid(self, url: str, status: int) -> bool:
        """Never use `url` again; answers whether this is news."""
        if url in self._forbidden:
            return False
        allowed = self.allowed
        self._forbidden[url] = status
        self._at = allowed.index(url) if url in allowed else 0
        self._failures = 0
        return True

    def failed(self, url: str) -> None:
        """One try at `url` failed."""
        allowed = self.allowed
        if url not in allowed or allowed[self._at % len(allowed)] != url:
            return
        self._failures += 1
        if self._failures >= self._patience:
            self._failures = 0
            self._at = (self._at + 1) % len(allowed)

    def answered(self) -> None:
        """The current address works."""
        self._failures = 0
