"""Frames that no venue should send, and that some have sent."""

from __future__ import annotations

from typing import Any

import orjson

_GOOD: dict[str, Any] = {"e": "trade", "E": 1_790_000_000_001, "s": "BTCUSDT", "t": 7, "p": "61837.63000000", "q": "0.02000000",
                         "T": 1_790_000_000_000, "m": True, "M": True}  # fmt: skip


def _trade(**changes: Any) -> bytes:
    return orjson.dumps({"stream": "btcusdt@trade", "data": {**_GOOD, **changes}})


def _raw(field: str, value: str) -> bytes:
    """The trade with one field replaced by literal text, valid JSON or not."""
    return _trade(**{field: "@@"}).replace(b'"@@"', value.encode())


def malformed_trades() -> dict[str, bytes]:
    """Frames that announce a trade and must not be accepted as one, by what is wrong with them."""
    wrong: dict[str, tuple[str, Any]] = {"price_zero": ("p", "0.00000000"), "price_negative": ("p", "-1.0"),
             "price_words": ("p", "cheap"),
             "price_nan": ("p", "NaN"), "price_infinite": ("p", "Infinity"), "price_huge": ("p", "1e309"),
             "price_null": ("p", None), "price_list": ("p", ["1"]), "quantity_malformed": ("q", "0.-10000"),
             "quantity_nan": ("q", "nan"), "quantity_object": ("q", {}), "time_text": ("T", "yesterday"),
             "time_null": ("T", None), "time_float": ("T", 1.5), "time_before_all": ("T", -62_135_596_800_000),
             "id_text": ("t", "7"), "id_null": ("t", None), "id_negative": ("t", -1), "id_huge": ("t", 2**63),
             "symbol_number": ("s", 7), "symbol_null": ("s", None)}  # fmt: skip
    frames = {name: _trade(**{field: value}) for name, (field, value) in wrong.items()}
    literal = {"literal_nan": ("p", "NaN"), "literal_huge": ("p", "1e309"), "literal_id_huge": ("t", "1" * 400)}
    frames |= {name: _raw(field, value) for name, (field, value) in literal.items()}
    frames["fields_missing"] = orjson.dumps({"stream": "btcusdt@trade", "data": {"e": "trade", "s": "BTCUSDT"}})
    frames["data_null"] = b'{"stream":"btcusdt@trade","data":null}'
    frames["data_list"] = b'{"stream":"btcusdt@trade","data":[1,2,3]}'
    return frames


def broken_frames() -> dict[str, bytes]:
    """Frames that are no message at all, or none that is known."""
    return {
        "empty": b"",
        "not_json": b"hello",
        "cut_json": _trade()[:60],
        "number": b"42",
        "null": b"null",
        "text": b'"trade"',
        "list": b"[1,2,3]",
        "deep": b'{"stream":"btcusdt@trade","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "deep_objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        "ten_megabytes": b'{"stream":"btcusdt@trade","data":{"e":"trade","s":"' + b"A" * 10_000_000 + b'"}}',
        "unknown_event": b'{"stream":"btcusdt@novelty","data":{"e":"novelty","E":1,"s":"BTCUSDT"}}',
        "unknown_stream": b'{"stream":7,"data":{}}',
        "error_text": b'{"error":"blahblah"}',
        "error_flat": b'{"code":2,"msg":"Invalid request","id":null}',
        "error_nested": b'{"error":{"code":3,"msg":"Invalid JSON"}}',
        "lone_surrogate": b'{"stream":"btcusdt@trade","data":{"e":"trade","s":"\\ud800"}}',
        "ticker_array_of_junk": b'{"stream":"!miniTicker@arr","data":[null,7,{"s":"BTCUSDT"},{"s":null,"c":"x"}]}',
        "candle_of_junk": b'{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1,"s":"BTCUSDT","k":{"t":"x","o":null}}}',
        "quote_of_junk": b'{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"x","B":"1","a":null,"A":"1"}}',
        "quote_negative": b'{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"-1","B":"1","a":"2","A":"1"}}',
    }
