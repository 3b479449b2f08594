"""The commands beside `run`, through the command line: migrate, seed, backup, restore, doctor, openapi, record, healthcheck."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from marketwatch.cli import FAILURE, OK, USAGE, main
from tests.kit.program import program


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MARKETWATCH_DATA_DIR", str(tmp_path / "data"))


def _count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


def test_seed_backup_restore_a_recording_survives_the_round_trip(
    tmp_path: Path, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.gz"
    with gzip.open(recorded / "binance" / "spot_btcusdt_20240808.gz", "rt") as whole, gzip.open(cut, "wt") as short:
        short.writelines(line for _, line in zip(range(8000), whole, strict=False))
    first, second = tmp_path / "a.db", tmp_path / "b.db"
    assert main(["seed", str(cut), "--database", f"sqlite:///{first}"]) == OK
    assert "Loaded" in capsys.readouterr().err
    samples = _count(first, "market_events")
    assert samples > 50
    assert main(["backup", "--out", str(tmp_path / "b.zst"), "--database", f"sqlite:///{first}"]) == OK
    assert main(["restore", str(tmp_path / "b.zst"), "--database", f"sqlite:///{second}"]) == OK
    assert _count(second, "market_events") == samples
    assert _count(second, "candles") == _count(first, "candles")
    capsys.readouterr()
    assert main(["restore", str(tmp_path / "b.zst"), "--database", f"sqlite:///{second}"]) == FAILURE
    assert "--force" in capsys.readouterr().err
    assert main(["restore", str(tmp_path / "b.zst"), "--force", "--database", f"sqlite:///{second}"]) == OK


def test_backup_over_an_existing_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old").write_text("mine")
    assert main(["backup", "--out", str(tmp_path / "old")]) == USAGE
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "old").read_text() == "mine"


def test_restore_of_something_else_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_bytes(b"no backup" * 100)
    assert main(["restore", str(tmp_path / "x"), "--database", f"sqlite:///{tmp_path / 'r.db'}"]) == FAILURE
    captured = capsys.readouterr().err
    assert captured.startswith("marketwatch: ")
    assert captured.count("\n") == 1


def test_seed_from_a_file_that_is_not_there_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["seed", "absent.gz"]) == USAGE
    assert "'absent.gz'" in capsys.readouterr().err


def test_migrate_twice_says_the_schema_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["migrate", "--database", f"sqlite:///{tmp_path / 'm.db'}"]) == OK
        assert "schema version" in capsys.readouterr().err


def test_doctor_on_the_demo_feed_finds_nothing_wrong_and_a_bad_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MARKETWATCH_FEED", "demo")
    assert main(["doctor", "--database", f"sqlite:///{tmp_path / 'd.db'}"]) == OK
    assert "problem" not in capsys.readouterr().err
    (tmp_path / "file").write_text("in the way")
    assert main(["doctor", "--database", f"sqlite:///{tmp_path / 'file' / 'd.db'}"]) == FAILURE
    assert "problem" in capsys.readouterr().err


def test_openapi_prints_the_document(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["openapi"]) == OK
    document = json.loads(capsysbinary.readouterr().out)
    assert document["openapi"].startswith("3.1")
    assert "/api/market/price/{coin_id}" in document["paths"]


def test_record_the_demo_market_replays_as_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo.zst"
    assert main(["record", "--feed", "demo", "--duration", "2s", "--out", str(out)]) == OK
    assert "Wrote" in capsys.readouterr().err
    assert main(["seed", str(out), "--database", f"sqlite:///{tmp_path / 'demo.db'}"]) == OK
    assert _count(tmp_path / "demo.db", "market_events") > 0


async def test_healthcheck_of_a_running_program_is_ok(capsys: pytest.CaptureFixture[str]) -> None:
    async with program("demo") as running:
        await running.until("/readyz")
        assert main(["healthcheck", "--port", str(running.port)]) == OK
    assert capsys.readouterr().err == ""
