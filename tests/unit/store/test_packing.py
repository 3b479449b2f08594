"""Packed columns come back exactly, whatever is in them; damaged ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from marketwatch.errors import StoreError
from marketwatch.store.packing import count_of, pack_floats, pack_whole, unpack

prices = st.integers(1, 10**9).map(lambda ticks: ticks / 100)
floats = st.floats(allow_nan=True, allow_infinity=True) | prices | st.just(float("nan"))


def back(data: bytes, kind: type[np.generic] = np.float64) -> NDArray[np.generic]:
    out = np.empty(count_of(data), kind)
    unpack(data, out)
    return out


@given(st.lists(floats, min_size=1, max_size=300))
def test_floats_of_any_kind_come_back_bit_for_bit_equal(values: list[float]) -> None:
    column = np.array(values, np.float64)
    np.testing.assert_array_equal(back(pack_floats(column)), column)


@given(st.lists(st.integers(-(2**62), 2**62) | st.integers(0, 300), min_size=1, max_size=300))
def test_whole_numbers_come_back(values: list[int]) -> None:
    column = np.array(values, np.int64)
    np.testing.assert_array_equal(back(pack_whole(column), np.int64), column)


@given(st.integers(1, 10**8), st.integers(0, 500), st.integers(0, 8), st.data())
def test_decimal_fractions_take_few_bytes_even_with_a_few_odd_ones(
    base: int, spread: int, decimals: int, data: st.DataObject
) -> None:
    ticks = np.array(data.draw(st.lists(st.integers(base, base + spread), min_size=640, max_size=640)))
    column = ticks / 10.0**decimals
    column[7] = np.nan
    packed = pack_floats(column)
    np.testing.assert_array_equal(back(packed), column)
    assert len(packed) <= 32 + 2 * 640 + 12 * 10


def test_steps_of_equal_length_and_constants_take_no_room() -> None:
    assert len(pack_whole(np.arange(3600, dtype=np.int64) * 1000 + 10**12)) <= 48
    assert len(pack_floats(np.full(3600, np.nan))) <= 48
    assert len(pack_floats(np.full(3600, 0.1))) <= 48


@pytest.mark.parametrize("at", [0, 1, 4, 20, 33, 100, -1])
def test_damaged_bytes_are_refused(at: int) -> None:
    data = bytearray(pack_floats(np.random.default_rng(1).normal(size=100)))
    data[at] ^= 0x55
    with pytest.raises(StoreError, match="damaged"):
        unpack(bytes(data), np.empty(100))
    with pytest.raises(StoreError, match="damaged"):
        unpack(bytes(data[:20]), np.empty(100))
