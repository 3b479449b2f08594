"""Rules as pages without a browser: forms that are posted, what they answer, and what comes back when something is wrong."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketwatch.alerts.lookout import Lookout
from marketwatch.errors import StoreUnavailable
from marketwatch.model.alerts import FOREVER_MS
from tests.kit.alerts import rule
from tests.kit.clients import Client
from tests.kit.watches import START_MS, World, publish_trades, trade, world

BY_OWNER = True
FORM = {"name": "Fast fall", "expression": "change(5m) <= -3", "scope": "all", "channels": "app", "enabled": "yes"}
HOSTILE = "<script>alert(1)</script>'\"&"


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as found:
        found.slot.rules = Lookout(watch=found.watch, sample_ms=found.settings.sample_ms)
        found.desk.take_file([rule("file-told", name="Told by file", for_ms=90_000)])
        yield found


async def post(client: Client, path: str, form: dict[str, Any] | list[tuple[str, str]] | None = None) -> tuple[int, str, str]:
    """Status, place to go to, and page."""
    async with client.post(path, data=form or {}, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", ""), await answer.text()


async def page(client: Client, path: str, status: int = 200, **more: Any) -> str:
    async with client.get(path, **more) as answer:
        assert answer.status == status, path
        return await answer.text()


def value(text: str, field: str) -> str:
    """What stands in a text field of a page."""
    found = re.search(rf'<input id="{field}"[^>]*? value="([^"]*)"', text)
    assert found, field
    return unescape(found[1])


async def test_form_sent_puts_the_rule_in_force_and_leads_to_a_page_that_says_so(made: World, client: Client) -> None:
    form = [*FORM.items(), ("for", "30s"), ("severity", "critical"), ("note", "Look\r\ntwice"), ("intrabar", "yes")]
    status, where, _ = await post(client, "/alerts/rules", form)
    assert (status, where) == (303, "/alerts?done=created&of=fast-fall")
    assert unescape(await page(client, where)).count('The rule "Fast fall" is in force.') == 1
    found = made.watch.state.rules["fast-fall"]
    assert (found.for_ms, found.severity, found.symbols, found.intrabar) == (30_000, "critical", ("*",), True)
    assert found.note.split() == ["Look", "twice"]
    assert (await made.store.rules("fast-fall"))[0] == found


async def test_form_with_mistakes_comes_back_with_what_was_typed_and_the_place_marked(made: World, client: Client) -> None:
    form = {**FORM, "expression": "price > 1 and volatilty(60) > 2", "for": "soon", "name": HOSTILE, "scope": "some"}
    status, _, text = await post(client, "/alerts/rules", form)
    assert status == 422
    assert value(text, "expression") == form["expression"]
    assert value(text, "for") == "soon"
    assert value(text, "name") == HOSTILE
    assert HOSTILE not in text
    assert "<mark>volatilty</mark>" in text
    assert text.count('aria-invalid="true"') == 2
    assert "Did you mean volatility?" in text
    assert "symbols-wrong" in text
    assert set(made.watch.state.rules) == {"file-told"}


async def test_form_of_a_name_that_is_taken_says_so_beside_the_name(client: Client) -> None:
    await post(client, "/alerts/rules", FORM)
    status, _, text = await post(client, "/alerts/rules", FORM)
    assert status == 409
    assert 'id="name-wrong"' in text
    assert "names differ" in text


async def test_form_while_the_database_is_away_keeps_what_was_typed(
    made: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any) -> None:
        raise StoreUnavailable("The disk is full; free some space.")

    monkeypatch.setattr(made.store, "write", refuse)
    status, _, text = await post(client, "/alerts/rules", FORM)
    assert status == 503
    assert value(text, "name") == "Fast fall"
    assert "The disk is full; free some space." in text


async def test_form_is_filled_by_the_address_of_the_lab(client: Client) -> None:
    address = (
        "/alerts/rules/new?expression=change(5m)+%3C+-3&symbols=BTCUSDT,ETHUSDT&for=30s&recover=-2&keep_firing_for=1m"
        "&cooldown=10m&repeat=1h&severity=critical&name=From+the+lab&channels=app,webhook"
    )
    text = await page(client, address)
    filled = {
        name: value(text, name) for name in ("expression", "for", "recover", "keep_firing_for", "cooldown", "repeat", "name")
    }
    assert list(filled.values()) == ["change(5m) < -3", "30s", "-2", "1m", "10m", "1h", "From the lab"]
    assert set(re.findall(r'<option value="(\w+)" selected', text)) >= {"BTCUSDT", "ETHUSDT", "critical"}
    assert 'value="some" checked' in text
    assert 'value="webhook" checked' in text
    assert 'value="all" checked' in await page(client, "/alerts/rules/new?symbols=*")


async def test_form_explains_channels_that_are_not_set_up(client: Client) -> None:
    text = await page(client, "/alerts/rules/new")
    assert re.search(r'value="webhook" disabled> <span class="whole">Webhook</span> <small>Set MARKETWATCH_WEBHOOK_URL', text)
    assert 'value="app" checked' in text


async def test_form_is_not_offered_to_a_stranger_who_is_told_how_to_sign_in(made: World) -> None:
    async with made.client() as stranger:
        text = await page(stranger, "/alerts/rules/new?expression=price+%3E+1")
        assert '<form id="rule"' not in text
        assert "/owner?back=%2Falerts%2Frules%2Fnew%3Fexpression" in text
        assert (await post(stranger, "/alerts/rules", FORM))[0] == 401
        shown = await page(stranger, "/alerts/rules/file-told")
        assert "Told by file" in shown
        assert '<form id="rule"' not in shown


async def test_rule_page_shows_standing_versions_and_differences(made: World, client: Client) -> None:
    await post(client, "/alerts/rules", {**FORM, "expression": "price > 1", "name": HOSTILE})
    rule_id = next(key for key in made.watch.state.rules if key != "file-told")
    await post(client, f"/alerts/rules/{rule_id}", {**FORM, "expression": "price > 2", "name": HOSTILE, "version": "1"})
    publish_trades(made.watch, trade("BTCUSDT", 5_000, 50_100.0, 1.0, START_MS + 14_000))
    publish_trades(made.watch, trade("BTCUSDT", 5_001, 50_100.0, 1.0, START_MS + 16_000))
    text = await page(client, f"/alerts/rules/{rule_id}")
    assert HOSTILE not in text
    assert re.search(r'<a href="/symbols/BTCUSDT">BTC</a></th><td><span class="down">firing</span>', text)
    assert "<del>price &gt; 1</del> <ins>price &gt; 2</ins>" in text
    assert "Use version 1 again" in text
    assert (await post(client, f"/alerts/rules/{rule_id}/restore", {"version": "1"}))[0] == 303
    assert made.watch.state.rules[rule_id].expression == "price > 1"
    assert made.watch.state.rules[rule_id].version == 3


async def test_rule_page_changed_from_a_past_version_says_so_and_keeps_what_was_typed(made: World, client: Client) -> None:
    await post(client, "/alerts/rules", FORM)
    await post(client, "/alerts/rules/fast-fall", {**FORM, "for": "1m", "version": "1"})
    status, _, text = await post(client, "/alerts/rules/fast-fall", {**FORM, "for": "2m", "version": "1"})
    assert (status, value(text, "for")) == (409, "2m")
    assert made.watch.state.rules["fast-fall"].for_ms == 60_000


async def test_rule_page_of_the_file_offers_a_copy_and_no_form(made: World, client: Client) -> None:
    text = await page(client, "/alerts/rules/file-told")
    assert '<form id="rule"' not in text
    assert str(made.settings.rules_file) in text
    copied = await page(client, "/alerts/rules/new?copy=file-told")
    assert (value(copied, "name"), value(copied, "for")) == ("Told by file (copy)", "90s")
    status, _, text = await post(client, "/alerts/rules/file-told", {**FORM, "version": "1"})
    assert status == 409
    assert "belongs to" in text


async def test_rule_deleted_by_page_is_asked_about_first_and_can_be_undone(made: World, client: Client) -> None:
    await post(client, "/alerts/rules", FORM)
    assert "Delete the rule" in await page(client, "/alerts/rules/fast-fall/delete")
    _, where, _ = await post(client, "/alerts/rules/fast-fall/delete")
    told = await page(client, where)
    assert 'action="/alerts/rules/fast-fall/restore"' in told
    assert "deleted" in await page(client, "/alerts/rules/fast-fall")
    assert "fast-fall" not in made.watch.state.rules
    await post(client, "/alerts/rules/fast-fall/restore")
    assert "fast-fall" in made.watch.state.rules
    assert await page(client, "/alerts/rules/nothing", 404)
    assert await page(client, "/alerts/rules/nothing/delete", 404)


async def test_rule_switched_and_muted_by_page(made: World, client: Client) -> None:
    await post(client, "/alerts/rules", FORM)
    for path, form, told in (
        ("fast-fall/switch", {"on": "no"}, "off"),
        ("fast-fall/switch", {"on": "yes"}, "on"),
        ("file-told/mute", {"on": "yes"}, "muted"),
    ):
        _, where, _ = await post(client, f"/alerts/rules/{path}", form)
        assert where.startswith(f"/alerts?done={told}&")
        assert 'class="notice told"' in await page(client, where)
    assert made.watch.state.rules["file-told"].muted_until_ms == FOREVER_MS
    assert made.watch.state.rules["fast-fall"].enabled


async def test_alerts_page_offers_examples_that_are_taken_by_one_click_until_there_is_a_rule(
    made: World, client: Client
) -> None:
    text = await page(client, "/alerts")
    forms = re.findall(r'action="/alerts/rules">(.*?)</form>', text)
    assert len(forms) == 3
    for form in forms:
        fields = {unescape(name): unescape(given) for name, given in re.findall(r'name="([^"]*)" value="([^"]*)"', form)}
        assert (await post(client, "/alerts/rules", fields))[0] == 303
    assert len(made.watch.state.rules) == 4
    assert all(rule_.enabled and rule_.symbols == ("*",) for rule_ in made.watch.state.rules.values())
    assert "Begin with one of these" not in await page(client, "/alerts")


async def test_alerts_page_says_nothing_of_acts_that_an_address_invents(client: Client) -> None:
    for query in ("done=created&of=nothing", "done=%3Cb%3E&of=file-told", "done=created", "of=file-told"):
        assert "notice told" not in await page(client, f"/alerts?{query}")


async def test_check_says_what_the_rule_says_now_and_how_often_it_would_have_fired(made: World, client: Client) -> None:
    query = {**FORM, "expression": "price > 50000 and change(5s) < 50", "look": "BTCUSDT"}
    text = await page(client, "/alerts/rules/check", params=query, headers={"HX-Request": "true"})
    assert '<b class="truth' in text
    assert "<dd>50019</dd>" in text
    assert "<code>change(5s)</code></dt><dd>—</dd>" in text
    assert "In the last 24 hours" in text
    whole = await page(client, "/alerts/rules/check", params=query)
    assert "What the rule says now" in whole
    wrong = await page(
        client, "/alerts/rules/check", params={**query, "expression": "pric > 1"}, headers={"HX-Request": "true"}
    )
    assert "<mark>pric</mark>" in wrong
    assert "Write a rule" in await page(client, "/alerts/rules/check", headers={"HX-Request": "true"})


async def test_search_leads_to_the_rule_s_page(client: Client) -> None:
    async with client.get("/search?q=told+by", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/alerts/rules/file-told")


@pytest.mark.parametrize(
    ("kind", "number", "expression"),
    [
        ("above", "50,123.5", "crosses_above(price, 50123.5)"),
        ("below", "49 000", "crosses_below(price, 49000)"),
        ("moves", "2.5%", "abs(change(5m)) >= 2.5"),
        ("falls", "-1", "change(5m) <= -1"),
        ("no such", "1", "crosses_above(price, 1)"),
    ],
)
async def test_small_form_of_a_symbol_leads_to_the_rule_that_it_means(
    client: Client, kind: str, number: str, expression: str
) -> None:
    query = {"kind": kind, "number": number, "symbol": "BTCUSDT"}
    text = await page(client, "/alerts/rules/quick", params=query)
    assert value(text, "expression") == expression
    assert '<option value="BTCUSDT" selected' in text
    form = {**FORM, "name": value(text, "name"), "expression": expression, "scope": "some", "symbols": "BTCUSDT"}
    assert (await post(client, "/alerts/rules", form))[0] == 303
    assert 'action="/alerts/rules/quick"' in await page(client, "/symbols/BTCUSDT")


async def test_small_form_with_nonsense_leads_to_a_form_that_says_so(client: Client) -> None:
    for number in ("", "abc", HOSTILE, "1e999", "\u202e1"):
        text = await page(client, "/alerts/rules/quick", params={"kind": "above", "number": number, "symbol": HOSTILE})
        assert "<script>alert" not in text
        form = {**FORM, "expression": value(text, "expression")}
        assert (await post(client, "/alerts/rules", form))[0] == 422


_NAMES = (
    *("for", "recover", "keep_firing_for", "cooldown", "repeat", "severity", "schedule", "expires", "note", "symbols", "x"),
    *("watchlist", "version", "intrabar"),
    *FORM,
)
_TEXT = st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace").decode())
_VALUES = _TEXT | st.sampled_from(["30s", "yes", "some", "list", HOSTILE])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=st.lists(st.tuples(st.sampled_from(_NAMES), _VALUES)))
async def test_form_hostile_is_refused_or_taken_and_never_breaks_a_page(
    made: World, client: Client, form: list[tuple[str, str]]
) -> None:
    query = [("name", "n"), *form, ("expression", "price > 1")]
    for path in ("/alerts/rules", "/alerts/rules/file-told"):
        status, _, text = await post(client, path, query)
        assert status in (303, 422, 409), text
        assert "<script>alert" not in text
    for path in ("/alerts/rules/new", "/alerts/rules/check"):
        async with client.get(path, params=query) as answer:
            assert answer.status == 200
            assert "<script>alert" not in await answer.text()
    for rule_id in [key for key in made.watch.state.rules if key != "file-told"]:
        assert "<script>alert" not in await page(client, f"/alerts/rules/{rule_id}")
        await post(client, f"/alerts/rules/{rule_id}/delete")
