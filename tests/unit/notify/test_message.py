"""Bodies, texts and signatures of notices."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.clock import SystemClock
from marketwatch.notify.backoff import FIRST_S, LONGEST_S, pause_s
from marketwatch.notify.channel import Told
from marketwatch.notify.message import alert_json, as_json, as_text, compose, one_line, subject
from marketwatch.notify.signature import sign, verify
from marketwatch.store.alert_rows import notices_of
from marketwatch.web.api.alerts import alert_row
from tests.kit.alerts import alert
from tests.kit.facts import T0


def told(alert_id: str = "a1", **given: object) -> Told:
    fact = alert(alert_id, **given)
    return Told(notices_of(fact, ("webhook",), T0)[0], fact)


@pytest.mark.parametrize(
    "fact", [alert(), alert(resolved_ms=T0 + 1, acknowledged_ms=T0 + 2, threshold=None, context={"a": [1]})]
)
def test_alert_has_the_shape_of_the_interface(fact: object) -> None:
    assert alert_json(fact) == msgspec.to_builtins(alert_row(fact))  # type: ignore[arg-type]


def test_digest_has_one_id_whatever_the_order() -> None:
    one, two = told("a1"), told("a2")
    forth, back = compose([one, two], digest=True, source="live"), compose([two, one], digest=True, source="live")
    assert forth.message_id == back.message_id
    assert orjson.loads(as_json(forth))["count"] == 2
    assert forth.message_id != compose([one], digest=True, source="live").message_id


def test_market_that_is_not_live_stands_first_in_the_subject() -> None:
    message = compose([told()], digest=False, source="demo")
    assert subject(message).startswith("[DEMO] Warning: BTCUSDT")
    assert "not of a live one" in as_text(message)


@given(st.text())
def test_line_for_a_header_holds_no_control_character(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= 200


@given(st.binary(), st.text(st.characters(codec="utf-8")))
def test_signature_holds_for_its_body_alone(body: bytes, secret: str) -> None:
    header = sign(secret, body, T0 // 1000)
    assert verify(secret, body, header, now_s=T0 // 1000 + 300)
    assert not verify(secret, body + b"x", header, now_s=T0 // 1000)
    assert not verify(secret + "x", body, header, now_s=T0 // 1000)
    assert not verify(secret, body, header, now_s=T0 // 1000 + 301)


@given(st.text())
def test_signature_that_is_anything_is_refused_without_an_error(header: str) -> None:
    assert not verify("key", b"body", header, now_s=0)


def test_pauses_double_up_to_a_quarter_of_an_hour() -> None:
    rng = random.Random(1)
    for attempts in range(1, 200):
        full = min(FIRST_S * 2.0 ** (attempts - 1), LONGEST_S)
        assert full / 2 <= pause_s(attempts, rng) <= full


def test_example_of_the_documentation_takes_what_is_signed_and_nothing_else(root: Path) -> None:
    code = (root / "docs" / "alerts.md").read_text("utf-8").split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(compile(code, "docs/alerts.md", "exec"), names)
    now_s = SystemClock().now_ms() // 1000
    assert names["genuine"]("key", b"body", sign("key", b"body", now_s))
    assert not names["genuine"]("key", b"other", sign("key", b"body", now_s))
    assert not names["genuine"]("key", b"body", sign("key", b"body", now_s - 1000))
