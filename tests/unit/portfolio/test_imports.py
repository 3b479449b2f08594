"""Exports of the venues become transactions: one file of each layout, with every figure checked."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from marketwatch.model.portfolio import Transaction
from marketwatch.portfolio.errors import ImportRefused
from marketwatch.portfolio.imports.read import Key, Preview, key_of, layout, preview
from marketwatch.portfolio.ledger import Ledger
from tests.kit.books import D, portfolio

TIME = 1_706_704_496_000
"""2024-01-31T12:34:56Z."""


def read(text: str, known: Collection[Key] = (), *, base: str = "USD", **mapping: str) -> Preview:
    return preview(text.encode(), portfolio(base=base), known, mapping=mapping or None)


def told(one: Transaction) -> tuple[object, ...]:
    return one.kind.value, one.coin, one.quantity, one.price, one.currency, one.fee, one.fee_currency


def all_told(found: Preview) -> list[tuple[object, ...]]:
    return [told(one) for one in found.new]


BINANCE_TRADES = """\
Date(UTC),Pair,Side,Price,Executed,Amount,Fee
2024-01-31 12:34:56,BTCUSDT,BUY,42000.5,0.001BTC,42.0005USDT,0.000001BTC
2024-01-31 12:34:56,1INCHUSDT,SELL,0.5,"1,000.5 1INCH",500.25USDT,0.11INCH
2024-01-31 12:34:57,ETHBTC,BUY,0.05,2ETH,0.1BTC,0.0015BNB
"""


def test_binance_trade_history() -> None:
    found = read(BINANCE_TRADES)
    assert (found.format, found.problems, found.skipped) == ("binance-trades", (), ())
    assert all_told(found) == [
        ("buy", "BTC", D("0.001"), D("42000.5"), "USDT", D("0.000001"), "BTC"),
        ("sell", "1INCH", D("1000.5"), D("0.5"), "USDT", D("0.1"), "1INCH"),
        ("buy", "ETH", D(2), D("0.05"), "BTC", D("0.0015"), "BNB"),
    ]
    assert [(row.line, row.transaction.time_ms - TIME, row.transaction.sequence) for row in found.rows] == [
        (2, 0, 0), (3, 0, 1), (4, 1000, 0),
    ]  # fmt: skip


def test_binance_trade_history_of_old() -> None:
    found = read(
        "Date(UTC);Market;Type;Price;Amount;Total;Fee;Fee Coin\n2019-01-31 12:34:56;ETHBTC;SELL;0.031;2;0.062;0.000062;BTC\n"
    )
    assert found.format == "binance-trades-old"
    assert all_told(found) == [("sell", "ETH", D(2), D("0.031"), "BTC", D("0.000062"), "BTC")]


STATEMENT = """\
"User_ID","UTC_Time","Account","Operation","Coin","Change","Remark"
"1","24-01-31 12:00:00","Spot","Deposit","USDT","1000.00000000",""
"1","24-01-31 12:34:56","Spot","Transaction Buy","BTC","0.01000000",""
"1","24-01-31 12:34:56","Spot","Transaction Fee","BNB","-0.00100000",""
"1","24-01-31 12:34:56","Spot","Transaction Spend","USDT","-400.00000000",""
"1","24-01-31 12:34:56","Spot","Transaction Buy","BTC","0.00500000",""
"1","24-01-31 12:34:56","Spot","Transaction Spend","USDT","-200.00000000",""
"1","24-01-31 13:00:00","Spot","Transaction Sold","BTC","-0.00300000",""
"1","24-01-31 13:00:00","Spot","Transaction Revenue","USDT","100.00000000",""
"1","24-01-31 13:00:00","Spot","Transaction Fee","USDT","-0.10000000",""
"1","24-01-31 14:00:00","Earn","Simple Earn Flexible Interest","USDT","0.05000000",""
"1","24-01-31 14:00:00","Spot","Simple Earn Flexible Subscription","USDT","-100.00000000",""
"1","24-01-31 15:00:00","Spot","Distribution","ARB","5.00000000",""
"1","24-01-31 16:00:00","Spot","Withdraw","BTC","-0.01200000","Withdraw fee is included"
"1","24-01-31 17:00:00","Spot","Withdraw","USDT","-499.95000000",""
"""


def test_binance_statement_joins_the_rows_of_a_trade_and_can_be_booked() -> None:
    found = read(STATEMENT)
    assert found.problems == ()
    assert [(one.line, one.message) for one in found.skipped] == [
        (12, "'Simple Earn Flexible Subscription' moves USDT between accounts of the same person.")
    ]
    deposit, buy, sell, interest, airdrop, out, withdrawal = found.new
    assert told(deposit)[:3] == ("deposit", "USDT", D(1000))
    assert told(buy) == ("buy", "BTC", D("0.015"), D(40_000), "USDT", D("0.001"), "BNB")
    assert told(sell)[:3] == ("sell", "BTC", D("0.003"))
    assert told(sell)[4:] == ("USDT", D("0.1"), "USDT")
    assert sell.price is not None
    assert 0 <= sell.price * sell.quantity - 100 < D("1e-18")
    assert (told(interest)[:3], told(airdrop)[:3]) == (("reward", "USDT", D("0.05")), ("airdrop", "ARB", D(5)))
    assert (told(out)[:3], told(withdrawal)[:3]) == (
        ("transfer_out", "BTC", D("0.012")),
        ("withdrawal", "USDT", D("499.95")),
    )
    said = Ledger.replay(portfolio(), found.new).statement()
    assert 0 <= said.cash_total < D("1e-15")
    assert {one.coin: one.quantity for one in said.positions} == {"BTC": 0, "ARB": 5}


def test_binance_statement_whose_trades_cannot_be_told_apart_says_so() -> None:
    rows = "".join(
        f"1,2024-01-31 12:34:56,Spot,Transaction Related,{coin},{change},\n"
        for coin, change in (("BTC", 1), ("ETH", 2), ("USDT", -5))
    )
    found = read(f"User_ID,UTC_Time,Account,Operation,Coin,Change,Remark\n{rows}")
    assert [(one.line, one.column) for one in found.problems] == [(2, "UTC_Time")]
    with pytest.raises(ImportRefused, match=r"Nothing was imported: 1 row cannot be read, the first in line 2: .*told apart"):
        _ = found.new


COINBASE = """\
Transactions
User,Jane Doe,65c1

ID,Timestamp,Transaction Type,Asset,Quantity Transacted,Price Currency,Price at Transaction,Subtotal,\
Total (inclusive of fees and/or spread),Fees and/or Spread,Notes
a5,2024-01-31 12:34:59 UTC,Send,BTC,-0.002,USD,$43000.00,-$86.00,-$86.00,$0.00,Sent 0.002 BTC
a4,2024-01-31 12:34:58 UTC,Convert,BTC,-0.003,USD,$43000.00,$129.00,$130.00,$1.00,Converted 0.003 BTC to 0.05 ETH
a3,2024-01-31 12:34:57 UTC,Staking Income,ETH,0.001,USD,$2500.00,$2.50,$2.50,$0.00,
a2,2024-01-31 12:34:56 UTC,Sell,BTC,-0.001,USD,$42000.00,-$42.00,-$41.00,$1.00,Sold
a1,2024-01-31 12:34:56 UTC,Buy,BTC,0.01,USD,$42000.50,$420.01,$426.00,$5.99,Bought 0.01 BTC
a0,2024-01-31 12:00:00 UTC,Deposit,USD,1000,USD,$1.00,$1000.00,$1000.00,$0.00,
"""


def test_coinbase_history_newest_first_below_its_preamble() -> None:
    found = read(COINBASE)
    assert (found.format, found.problems) == ("coinbase", ())
    assert all_told(found) == [
        ("deposit", "USD", D(1000), None, "USD", D(0), "USD"),
        ("buy", "BTC", D("0.01"), D(42_001), "USD", D("5.99"), "USD"),
        ("sell", "BTC", D("0.001"), D(42_000), "USD", D(1), "USD"),
        ("reward", "ETH", D("0.001"), D(2500), "USD", D(0), "USD"),
        ("sell", "BTC", D("0.003"), D("16.666666666666666667"), "ETH", D(0), "ETH"),
        ("transfer_out", "BTC", D("0.002"), D(43_000), "USD", D(0), "USD"),
    ]
    assert [one.external_id for one in found.new] == ["a0", "a1", "a2", "a3", "a4", "a5"]
    convert = found.new[4]
    assert convert.rate == D(2580)
    said = Ledger.replay(portfolio(), found.new).statement()
    assert said.cash["USD"] == D(1000) - D("420.01") - D("5.99") + 41


def test_coinbase_history_of_old_names_its_columns_otherwise() -> None:
    found = read(
        "Timestamp,Transaction Type,Asset,Quantity Transacted,Spot Price Currency,Spot Price at Transaction,Subtotal,"
        "Total (inclusive of fees and/or spread),Fees and/or Spread,Notes\n"
        '2021-05-01T10:00:00Z,Receive,ETH,0.5,EUR,2500.10,"","","","Received 0.5 ETH"\n',
        base="EUR",
    )
    assert all_told(found) == [("transfer_in", "ETH", D("0.5"), D("2500.1"), "EUR", D(0), "EUR")]


KRAKEN_TRADES = """\
"txid","ordertxid","pair","time","type","ordertype","price","cost","fee","vol","margin","misc","ledgers"
"T1","O1","XXBTZUSD","2024-01-31 12:34:56.7891","buy","limit","42000.5","42.00050","0.10920","0.00100000","0.00000","",""
"T2","O2","ETH/EUR","2024-01-31 12:34:57","sell","market","2300.0","23.01000","0.05","0.01000000","0.00000","",""
"""


def test_kraken_trades() -> None:
    found = read(KRAKEN_TRADES)
    assert found.format == "kraken-trades"
    assert all_told(found) == [
        ("buy", "BTC", D("0.001"), D("42000.5"), "USD", D("0.1092"), "USD"),
        ("sell", "ETH", D("0.01"), D(2301), "EUR", D("0.05"), "EUR"),
    ]
    assert found.new[0].time_ms == TIME + 789


KRAKEN_LEDGERS = """\
"txid","refid","time","type","subtype","aclass","asset","wallet","amount","fee","balance"
"","Q1","2024-01-31 12:00:00","deposit","","currency","ZUSD","spot / main","500.0000","0.0000",""
"L1","Q1","2024-01-31 12:00:01","deposit","","currency","ZUSD","spot / main","500.0000","1.0000","499.0000"
"L2","R1","2024-01-31 12:34:56","trade","","currency","ZUSD","spot / main","-420.0000","0.6720","78.3280"
"L3","R1","2024-01-31 12:34:56","trade","","currency","XXBT","spot / main","0.0100000000","0.0000000000","0.01"
"L4","S1","2024-02-01 00:00:00","staking","","currency","DOT.S","spot / main","0.5000000000","0.0000000000","0.5"
"L5","W1","2024-02-02 00:00:00","withdrawal","","currency","XXBT","spot / main","-0.0050000000","0.0000200000","0.00498"
"L6","M1","2024-02-03 00:00:00","transfer","spottostaking","currency","DOT","spot / main","-0.1","0","0.4"
"""


def test_kraken_ledgers_join_the_rows_of_a_trade() -> None:
    found = read(KRAKEN_LEDGERS)
    assert (found.format, found.problems) == ("kraken-ledgers", ())
    assert [one.line for one in found.skipped] == [2, 8]
    assert all_told(found) == [
        ("deposit", "USD", D(500), None, "USD", D(1), "USD"),
        ("buy", "BTC", D("0.01"), D(42_000), "USD", D("0.672"), "USD"),
        ("reward", "DOT", D("0.5"), None, "USD", D(0), "DOT"),
        ("transfer_out", "BTC", D("0.005"), None, "USD", D("0.00002"), "BTC"),
    ]
    said = Ledger.replay(portfolio(), found.new).statement()
    assert said.cash == {"USD": D("78.328")}
    assert {one.coin: one.quantity for one in said.positions} == {"BTC": D("0.00498"), "DOT": D("0.5")}


def test_kraken_trade_with_one_row_only_asks_for_the_other() -> None:
    lines = KRAKEN_LEDGERS.splitlines()
    found = read("\n".join([lines[0], lines[3]]))
    assert "export the ledgers of all assets together" in found.problems[0].message


GENERIC = """\
time,type,coin,quantity,price,currency,fee,fee_currency,note
2024-01-31 12:34:56,buy,btc,0.5,40000,USDT,10,USDT,first
2024-01-31T13:34:56+01:00,airdrop,arb,12.5,,,,,
"""


def test_generic_file() -> None:
    found = read(GENERIC)
    assert found.format == "generic"
    assert all_told(found) == [
        ("buy", "BTC", D("0.5"), D(40_000), "USDT", D(10), "USDT"),
        ("airdrop", "ARB", D("12.5"), None, "USD", D(0), "USD"),
    ]
    assert {one.time_ms for one in found.new} == {TIME}


def test_mapping_names_the_columns_of_an_unknown_file() -> None:
    text = "Wann,Was,Münze,Menge,Kurs\n2024-01-31 12:34:56,buy,BTC,1,40000\n"
    with pytest.raises(ImportRefused, match="The header of this file is not known"):
        read(text)
    found = read(text, time="Wann", type="Was", coin="Münze", quantity="Menge", price="Kurs")
    assert told(found.new[0])[:4] == ("buy", "BTC", D(1), D(40_000))
    assert found.mapping["price"] == "Kurs"
    with pytest.raises(ImportRefused, match="No column holds the quantity"):
        read(text, time="Wann", type="Was", coin="Münze")
    with pytest.raises(ImportRefused, match="'Nichts'"):
        read(text, time="Nichts")


def test_mapping_to_no_column_leaves_out_what_was_guessed() -> None:
    text = "time,type,coin,quantity,price,fee\n2024-01-31 12:34:56,buy,BTC,1,40000,none\n"
    assert [one.column for one in read(text).problems] == ["fee"]
    assert read(text, fee="").new[0].fee == 0
    with pytest.raises(ImportRefused, match="No column holds the coin"):
        read(text, coin="")


def test_mapping_finds_the_second_of_two_columns_of_one_name_below_a_preamble() -> None:
    text = "An export of something\n\nWann,type,coin,Menge,Menge,price\n2024-01-31 12:34:56,buy,BTC,x,2,3\n"
    assert read(text, time="Wann", quantity="menge 2").new[0].quantity == 2


def test_layout_of_an_unknown_file_guesses_header_and_columns() -> None:
    text = "Account of somebody,2024\nWann;Type;Coin;Menge\n2024-01-31;buy;BTC\n".replace(",", ";")
    found = layout(text.encode())
    assert found is not None
    assert found.columns == ("wann", "type", "coin", "menge")
    assert found.titles == ("Wann", "Type", "Coin", "Menge")
    assert found.sample == ("2024-01-31", "buy", "BTC", "")
    assert found.fields == {"type": "type", "coin": "coin"}
    told = layout(text.encode(), {"time": "Wann", "type": "", "quantity": "nothing"})
    assert told is not None
    assert told.fields == {"time": "wann", "coin": "coin"}


def test_layout_of_the_file_of_a_venue_is_none_until_it_is_told() -> None:
    assert layout(KRAKEN_TRADES.encode()) is None
    told = layout(KRAKEN_TRADES.encode(), {"coin": "pair"})
    assert told is not None
    assert told.fields["coin"] == "pair"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encodings_and_separators_are_found_out(encoding: str, separator: str) -> None:
    text = GENERIC.replace("first", "Grüße").replace(",", separator)
    found = preview(text.encode(encoding), portfolio())
    assert found.new[0].note == "Grüße"
    assert len(found.new) == 2


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("0,5", "'0,5' has a decimal comma; write a decimal point."),
        ("1.000,5", "has a decimal comma"),
        ("1,000", "may mean a thousand or a decimal comma"),
        ("abc", "'abc' is not a number."),
        ("", "The number is missing."),
        ("NaN", "is not a number"),
        ("-1", "it cannot be negative"),
        ("0", "it must be more"),
        ("1e30", "too large"),
        ("1e-30", "more than 18 digits"),
        ("١٢", "is not a number"),
    ],
)
def test_quantity_that_cannot_be_used_names_line_and_column(cell: str, words: str) -> None:
    found = read(f'time,type,coin,quantity,price\n2024-01-31,buy,BTC,1,2\n2024-01-31,buy,BTC,"{cell}",2\n')
    (problem,) = found.problems
    assert (problem.line, problem.column) == (3, "quantity")
    assert words in problem.message
    assert problem.message.endswith(".")


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ("yesterday,buy,BTC,1,2", "time"),
        ("2024-02-30,buy,BTC,1,2", "time"),
        ("1950-01-01,buy,BTC,1,2", "time"),
        (",buy,BTC,1,2", "time"),
        ("2024-01-31,steal,BTC,1,2", "type"),
        ("2024-01-31,buy,,1,2", "coin"),
        ("2024-01-31,buy,BTC,1,", "price"),
    ],
)
def test_row_that_cannot_be_used_is_named(cells: str, column: str) -> None:
    found = read(f"time,type,coin,quantity,price\n{cells}\n")
    assert [(one.line, one.column) for one in found.problems] == [(2, column)]


def test_same_file_again_holds_only_duplicates() -> None:
    for text in (BINANCE_TRADES, STATEMENT, COINBASE, KRAKEN_TRADES, KRAKEN_LEDGERS, GENERIC):
        first = read(text).new
        again = read(text, {key_of(one) for one in first})
        assert again.new == []
        assert all(row.duplicate for row in again.rows)
        assert len(again.rows) == len(first)


def test_equal_rows_without_an_id_are_two_trades_and_stay_two() -> None:
    row = "2024-01-31 12:34:56,BTCUSDT,BUY,42000.5,0.001BTC,42.0005USDT,0.000001BTC\n"
    head = BINANCE_TRADES.splitlines()[0] + "\n"
    both = read(head + row + row).new
    assert len({one.transaction_id for one in both}) == 2
    longer = read(head + row + row + row, {key_of(one) for one in both})
    assert len(longer.new) == 1


def test_one_id_twice_in_a_file_counts_once() -> None:
    lines = KRAKEN_TRADES.splitlines()
    assert len(read("\n".join([*lines, lines[1]])).new) == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\n \n,,\n", "is empty"),
        (b"PK\x03\x04\x00\x00", "no text"),
        (b"\xff\xfe\x00", "no text"),
        (b'time,type,coin,quantity\n2024-01-31,"buy,BTC,1\n', "is not CSV"),
        (b"time,type,coin,quantity\n2024-01-31,buy,BTC,1,5\n", "has 5 cells where the header has 4"),
        (b"a,b,c\n1,2,3\n", "header of this file is not known"),
        (b"x" * 10_000_001, "10,000,000 are the most"),
        (b"time,type,coin,quantity\n" + b"2024-01-31,buy,BTC,1\n" * 100_001, "more than 100,000 rows"),
        (b"time,type,coin,quantity,note\n2024-01-31,buy,BTC,1," + b"n" * 10_001, "more than 10,000 characters"),
    ],
)
def test_file_that_is_none_is_refused_in_a_sentence(data: bytes, words: str) -> None:
    with pytest.raises(ImportRefused, match=words) as caught:
        preview(data, portfolio())
    assert str(caught.value).endswith(".")
