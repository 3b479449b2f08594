"""Which channels the settings describe, and under which names their notices wait in the outbox.

A rule names a kind of channel: `webhook`, `email`, `apprise`. Where several addresses are set for one kind, each of them is a
channel of its own with its own notices, attempts and dead letters: one that fails holds up and repeats nothing at the others.
Its name is made from its address, not from its place in the list, so that notices that wait stay with whom they are for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from ..clock import Clock
from ..config import Settings
from .apprise import Apprise
from .channel import Channel
from .mail import Mail
from .webhook import Webhook

KINDS = ("webhook", "email", "apprise")


def _several(settings: Settings) -> dict[str, tuple[str, ...]]:
    """The kinds that may have several addresses."""
    return {"webhook": settings.webhook_url, "apprise": settings.apprise_urls}


def long_name(kind: str, url: str) -> str:
    """The name of one address among several: what it is, and a digest, but nothing that is secret."""
    parts = urlsplit(url)
    place = (parts.hostname or "") if kind == "webhook" else parts.scheme
    return f"{kind}:{place}:{hashlib.sha256(url.encode()).hexdigest()[:6]}"


def _names(kind: str, urls: tuple[str, ...]) -> list[str]:
    return [kind] if len(urls) == 1 else [long_name(kind, url) for url in urls]


def routes(settings: Settings) -> dict[str, tuple[str, ...]]:
    """For each kind of which there are several addresses, the channels that a notice of it goes to."""
    return {kind: tuple(_names(kind, urls)) for kind, urls in _several(settings).items() if len(urls) > 1}


def aliases(settings: Settings) -> dict[str, str]:
    """Other names under which a channel may be asked for: those from when there were more, or fewer, addresses."""
    found: dict[str, str] = {}
    for kind, urls in _several(settings).items():
        for url, name in zip(urls, _names(kind, urls), strict=True):
            found.setdefault(kind, name)
            found[long_name(kind, url)] = name
    return found


def channels_of(settings: Settings, clock: Clock) -> Iterator[Channel]:
    """Every channel that is set up."""
    named: Mapping[str, list[str]] = {kind: _names(kind, urls) for kind, urls in _several(settings).items()}
    for name, url in zip(named["webhook"], settings.webhook_url, strict=True) if settings.webhook_url else ():
        yield Webhook(name=name, url=url, secret=settings.webhook_secret, private=settings.webhook_private, clock=clock)
    if settings.smtp_url and settings.mail_to:
        sender = settings.mail_from or settings.mail_to[0]
        yield Mail(url=settings.smtp_url, sender=sender, receivers=settings.mail_to, clock=clock)
    for name, url in zip(named["apprise"], settings.apprise_urls, strict=True) if settings.apprise_urls else ():
        yield Apprise(name=name, url=url)


def remedy(name: str) -> str:
    """Why there is no channel of that name, and what to do about it."""
    kind, _, rest = name.partition(":")
    if rest and kind in KINDS:
        return f"No address of the settings belongs to {name!r} any more"
    remedies = {
        "webhook": "set MARKETWATCH_WEBHOOK_URL",
        "email": "set MARKETWATCH_SMTP_URL and MARKETWATCH_MAIL_TO",
        "apprise": "set MARKETWATCH_APPRISE_URLS",
    }
    return f"No channel is called {name!r}: {remedies.get(name, 'channels are app, webhook, email and apprise')}"
