"""The migration runner: what is pending, what is refused, what a failure leaves behind."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.errors import MigrationError
from marketwatch.resources import resource_dir
from marketwatch.store.migrate import load_migrations, migrate_sqlite, pending, schema_version_sqlite, statements
from marketwatch.store.queries import queries, sqlite_queries


def write(folder: Path, **files: str) -> Path:
    for name, sql in files.items():
        (folder / f"{name.replace('__', '.')}.sql").write_text(sql)
    return folder


def memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def tables(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_load_takes_the_files_of_one_kind_in_order(tmp_path: Path) -> None:
    write(tmp_path, **{"0002_b": "B", "0001_a__sqlite": "A", "0001_a__postgres": "P"})
    assert [(m.version, m.name, m.sql) for m in load_migrations(tmp_path, "sqlite")] == [(1, "a", "A"), (2, "b", "B")]
    assert [m.sql for m in load_migrations(tmp_path, "postgres")] == ["P", "B"]


@pytest.mark.parametrize("names", [("0001_a", "0001_b"), ("1_a",), ("0001-a",)])
def test_load_number_used_twice_or_bad_name_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    write(tmp_path, **dict.fromkeys(names, "SELECT 1;"))
    with pytest.raises(MigrationError):
        load_migrations(tmp_path, "sqlite")


def test_shipped_migrations_have_the_same_versions_for_both_databases() -> None:
    ours = [[m.version for m in load_migrations(resource_dir("migrations"), kind)] for kind in ("sqlite", "postgres")]
    assert ours[0] == ours[1] == sorted(set(ours[0]))
    assert ours[0][0] == 1


def test_migrate_applies_what_is_new_and_only_once(tmp_path: Path) -> None:
    connection = memory()
    write(tmp_path, **{"0001_a": "CREATE TABLE a (x); INSERT INTO a VALUES (1);"})
    assert migrate_sqlite(connection, load_migrations(tmp_path, "sqlite")) == 1
    write(tmp_path, **{"0002_b": "-- a comment; with a semicolon\nCREATE TABLE b (x);\n-- the end"})
    for _ in range(2):
        assert migrate_sqlite(connection, load_migrations(tmp_path, "sqlite")) == 2
    assert connection.execute("SELECT count(*) FROM a").fetchone() == (1,)
    assert {"a", "b"} <= tables(connection)


def test_migrate_failing_file_leaves_nothing_of_any_new_file_behind(tmp_path: Path) -> None:
    connection = memory()
    write(tmp_path, **{"0001_a": "CREATE TABLE a (x);", "0002_b": "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1);"})
    with pytest.raises(MigrationError, match="Migration 2"):
        migrate_sqlite(connection, load_migrations(tmp_path, "sqlite"))
    assert tables(connection) == set()
    assert not connection.in_transaction


def test_migrate_file_that_ends_halfway_is_refused(tmp_path: Path) -> None:
    connection = memory()
    write(tmp_path, **{"0001_a": "CREATE TABLE a (x); CREATE TABLE b (x"})
    with pytest.raises(MigrationError, match="middle"):
        migrate_sqlite(connection, load_migrations(tmp_path, "sqlite"))
    assert tables(connection) == set()


def test_migrate_applied_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    connection = memory()
    write(tmp_path, **{"0001_a": "CREATE TABLE a (x);"})
    migrate_sqlite(connection, load_migrations(tmp_path, "sqlite"))
    write(tmp_path, **{"0001_a": "CREATE TABLE a (x, y);"})
    with pytest.raises(MigrationError, match="changed"):
        migrate_sqlite(connection, load_migrations(tmp_path, "sqlite"))


def test_migrate_newer_database_is_refused(tmp_path: Path) -> None:
    connection = memory()
    write(tmp_path, **{"0001_a": "CREATE TABLE a (x);", "0002_b": "CREATE TABLE b (x);"})
    migrate_sqlite(connection, load_migrations(tmp_path, "sqlite"))
    (tmp_path / "0002_b.sql").unlink()
    with pytest.raises(MigrationError, match="newer"):
        migrate_sqlite(connection, load_migrations(tmp_path, "sqlite"))


def test_schema_version_of_an_older_database_is_refused_to_a_reader(tmp_path: Path) -> None:
    connection = memory()
    write(tmp_path, **{"0001_a": "CREATE TABLE a (x);"})
    migrate_sqlite(connection, load_migrations(tmp_path, "sqlite"))
    assert schema_version_sqlite(connection, load_migrations(tmp_path, "sqlite")) == 1
    write(tmp_path, **{"0002_b": "CREATE TABLE b (x);"})
    with pytest.raises(MigrationError, match="older"):
        schema_version_sqlite(connection, load_migrations(tmp_path, "sqlite"))


def test_pending_of_nothing_applied_is_everything(tmp_path: Path) -> None:
    write(tmp_path, **{"0001_a": "x;", "0002_b": "y;"})
    assert [m.version for m in pending(load_migrations(tmp_path, "sqlite"), [])] == [1, 2]


def test_statements_keep_semicolons_in_texts_together() -> None:
    assert list(statements("INSERT INTO a VALUES ('x;y');\nSELECT 1;\n")) == ["INSERT INTO a VALUES ('x;y');", "\nSELECT 1;"]


def test_queries_parameters_keep_their_numbers_in_sqlite() -> None:
    assert set(queries()) == set(sqlite_queries())
    assert "symbol_id = ?1 AND time >= ?2" in sqlite_queries()["samples"]
    assert not any("$" in text for text in sqlite_queries().values())


@given(st.lists(st.sampled_from(["SELECT 1", "SELECT ';'", "SELECT '--'", "SELECT /* ; */ 2"]), max_size=6))
def test_statements_splits_any_script_into_its_statements(parts: list[str]) -> None:
    assert len(list(statements(";\n".join([*parts, ""])))) == len(parts)
