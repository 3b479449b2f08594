"""Whatever is in a file: it is read, or refused by the import's own error."""

from __future__ import annotations

import csv
import io
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from marketwatch.portfolio.errors import ImportRefused, LedgerError
from marketwatch.portfolio.imports.read import FORMATS, preview
from marketwatch.portfolio.ledger import Ledger
from tests.kit.books import portfolio
from tests.unit.portfolio.test_imports import (
    BINANCE_TRADES,
    COINBASE,
    GENERIC,
    KRAKEN_LEDGERS,
    KRAKEN_TRADES,
    STATEMENT,
)

FILES = (BINANCE_TRADES, COINBASE, GENERIC, KRAKEN_LEDGERS, KRAKEN_TRADES, STATEMENT)
CELLS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ("", "0", "-0", "1", "-1", "1e5", "1e-999", "1E+99", "NaN", "Infinity", "1,5", "1,234", "1,234.5", "$1", "-$2.5",
         "9" * 40, "0." + "1" * 40, "BTC", "btcusdt", "BTCUSDT", "BTC/USD", "XXBTZUSD", "1BTC", "1USDT", "0.5 ETH",
         "buy", "SELL", "Deposit", "Withdraw", "Transaction Buy", "Transaction Spend", "Fee", "Convert", "trade", "staking",
         "Converted 1 ETH to 2 BTC", "2024-01-31 12:34:56", "24-01-31 12:34:56", "2024-02-30", "0000-01-01",
         "9999-12-31T23:59:59-23:59", "=1+1", "\ud800", "١", "²", "USD", "ZUSD", "ETH2.S")
    ),
)  # fmt: skip


def taken(data: bytes) -> None:
    """Read, and book what was read."""
    with suppress(ImportRefused, LedgerError):
        Ledger.replay(portfolio(), preview(data, portfolio()).new)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    taken(data)


@given(st.data())
@settings(max_examples=300)
def test_any_cells_below_a_known_header_are_read_or_refused(data: st.DataObject) -> None:
    columns = sorted(
        data.draw(st.sampled_from([*(one.needs for one in FORMATS), frozenset({"time", "type", "coin", "quantity"})]))
    )
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(columns), max_size=len(columns)), max_size=6))
    out = io.StringIO()
    csv.writer(out).writerows([columns, *rows])
    taken(out.getvalue().encode("utf-8", "surrogatepass"))


@given(st.sampled_from(FILES), st.data())
@settings(max_examples=300)
def test_damaged_files_are_read_or_refused(text: str, data: st.DataObject) -> None:
    """One place of a good file is replaced by something else."""
    at = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 12))
    taken((text[:at] + data.draw(CELLS) + text[at + length :]).encode("utf-8", "surrogatepass"))
