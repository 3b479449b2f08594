"""The measuring parts of the benchmarks measure what they say."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import orjson
import pytest

from benchmarks import harness, venue_server
from tests.repo.sources import ROOT

SCRIPTS = sorted(
    path.stem for path in (ROOT / "benchmarks").glob("*.py") if '__name__ == "__main__"' in path.read_text("utf-8")
)


def test_interleave_lets_rivals_take_turns_and_drops_the_first_round() -> None:
    calls: list[str] = []

    def rival(name: str) -> harness.Rival:
        def run() -> float:
            calls.append(name)
            return float(len(calls))

        return run

    figures = harness.interleave({"a": rival("a"), "b": rival("b")}, 5)
    assert calls == ["a", "b"] * 6
    assert figures["a"].values == (3.0, 5.0, 7.0, 9.0, 11.0)
    assert figures["b"].median == 8.0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.03124, "0.0312"), (4.206, "4.21"), (133.4, "133"), (412_345.0, "412,000"), (99.99, "100")],
)
def test_short_keeps_three_figures(value: float, text: str) -> None:
    assert harness.short(value) == text


def test_report_names_machine_median_spread_and_ratio(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    report = harness.Report("parse", Namespace(json=tmp_path / "out.json"), ("orjson",))
    figures = {"ours": harness.Figure((1.0, 2.0, 3.0)), "peer": harness.Figure((4.0, 5.0, 6.0))}
    report.add(figures, unit="us", base="ours")
    report.print()
    printed = capsys.readouterr().out
    assert "cores" in printed
    assert "orjson" in printed
    assert "(4 to 6, 3 runs)  x 2.50" in printed
    assert orjson.loads((tmp_path / "out.json").read_bytes())["rows"][1]["ratio"] == 2.5


@pytest.mark.parametrize(("aggregate", "number"), [(True, "a"), (False, "t")])
def test_venue_server_counts_ids_per_symbol_from_one(aggregate: bool, number: str) -> None:
    trades = [venue_server.Print(symbol, "61837.63000000", "0.02000000", True) for symbol in ("BTCUSDT", "ETHUSDT", "BTCUSDT")]
    stream = venue_server.Stream(trades, aggregate=aggregate)
    frames = [stream.next(1000 + step) for step in range(4)]
    found = []
    for frame in frames:
        length = int.from_bytes(frame[2:4], "big")
        assert frame[:2] == b"\x81\x7e"
        assert len(frame) == 4 + length
        data = orjson.loads(frame[4:])["data"]
        found.append((data["s"], data[number], data["T"]))
    assert found == [("BTCUSDT", 1, 1000), ("ETHUSDT", 1, 1001), ("BTCUSDT", 2, 1002), ("BTCUSDT", 3, 1003)]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_benchmark_explains_its_options(name: str) -> None:
    command = [sys.executable, "-m", "benchmarks" if name == "__main__" else f"benchmarks.{name}", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert name == "__main__" or "--quick" in done.stdout
