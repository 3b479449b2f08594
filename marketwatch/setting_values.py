"""How the text of a setting becomes its value. Each raises ValueError, whose text says what it must be."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_MAIL_ADDRESS = re.compile(r"[A-Za-z0-9._%+=~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8}")
_SERVICE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[!-~]+")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def duration_ms(text: str) -> int:
    """`"500ms"`, `"30s"`, `"5m"`, `"1h"`, `"7d"` in milliseconds. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("a number with a unit: ms, s, m, h or d")
    return round(float(match[1]) * _UNIT_MS[match[2]])


def text(value: str) -> str:
    return value.strip()


def texts(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def symbols(value: str) -> tuple[str, ...]:
    """Symbols in upper case, or one `all:QUOTE`."""
    parts = tuple(dict.fromkeys(part if part.startswith("all:") else part.upper() for part in texts(value)))
    if not parts:
        raise ValueError("at least one symbol, for example BTCUSDT, or all:USDT")
    if any(part.startswith("all:") for part in parts) and len(parts) > 1:
        raise ValueError("either symbols or one all:QUOTE, not both")
    return tuple(part.upper().replace("ALL:", "all:", 1) for part in parts)


def whole(low: int, high: int) -> Callable[[str], int]:
    """A reader of whole numbers within bounds."""

    def parse(value: str) -> int:
        number = int(value)
        if not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return number

    parse.__doc__ = f"a whole number from {low} to {high}"
    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """A reader of numbers within bounds."""

    def parse(value: str) -> float:
        number = float(value)
        if not low <= number <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return number

    parse.__doc__ = f"a number from {low:g} to {high:g}"
    return parse


def switch(value: str) -> bool:
    """on or off, in several words."""
    word = value.strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("on or off")


def one_of(*words: str) -> Callable[[str], str]:
    """A reader of one of some words."""

    def parse(value: str) -> str:
        word = value.strip().lower()
        if word not in words:
            raise ValueError("one of " + ", ".join(words))
        return word

    parse.__doc__ = "one of " + ", ".join(words)
    return parse


def windows(value: str) -> tuple[str, ...]:
    """Lengths of windows: counts of samples or durations."""
    names = texts(value)
    for name in names:
        if not name.isdigit():
            duration_ms(name)
        elif int(name) < 2:
            raise ValueError("windows of at least 2 samples")
    if not names:
        raise ValueError("at least one window, for example 60,5m,1h")
    return names


def hours(value: str) -> str:
    """A span of the day in UTC, or nothing."""
    text = value.strip()
    if text and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)", text):
        raise ValueError("two times of day in UTC such as 08:00-09:00, or nothing")
    return text


def address(text: str, schemes: tuple[str, ...]) -> str:
    """A URL of one of the schemes with a host. Raises ValueError, whose text never repeats it: it may hold a secret."""
    expected = "addresses such as " + " or ".join(f"{scheme}://host" for scheme in schemes)
    try:
        parts = urlsplit(text)
        good = (
            parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0) and text.isprintable()
        )
    except ValueError:
        good = False
    if not good or " " in text:
        raise ValueError(expected)
    return text


def web_addresses(value: str) -> tuple[str, ...]:
    return tuple(address(text, ("https", "http")) for text in dict.fromkeys(texts(value)))


def service_addresses(value: str) -> tuple[str, ...]:
    """Addresses of the library Apprise. Raises ValueError, whose text never repeats them."""
    found = tuple(dict.fromkeys(texts(value)))
    if not all(_SERVICE.fullmatch(text) for text in found):
        raise ValueError("addresses of the library Apprise such as tgram://token/chat, separated by commas")
    return found


def mail_server(value: str) -> str:
    return address(value.strip(), ("smtps", "smtp")) if value.strip() else ""


def mail_address(value: str) -> str:
    """An e-mail address, or nothing."""
    text = value.strip()
    if text and not _MAIL_ADDRESS.fullmatch(text):
        raise ValueError("an e-mail address such as name@example.org")
    return text


def mail_addresses(value: str) -> tuple[str, ...]:
    return tuple(mail_address(text) for text in dict.fromkeys(texts(value)))


def token(value: str) -> str:
    """A token that nobody guesses, or nothing."""
    text = value.strip()
    if text and not (16 <= len(text) <= 512 and text.isascii() and text.isprintable() and " " not in text):
        raise ValueError("a text of 16 to 512 letters, digits and signs that nobody can guess")
    return text


def secret_key(value: str) -> str:
    """A key that is long enough for HMAC-SHA256, or nothing."""
    text = value.strip()
    if text and len(text.encode()) < 32:
        raise ValueError("a text of at least 32 bytes that nobody can guess, or nothing")
    return text


def issuer(value: str) -> str:
    """An identity provider as its tokens name it, or nothing: over TLS, but for one on this machine."""
    text = value.strip()
    if text:
        address(text, ("https", "http"))
        host = urlsplit(text).hostname
        if text.startswith("http:") and host not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError("an address that begins with https://")
    return text


def origins(value: str) -> tuple[str, ...]:
    """Origins as browsers send them: scheme, host, port where it is not the usual one."""
    found = tuple(dict.fromkeys(part.lower().rstrip("/") for part in texts(value)))
    for part in found:
        address(part, ("https", "http"))
        if urlsplit(part).path or urlsplit(part).query or "@" in part:
            raise ValueError("origins such as https://app.example.org")
    return found


def feed(value: str) -> str:
    """The name of a feed."""
    text = value.strip()
    word = text.lower()
    if word in {"auto", "binance", "binance-us", "coinbase", "demo"}:
        return word
    if word.startswith("recorded:") and len(text) > len("recorded:"):
        return text
    raise ValueError("one of auto, binance, binance-us, coinbase, demo, or recorded:PATH[@SPEED]")


def shown(value: object) -> str:
    """A value as people may see it: lists with commas, switches as on and off, addresses without what opens a door."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(shown(part) for part in value)
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else without_credentials(str(value))


def without_credentials(text: str) -> str:
    """An address without its user, its password and what follows its path, for keys stand there too."""
    scheme, separator, rest = text.partition("://")
    if not separator or not scheme.replace("+", "").replace("-", "").isalnum():
        return text
    place, mark = re.split(r"[?#]", rest, maxsplit=1)[0], "?(hidden)" if re.search(r"[?#]", rest) else ""
    authority, slash, path = place.partition("/")
    who, at, host = authority.rpartition("@")
    return f"{scheme}://{'(hidden)@' if at and who else ''}{host}{slash}{path}{mark}"
