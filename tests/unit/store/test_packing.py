"""Packed columns come back exactly, whatever is in them; damaged ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from marketwatch.errors import StoreError
from marketwatch.store.packing import pack_floats, pack_whole
from marketwatch.store.unpacking import count_of, unpack

prices = st.integers(1, 10**9).map(lambda ticks: ticks / 100)
floats = st.floats(allow_nan=True, allow_infinity=True) | prices | st.just(float("nan"))


def back(data: bytes, kind: type[np.generic] = np.float64) -> NDArray[np.generic]:
    out = np.empty(count_of(data), kind)
    unpack([data], out)
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
        unpack([bytes(data)], np.empty(100))
    with pytest.raises(StoreError, match="damaged"):
        unpack([bytes(data[:20])], np.empty(100))


def a_block(kind: str, random: np.random.Generator, size: int) -> NDArray[np.float64]:
    if kind == "constant":
        return np.full(size, float(random.integers(0, 3)))
    if kind == "raw":
        return random.normal(size=size)
    ticks = 1_000_000 + np.cumsum(random.integers(-3, 4, size) * (100 if kind == "wide" else 1))
    column = ticks / 100
    if kind == "odd" and size > 100:
        column[random.integers(0, size, size // 100)] = random.normal()
    return np.asarray(column)


@given(
    kinds=st.lists(st.sampled_from(["constant", "raw", "ticks", "wide", "odd"]), max_size=40),
    sizes=st.sampled_from([(1, 2), (100, 101), (1, 400), (3600, 3601)]),
    seed=st.integers(0, 2**32),
)
def test_blocks_of_any_kinds_come_back_as_one_column(kinds: list[str], sizes: tuple[int, int], seed: int) -> None:
    random = np.random.default_rng(seed)
    parts = [a_block(kind, random, int(random.integers(*sizes))) for kind in kinds]
    column = np.concatenate([np.empty(0), *parts])
    out = np.full(len(column), np.nan)
    unpack([pack_floats(part) for part in parts], out)
    np.testing.assert_array_equal(out, column)


@given(
    steps=st.lists(st.sampled_from([0, 250, 1000]), max_size=12), holes=st.lists(st.booleans(), min_size=12, max_size=12),
    size=st.integers(1, 5000),
)  # fmt: skip
def test_hours_of_times_come_back_as_one_column_whether_they_go_on_or_not(
    steps: list[int], holes: list[bool], size: int
) -> None:
    parts, start = [], 1_800_000_000_000
    for step, hole in zip(steps, holes, strict=False):
        start += 7000 if hole else 0
        parts.append(np.arange(size, dtype=np.int64) * step + start)
        start += size * step
    column = np.concatenate([np.empty(0, np.int64), *parts])
    out = np.zeros(len(column), np.int64)
    unpack([pack_whole(part) for part in parts], out)
    np.testing.assert_array_equal(out, column)


def test_one_damaged_block_among_many_is_refused_and_told() -> None:
    blocks = [pack_floats(np.random.default_rng(number).normal(size=50)) for number in range(5)]
    blocks[3] = blocks[3][:-1] + bytes([blocks[3][-1] ^ 1])
    with pytest.raises(StoreError, match=r"damaged \(block 3 of 5\)"):
        unpack(blocks, np.empty(250))
    with pytest.raises(StoreError, match="damaged"):
        unpack(blocks[:3], np.empty(151))
