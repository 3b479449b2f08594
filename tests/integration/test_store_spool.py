"""The spool file: what waits on disk comes back as it was, whatever happens to the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from marketwatch.errors import StoreError
from marketwatch.model.market import Instrument, Samples
from marketwatch.ports import WriteBatch
from marketwatch.store.alert_rows import notices_of
from marketwatch.store.spool import Spool, decode, encode
from tests.kit.alerts import alert, rule
from tests.kit.facts import T0, candle, gap, step, trade, traded, whale


def batch(number: int) -> WriteBatch:
    return WriteBatch(
        instruments=[Instrument("币USDT", "币", "USDT")],
        samples=[step(T0 + number, {"A": traded(1.0, bid=0.5), "币USDT": {}}), step(T0, {"B": traded(2.0)}, revised=[0])],
        trades=[trade(trade_id=number)],
        whales=[whale()],
        candles=[candle()],
        gaps=[gap()._replace(from_id=None)],
        venue_candles=[candle(gap=True)],
        rules=[rule(symbols=("A", "币USDT"), repeat_ms=5)],
        alerts=[alert(context={"terms": {"price": 1.5, "币": None}})],
        notifications=notices_of(alert(), ("app", "mail"), T0),
    )


def same(a: Samples, b: Samples) -> bool:
    for field in fields(a):
        one, two = getattr(a, field.name), getattr(b, field.name)
        if isinstance(one, np.ndarray):
            if one.dtype != two.dtype or not np.array_equal(one, two, equal_nan=one.dtype == np.float64):
                return False
        elif one != two:
            return False
    return True


def test_codec_batch_comes_back_as_it_was() -> None:
    given, found = batch(1), decode(encode(batch(1)))
    assert all(same(a, b) for a, b in zip(given.samples, found.samples, strict=True))
    for name in ("instruments", "trades", "whales", "candles", "gaps", "venue_candles", "rules", "alerts", "notifications"):
        assert getattr(found, name) == getattr(given, name)


@pytest.mark.parametrize("data", [b"", b"garbage", encode(WriteBatch())[:-3]])
def test_codec_garbage_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        decode(data)


def drained(spool: Spool) -> list[int]:
    ids = []
    while (found := spool.first()) is not None:
        ids.append(found.trades[0].trade_id)
        spool.drop_first()
    return ids


def test_spool_is_a_queue_that_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "new" / "spool.bin"
    spool = Spool(path, most_bytes=10**6)
    for number in range(3):
        assert spool.append(batch(number))
    first = spool.first()
    assert first is not None
    spool.drop_first()
    spool.append(batch(3))
    spool.close()
    assert path.stat().st_mode & 0o077 == 0
    later = Spool(path, most_bytes=10**6)
    assert drained(later) == [0, 1, 2, 3]
    assert later.bytes == 0
    later.close()
    assert not path.exists()


def test_spool_that_is_full_says_so_and_takes_again_when_drained(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.bin", most_bytes=1)
    assert spool.append(batch(1))
    assert not spool.append(batch(2))
    assert drained(spool) == [1]
    assert spool.append(batch(3))
    spool.close()


def test_spool_torn_end_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "spool.bin"
    spool = Spool(path, most_bytes=10**6)
    for number in range(3):
        spool.append(batch(number))
    spool.close()
    path.write_bytes(path.read_bytes()[:-5])
    later = Spool(path, most_bytes=10**6)
    assert drained(later) == [0, 1]
    later.append(batch(9))
    assert drained(later) == [9]
    later.close()


def test_spool_flipped_byte_costs_one_record_which_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "spool.bin"
    spool = Spool(path, most_bytes=10**6)
    for number in range(3):
        spool.append(batch(number))
    spool.close()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    later = Spool(path, most_bytes=10**6)
    assert drained(later) == [0, 2]
    assert later.damaged == 1
    later.close()


def test_spool_of_another_process_is_left_alone(tmp_path: Path) -> None:
    one, other = Spool(tmp_path / "spool.bin", most_bytes=10**6), Spool(tmp_path / "spool.bin", most_bytes=10**6)
    assert one.append(batch(1))
    assert not other.append(batch(2))
    assert other.first() is None
    assert drained(one) == [1]
    one.close()
    other.close()


def test_spool_whose_disk_refuses_even_to_be_tidied_says_so_and_goes_on(tmp_path: Path) -> None:
    class Refusing:
        def __getattr__(self, name: str) -> Callable[..., int]:
            def refuse(*_: object) -> int:
                raise OSError(f"no {name} today")

            return refuse

    spool = Spool(tmp_path / "spool.bin", most_bytes=1_000_000)
    assert spool.open()
    sound, spool._file = spool._file, cast("Any", Refusing())
    with pytest.raises(StoreError, match="no seek today"):
        spool.append(WriteBatch(gaps=[gap("g1")]))
    spool._file = sound
    assert spool.append(WriteBatch(gaps=[gap("g1")]))
    spool.close()
