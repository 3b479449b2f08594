"""Every template with its context: it renders, it escapes, and it holds nothing that the content policy forbids."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from marketwatch.clock import ManualClock
from marketwatch.watch import Watch
from marketwatch.web.render import Renderer
from tests.kit.pages import HOSTILE, NOW_MS, Given, fragments, frame_for, hostile, pages, played
from tests.kit.watches import make_watch, test_settings

VOID = {"meta", "link", "input", "br", "hr", "img", "path", "circle", "polyline", "rect"}
IGNORED = {"html", "head", "body"}


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(test_settings(), ManualClock(NOW_MS))


class Reader(HTMLParser):
    """Notes what a strict policy forbids, ids that stand twice, and tags that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "script" and "src" not in given:
            self.problems.append("inline script")
        if tag == "style" or "style" in given:
            self.problems.append(f"inline style in {tag}")
        self.problems += [f"{name} in {tag}" for name in given if name.startswith(("on", "hx-on"))]
        for name in ("src", "href", "action"):
            value = given.get(name) or ""
            if value.lower().startswith("javascript:"):
                self.problems.append(f"{name}={value}")
            if tag in ("script", "link", "img", "iframe") and "//" in value:
                self.problems.append(f"{tag} leaves the origin: {value}")
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open[-1] != tag:
            self.problems.append(f"</{tag}> closes {self.open[-1:]}")
        elif self.open:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def render(renderer: Renderer, given: Given, watch: Watch | None) -> str:
    if given.template.startswith("fragments/"):
        return renderer.fragment(given.template, given.context)
    return renderer.html(given.template, frame_for(watch), given.context)


def every(watch: Watch) -> Iterator[Given]:
    yield from fragments(watch)
    yield from pages(watch)


@pytest.mark.parametrize("make", [played, hostile, lambda: make_watch(test_settings())], ids=["played", "hostile", "empty"])
def test_every_template_renders_sound_html_within_the_policy(renderer: Renderer, make: object) -> None:
    watch = make()  # type: ignore[operator]
    for given in every(watch):
        found = read(render(renderer, given, watch))
        assert found.problems == [], given.template
        assert found.open == [], given.template
        assert len(found.ids) == len(set(found.ids)), given.template


def test_hostile_names_reach_no_page_unescaped(renderer: Renderer) -> None:
    watch = hostile()
    shown = 0
    for given in every(watch):
        html = render(renderer, given, watch)
        assert "<script>" not in html, given.template
        assert "49" not in re.findall(r"\{\{(.*?)\}\}", html)
        shown += HOSTILE in "".join(read(html).text)
    assert shown >= 5


def test_every_template_of_the_folder_has_a_context_here(root: Path) -> None:
    watch = played()
    named = {given.template for given in every(watch)} | {"base.html", "incident.html"}
    folder = root / "templates"
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.html")} == named


def test_page_includes_the_fragment_that_the_stream_sends(renderer: Renderer) -> None:
    watch = played()
    page = {given.template: given.context for given in pages(watch)}["overview.html"]
    html = renderer.html("overview.html", frame_for(watch), page)
    for template, context in (
        ("fragments/_strip.html", page.strip),
        ("fragments/_row.html", page.market.rows[0]),
        ("fragments/_whales.html", page.whales),
        ("fragments/_feed.html", page.feed),
    ):
        assert renderer.fragment(template, context).strip() in html


@pytest.mark.parametrize("theme", ["auto", "dark", "light"])
def test_theme_stands_in_the_page_itself(renderer: Renderer, theme: str) -> None:
    watch = played()
    given = next(pages(watch))
    html = renderer.html(given.template, frame_for(watch, theme=theme), given.context)
    assert (f'data-theme="{theme}"' in html) == (theme != "auto")
    assert html.count('aria-pressed="true"') == 1


def test_secrets_of_the_settings_are_blanked(renderer: Renderer) -> None:
    watch = played()
    given = next(item for item in pages(watch) if item.template == "status.html")
    assert "s3cret" not in renderer.html(given.template, frame_for(watch), given.context)


def test_vendored_files_are_what_their_table_says(root: Path) -> None:
    folder = root / "static" / "vendor"
    table = (folder / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", table, re.M))
    scripts = [
        path for path in folder.rglob("*") if path.suffix in (".js", ".mjs", ".css") and "swagger" not in path.as_posix()
    ]
    assert len(scripts) >= 3
    for path in scripts:
        assert rows[path.name] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_axe_of_the_browser_tests_is_what_its_table_says(root: Path) -> None:
    folder = root / "tests" / "browser" / "vendor"
    rows = re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", (folder / "README.md").read_text("utf-8"), re.M)
    assert [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name, _ in rows] == [digest for _, digest in rows]
    assert len(rows) == 1
