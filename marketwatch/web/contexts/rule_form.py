"""The form in which a rule is written: its texts, what may be chosen, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlencode

from ...alerts.rule_sheet import Mistake, Sheet
from ...config import Settings
from ...model.alerts import Rule
from ...model.system import Level
from ...rules.catalogue import catalogue
from ...watch import Watch
from ..format import span
from .lab import Choice, Term
from .rule_words import expiry_text, pointed

LIST = "watchlist/"
_MOST_SYMBOLS = 2000
_TEXTS = ("name", "expression", "for", "recover", "keep_firing_for", "cooldown", "repeat", "severity", "schedule", "expires",
          "note", "version")  # fmt: skip
_MOST = {"expression": 2001, "recover": 2001, "note": 1001, "name": 201, "schedule": 301}
EXAMPLES = (
    ("Fast fall", "change(5m) <= -1", "The price has fallen by 1 % within five minutes.", {"for": "10s", "cooldown": "10m"}),
    ("Many whales", "whales(5m) >= 3", "Three large orders within five minutes.", {"cooldown": "10m"}),
    (
        "Averages cross",
        "crosses_above(ema(20, 1m), ema(50, 1m))",
        "The fast average of one-minute candles crosses the slow one upwards.",
        {"cooldown": "1h", "severity": "info"},
    ),
)
"""Name, expression, what it says, and further fields of rules that somebody may begin with."""


class Entry(NamedTuple):
    """The form as it was sent, texts as written. `symbols`: names, or `*`, or one `watchlist/NAME`."""

    name: str = ""
    expression: str = ""
    symbols: tuple[str, ...] = ("*",)
    wait: str = ""
    recover: str = ""
    keep: str = ""
    cooldown: str = ""
    repeat: str = ""
    severity: str = "warning"
    channels: tuple[str, ...] = ("app",)
    schedule: str = ""
    expires: str = ""
    note: str = ""
    intrabar: bool = False
    enabled: bool = True
    version: str = ""

    @classmethod
    def of_query(cls, get: Callable[[str], list[str]]) -> Entry:
        """From an address such as that of the lab: lists separated by commas, and what is left out has its default."""
        texts = _texts(get)
        symbols = tuple(part.strip()[:100] for value in get("symbols") for part in value.split(",") if part.strip())
        channels = tuple(part.strip()[:100] for value in get("channels") for part in value.split(",") if part.strip())
        expires = texts["expires"] or _first(get, "expires_at")[:40]
        return cls.made(
            {**texts, "expires": expires},
            symbols=symbols[:_MOST_SYMBOLS] or ("*",),
            channels=channels[:100] or ("app",),
            intrabar=_first(get, "intrabar").lower() in ("on", "yes", "true", "1"),
            enabled=_first(get, "enabled").lower() not in ("off", "no", "false", "0"),
        )

    @classmethod
    def of_form(cls, get: Callable[[str], list[str]]) -> Entry:
        """From the form itself, in which a box that is not ticked is left out."""
        scope = _first(get, "scope")
        chosen = tuple(dict.fromkeys(value.strip()[:100] for value in get("symbols") if value.strip()))[:_MOST_SYMBOLS]
        lists = _first(get, "watchlist")[:100]
        symbols = ("*",) if scope == "all" else (LIST + lists,) if scope == "list" else chosen
        return cls.made(
            _texts(get),
            symbols=symbols,
            channels=tuple(dict.fromkeys(value[:100] for value in get("channels")))[:100],
            intrabar=bool(get("intrabar")),
            enabled=bool(get("enabled")),
        )

    @classmethod
    def of_rule(cls, rule: Rule) -> Entry:
        """A rule that is there."""
        return cls(
            name=rule.name,
            expression=rule.expression,
            symbols=rule.symbols,
            wait=_duration(rule.for_ms),
            recover=rule.recover or "",
            keep=_duration(rule.keep_firing_ms),
            cooldown=_duration(rule.cooldown_ms),
            repeat="" if rule.repeat_ms is None else span(rule.repeat_ms),
            severity=rule.severity.value,
            channels=rule.channels,
            schedule=rule.schedule or "",
            expires=expiry_text(rule.expires_ms),
            note=rule.note,
            intrabar=rule.intrabar,
            enabled=rule.enabled,
            version=str(rule.version),
        )

    @classmethod
    def made(
        cls,
        texts: dict[str, str],
        *,
        symbols: tuple[str, ...],
        channels: tuple[str, ...],
        intrabar: bool,
        enabled: bool,
    ) -> Entry:
        """From texts by the names of the form's fields."""
        given = {**texts, "wait": texts["for"], "keep": texts["keep_firing_for"]}
        return cls(
            **{name: given[name] for name in cls._fields if name in given and name != "severity"},
            severity=texts["severity"] or "warning",
            symbols=symbols,
            channels=channels,
            intrabar=intrabar,
            enabled=enabled,
        )

    def sheet(self) -> Sheet:
        """As the reader of rules takes it."""
        return {
            "name": self.name, "expression": self.expression, "symbols": self.symbols, "for": self.wait,
            "recover": self.recover, "keep_firing_for": self.keep, "cooldown": self.cooldown, "repeat": self.repeat,
            "severity": self.severity, "channels": self.channels, "schedule": self.schedule, "expires": self.expires,
            "note": self.note, "intrabar": "yes" if self.intrabar else "no", "enabled": "yes" if self.enabled else "no",
        }  # fmt: skip

    def lab(self) -> str:
        """The lab with this rule filled in."""
        values = {
            "expression": self.expression, "symbols": ",".join(self.symbols[:20]), "for": self.wait,
            "recover": self.recover, "keep_firing_for": self.keep, "cooldown": self.cooldown,
            "schedule": self.schedule, "intrabar": "yes" if self.intrabar else "",
        }  # fmt: skip
        chosen = {name: value for name, value in values.items() if value and value != "*"}
        return "/alerts/lab?" + urlencode(chosen) if chosen else "/alerts/lab"


def _first(get: Callable[[str], list[str]], name: str) -> str:
    return next(iter(get(name)), "").strip().replace("\r\n", "\n")


def _texts(get: Callable[[str], list[str]]) -> dict[str, str]:
    return {name: _first(get, name)[: _MOST.get(name, 40)] for name in _TEXTS}


def _duration(ms: int) -> str:
    return span(ms) if ms else ""


class FieldError(NamedTuple):
    """What is wrong with a field; `before`, `wrong`, `after`: its text cut at the place, where that helps."""

    sentence: str
    before: str = ""
    wrong: str = ""
    after: str = ""


class ChannelChoice(NamedTuple):
    """A way to be told. `missing`: why it cannot be chosen."""

    name: str
    label: str
    chosen: bool
    missing: str


@dataclass(frozen=True, slots=True)
class FormView:
    """The form. `action`: where it is sent; `scope`: `all`, `some` or `list`. `errors` by field; `problem` about the whole."""

    action: str
    entry: Entry
    scope: str
    symbols: tuple[Choice, ...]
    watched: int
    lists: tuple[Choice, ...]
    severities: tuple[Choice, ...]
    channels: tuple[ChannelChoice, ...]
    terms: tuple[Term, ...]
    looks: tuple[Choice, ...]
    errors: dict[str, FieldError]
    problem: str
    owner_href: str


def form_view(
    watch: Watch,
    settings: Settings,
    entry: Entry,
    *,
    action: str,
    back: str,
    mistakes: Sequence[Mistake] = (),
    problem: str = "",
) -> FormView:
    """The form around an entry; `back`: the page on which it stands."""
    everything = entry.symbols == ("*",)
    listed = len(entry.symbols) == 1 and entry.symbols[0].startswith(LIST)
    chosen = () if everything or listed else entry.symbols
    names = sorted({*watch.symbols, *chosen}, key=lambda name: (name not in chosen, name))[:_MOST_SYMBOLS]
    lists = {*watch.state.watchlists, *([entry.symbols[0].removeprefix(LIST)] if listed else [])}
    look = next((name for name in chosen if name in watch.instruments), watch.symbols[0])
    return FormView(
        action=action,
        entry=entry,
        scope="all" if everything else "list" if listed else "some",
        symbols=tuple(Choice(name, name, name in chosen) for name in names),
        watched=len(watch.symbols),
        lists=tuple(Choice(name, name, listed and entry.symbols[0] == LIST + name) for name in sorted(lists)),
        severities=tuple(Choice(level.value, level.value, level.value == entry.severity) for level in Level),
        channels=channel_choices(settings, entry.channels),
        terms=tuple(Term(one.name, one.signature, one.doc, one.example) for one in catalogue()),
        looks=tuple(Choice(name, name, name == look) for name in watch.symbols[:_MOST_SYMBOLS]),
        errors={one.field: field_error(entry, one) for one in reversed(mistakes)},
        problem=problem,
        owner_href="/owner?" + urlencode({"back": back}),
    )


def field_error(entry: Entry, mistake: Mistake) -> FieldError:
    """A mistake beside its field; in conditions with its place."""
    text = {"expression": entry.expression, "recover": entry.recover, "schedule": entry.schedule}.get(mistake.field, "")
    sentence = f"{mistake.message} {mistake.hint}".strip()
    return FieldError(sentence, *pointed(text, mistake.column)) if text else FieldError(sentence)


def channel_choices(settings: Settings, chosen: Sequence[str]) -> tuple[ChannelChoice, ...]:
    """The channels that are set up, the others with the setting that is missing, and what a rule names beyond them."""
    known = {
        "app": ("In the app", ""),
        "webhook": ("Webhook", "" if settings.webhook_url else "Set MARKETWATCH_WEBHOOK_URL to use it."),
        "email": (
            "E-mail",
            "" if settings.smtp_url and settings.mail_to else "Set MARKETWATCH_SMTP_URL and MARKETWATCH_MAIL_TO to use it.",
        ),
        "apprise": ("Apprise", "" if settings.apprise_urls else "Set MARKETWATCH_APPRISE_URLS to use it."),
    }
    found = [ChannelChoice(name, label, name in chosen, missing) for name, (label, missing) in known.items()]
    return (
        *found,
        *(ChannelChoice(name, name, True, "This channel is not known here.") for name in chosen if name not in known),
    )
