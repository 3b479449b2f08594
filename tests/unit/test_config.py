"""Settings: order of sources, and one sentence for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.config import FIELDS, Settings, duration_ms, load
from marketwatch.errors import ConfigError
from marketwatch.setting_values import shown


def test_load_nothing_given_yields_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(environ={"XDG_DATA_HOME": "/data"})
    assert (settings.port, settings.host, settings.feed) == (8080, "127.0.0.1", "auto")
    assert settings.data_dir == Path("/data/marketwatch")
    assert settings.symbols[0] == "BTCUSDT"


def test_load_command_line_beats_environment_beats_file(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text('port = 1\nhost = "::1"\nlog_level = "error"\nwindows = ["5m", 120]\n')
    settings = load(overrides={"port": "3"}, environ={"PORT": "2", "HOST": "0.0.0.0"}, config=file)
    assert (settings.port, settings.host, settings.log_level, settings.windows) == (3, "0.0.0.0", "error", ("5m", "120"))


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"PORT": "99999"}, ["PORT", "'99999'", "65535"]),
        ({"PORT": "http"}, ["PORT", "'http'", "whole number"]),
        ({"MARKETWATCH_WINDW": "60"}, ["MARKETWATCH_WINDW", "MARKETWATCH_WINDOW"]),
        ({"MARKETWATCH_FEED": "kraken"}, ["MARKETWATCH_FEED", "'kraken'", "recorded:PATH"]),
        ({"MARKETWATCH_INGEST_WINDOW": "8-9"}, ["MARKETWATCH_INGEST_WINDOW", "08:00-09:00"]),
        ({"MARKETWATCH_SYMBOLS": "all:USDT,BTCUSDT"}, ["MARKETWATCH_SYMBOLS", "not both"]),
        ({"MARKETWATCH_WINDOWS": "5x"}, ["MARKETWATCH_WINDOWS", "'5x'", "unit"]),
    ],
)
def test_load_impossible_value_is_one_sentence_that_names_it(environ: dict[str, str], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(environ=environ)
    sentence = str(caught.value)
    assert all(word in sentence for word in words), sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_load_secret_with_bad_type_is_never_quoted(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text("secret_key = { a = 1 }\n")
    with pytest.raises(ConfigError, match="secret_key"):
        load(environ={}, config=file)


def test_load_file_with_unknown_key_or_bad_syntax_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text("prot = 1\n")
    with pytest.raises(ConfigError, match=r"'prot' in .*did you mean port\?"):
        load(environ={}, config=file)
    file.write_text("port = = 1\n")
    with pytest.raises(ConfigError, match="line 1"):
        load(environ={}, config=file)
    with pytest.raises(ConfigError, match="does not exist"):
        load(environ={}, config=tmp_path / "absent.toml")


def test_described_secrets_are_blanked() -> None:
    described = Settings.of(database_url="postgresql://u:secret@h/db", secret_key="k").described()
    assert "secret" not in described["database_url"]
    assert described["secret_key"] == "(set)"
    assert described["port"] == "8080"


def test_facts_say_who_said_each_setting(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("port = 9000\nwindow = 90\n")
    environ = {"PORT": "9001", "MARKETWATCH_TAPE_MB": "16"}
    facts = {fact.field: fact for fact in load(environ=environ, config=file, overrides={"feed": "demo"}).facts()}
    assert [fact.env for fact in facts.values()] == [row.env for row in FIELDS]
    found = {name: (facts[name].value, facts[name].origin) for name in ("port", "window", "tape_mb", "feed", "guests")}
    assert found == {
        "port": ("9001", "environment"),
        "window": ("90", "file mine.toml"),
        "tape_mb": ("16", "environment"),
        "feed": ("demo", "command line"),
        "guests": ("on", "default"),
    }


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("wss://a.example/ws", "wss://a.example/ws"),
        ("wss://u:word@a.example:9443/ws", "wss://(hidden)@a.example:9443/ws"),
        ("https://word@a.example", "https://(hidden)@a.example"),
        ("https://a.example?key=word", "https://a.example?(hidden)"),
        ("https://a.example/b#word", "https://a.example/b?(hidden)"),
        ("recorded:/data/a@10", "recorded:/data/a@10"),
    ],
)
def test_address_is_shown_without_what_opens_a_door(address: str, told: str) -> None:
    assert shown((address, "x")) == f"{told}, x"


def test_settings_of_unknown_field_is_refused() -> None:
    with pytest.raises(ConfigError, match="'prot'"):
        Settings.of(prot=1)


def test_fields_every_field_has_its_own_name_and_environment_variable() -> None:
    assert len({row.field for row in FIELDS}) == len({row.env for row in FIELDS}) == len(FIELDS)


@given(st.sampled_from(["", *(row.env for row in FIELDS), "MARKETWATCH_X"]), st.text(max_size=20))
def test_load_any_text_raises_nothing_but_config_error(name: str, value: str) -> None:
    outcome: object
    try:
        outcome = load(environ={name: value.replace("\x00", "")})
    except ConfigError as error:
        outcome = str(error)
    assert isinstance(outcome, Settings) or str(outcome).endswith(".")


@pytest.mark.parametrize(
    ("text", "expected"), [("500ms", 500), ("1.5s", 1500), ("5m", 300_000), ("1h", 3_600_000), ("7d", 604_800_000)]
)
def test_duration_with_unit_is_milliseconds(text: str, expected: int) -> None:
    assert duration_ms(text) == expected
