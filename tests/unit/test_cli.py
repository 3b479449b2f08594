"""The command line: grammar, exit codes, sentences. What needs a running program is tested in integration."""

from __future__ import annotations

import pytest

from marketwatch import __version__
from marketwatch.cli import FAILURE, USAGE, build_parser, main
from marketwatch.starting import listen


def test_main_version_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"marketwatch {__version__}\n"


def test_main_impossible_setting_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--port", "seven"]) == USAGE
    captured = capsys.readouterr()
    assert captured.err == "marketwatch: --port was 'seven'; it must be a whole number from 0 to 65535.\n"
    assert captured.out == ""


def test_main_port_that_is_taken_names_it_and_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert main(["--port", str(port), "--host", "127.0.0.1", "--no-browser"]) == FAILURE
    sentence = capsys.readouterr().err
    assert str(port) in sentence
    assert "--port" in sentence


def test_main_healthcheck_nobody_listens_fails_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    assert main(["healthcheck", "--port", str(port)]) == FAILURE
    assert f"Nothing answers on 127.0.0.1:{port}" in capsys.readouterr().err


def test_main_record_with_bad_duration_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "--out", "x.gz", "--duration", "ten"]) == USAGE
    assert "'ten'" in capsys.readouterr().err


def test_main_recording_that_is_not_there_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--feed", "recorded:absent.gz@max", "--port", "0"]) == USAGE
    assert "'absent.gz' does not exist" in capsys.readouterr().err


def test_parser_knows_every_command_of_this_version() -> None:
    words = build_parser().format_help().split()
    for name in ("run", "demo", "record", "migrate", "backup", "restore", "seed", "doctor", "openapi", "healthcheck"):
        assert name in words
