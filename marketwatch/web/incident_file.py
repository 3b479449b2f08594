"""One HTML file of an incident: the replay page with its data, style, player and chart library inside, for a disk or a mail.

It asks nothing of anybody: a policy in the file allows only the style and the script in it, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, replace

import msgspec

from .. import __version__
from ..errors import InvalidRequest
from ..model.market import Source
from ..replay.incident import Incident
from ..replay.lanes import Lanes
from ..watch import Watch
from . import format as fmt
from .api.replay import replay_row
from .assets import Assets
from .contexts.replay import ReplayPage, replay_page, sentence_of
from .render import Renderer

MOST_BYTES = 16_000_000
_CHARTS = "vendor/lightweight-charts-5.2.1.min.mjs"
_LICENCE = "vendor/lightweight-charts-LICENSE.txt"
_WORDS = {Source.DEMO: "Demo", Source.RECORDED: "Recorded"}
_EXPORT = re.compile(r"export\s*\{([^{}]*)\};?\s*$")
_IMPORT = re.compile(r"^import\s*(\{[^{}]*\})\s*from\s*\"\./" + re.escape(_CHARTS) + r"\";\n", re.MULTILINE)
_ENDS = re.compile(r"<(/?(script|style)|!--)", re.IGNORECASE)
_AS_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_SPECIAL = re.compile("[<>&\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class IncidentFile:
    """The file. `source_word`: `Demo` or `Recorded`, "" for a live market. `policy`: its Content-Security-Policy. `style`,
    `script` and `data` stand in it as they are: they end no element."""

    incident: ReplayPage
    source_word: str
    sentence: str
    exported: str
    version: str
    policy: str
    style: str
    script: str
    data: str
    licence: str


def incident_file(
    renderer: Renderer, watch: Watch, incident: Incident, lanes: Lanes, *, minutes: int, now_ms: int, asker: str = ""
) -> bytes:
    """The bytes of the file, as `asker` may know it. Raises InvalidRequest where it would be larger than 16 MB. Runs in a
    thread."""
    page = replace(replay_page(watch, incident, minutes, asker=asker), href="", then="", choices=(), download="")
    own = incident._replace(samples=incident.samples[:1])
    style, script = _text(renderer.assets, "app.css"), player(renderer.assets)
    file = IncidentFile(
        incident=page,
        source_word=_WORDS.get(watch.source, ""),
        sentence=sentence_of(watch.source.value),
        exported=fmt.date_time(now_ms),
        version=__version__,
        policy=_policy(style, script),
        style=style,
        script=script,
        data=inert(msgspec.json.encode(replay_row(own, lanes, asker)).decode()),
        licence=renderer.assets.text(_LICENCE),
    )
    made = renderer.document("incident.html", file).encode()
    if len(made) > MOST_BYTES:
        raise InvalidRequest(
            f"The file of these {2 * minutes} minutes would have {len(made) / 1e6:.0f} MB, and {MOST_BYTES / 1e6:.0f} MB are "
            "the most; choose fewer minutes."
        )
    return made


def file_name(incident: Incident) -> str:
    """A name that any disk takes, such as `incident-BTCUSDT-2026-11-20T08-31-00.html`."""
    symbol = re.sub(r"[^A-Za-z0-9]+", "-", incident.symbol)[:40].strip("-") or "market"
    moment = fmt.date_time(incident.alert.fired_ms)[:19].replace(" ", "T").replace(":", "-")
    return f"incident-{symbol}-{moment}.html"


def inert(json: str) -> str:
    """JSON that cannot end the element it stands in, and means the same."""
    return _SPECIAL.sub(lambda found: _AS_ESCAPES[found[0]], json)


def player(assets: Assets) -> str:
    """The page's own player and the chart library as one module without imports."""
    charts, replay = _text(assets, _CHARTS), _text(assets, "replay.js")
    exported, wanted = _EXPORT.search(charts), _IMPORT.search(replay)
    if exported is None or wanted is None:
        raise ValueError(f"static/{_CHARTS} does not end with its exports, or static/replay.js does not import from it.")
    names = ", ".join(": ".join(reversed(one.split(" as "))) for one in exported[1].strip().split(","))
    library = f"const charts = (() => {{\n{charts[: exported.start()]}\nreturn {{ {names} }};\n}})();\n"
    return f"{library}const {wanted[1]} = charts;\n{replay[: wanted.start()]}{replay[wanted.end() :]}"


def _text(assets: Assets, name: str) -> str:
    """A file of ours, as it may stand inside an element."""
    text = assets.text(name)
    if _ENDS.search(text) or "\r" in text:
        raise ValueError(f"static/{name} cannot stand inside a page.")
    return text


def _policy(style: str, script: str) -> str:
    allowed = f"script-src {_hash(script)}; style-src {_hash(style)}; img-src data:"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
