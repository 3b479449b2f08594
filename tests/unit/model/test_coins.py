from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.errors import NotFound
from marketwatch.model.coins import COIN_NAMES, CoinIndex
from marketwatch.model.market import Instrument

INDEX = CoinIndex(
    [
        Instrument("ETHBTC", "ETH", "BTC"),
        Instrument("BTCUSDC", "BTC", "USDC"),
        Instrument("BTCUSDT", "BTC", "USDT"),
        Instrument("ETHUSDT", "ETH", "USDT"),
        Instrument("SOL-USD", "SOL", "USD"),
        Instrument("这是USDT", "这是", "USDT"),
    ]
)


def test_coin_names_table_is_one_to_one() -> None:
    assert len(COIN_NAMES) >= 150
    assert len(set(COIN_NAMES.values())) == len(COIN_NAMES)


@pytest.mark.parametrize(
    ("coin_id", "symbol"),
    [
        ("BTCUSDT", "BTCUSDT"),
        ("btcusdt", "BTCUSDT"),
        ("btc-usdt", "BTCUSDT"),
        ("BTC", "BTCUSDT"),
        ("Bitcoin", "BTCUSDT"),
        ("ethereum", "ETHUSDT"),
        ("ethbtc", "ETHBTC"),
        ("sol-usd", "SOL-USD"),
        ("SOLUSD", "SOL-USD"),
        ("solana", "SOL-USD"),
        ("这是", "这是USDT"),
    ],
)
def test_coin_index_known_spelling_finds_the_dollar_pair(coin_id: str, symbol: str) -> None:
    assert INDEX.symbol(coin_id) == symbol


def test_coin_index_unknown_coin_names_the_nearest() -> None:
    with pytest.raises(NotFound, match=r'Coin "bitcoim" is not watched\. Did you mean bitcoin') as found:
        INDEX.symbol("bitcoim")
    assert found.value.details == [{"coin_id": "bitcoim", "nearest": ["bitcoin"]}]


def test_coin_id_of_unnamed_asset_is_its_code() -> None:
    assert INDEX.coin_id("BTCUSDC") == "bitcoin"
    assert INDEX.coin_id("这是USDT") == "这是"


@given(st.text(max_size=200))
def test_coin_index_any_text_answers_a_watched_symbol_or_not_found(text: str) -> None:
    try:
        found = INDEX.symbol(text)
    except NotFound as error:
        sentence = str(error)
    else:
        sentence = ""
        assert found in INDEX.instruments
    assert len(sentence) < 400
