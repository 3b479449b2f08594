"""Fences: what may be imported or called where. The layers themselves are the import-linter contract in pyproject.toml."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter

import pytest
from importlinter import cli as importlinter

from tests.repo.sources import ROOT, Module, dotted, imported, modules

IMPORT_FENCES = {
    "aiohttp": r"marketwatch\.((feed|web)\..+|app|notify\.(webhook|address))",
    "apprise": r"marketwatch\.notify\.apprise",
    "asyncpg": r"marketwatch\.store\.postgres\w*",
    "sqlite3": r"marketwatch\.store\.(sqlite\w*|migrate)",
    "uvloop": r"marketwatch\.(__main__|cli|app|operations|loop)",
    "redis": r"marketwatch\.stream\..+",
    "confluent_kafka": r"marketwatch\.stream\..+",
    "prometheus_client": r"marketwatch\.(telemetry|web\.probes)",
    "jinja2": r"marketwatch\.web\..+",
}
BANNED = {"pandas", "pydantic", "sqlalchemy", "aiosqlite", "apscheduler", "typer", "requests"}
CALL_FENCES = {
    r"os\.(environ(\..*)?|getenv|putenv)": r"marketwatch\.config",
    r"time\.(time|time_ns|ctime)": r"marketwatch\.clock",
    r"(datetime\.(datetime\.)?(now|utcnow|today)|(datetime\.)?date\.today)": r"marketwatch\.clock",
    r"time\.sleep": r"nowhere",
    r"asyncio\.get_event_loop": r"nowhere",
    r"(pickle\.loads?|eval|exec|os\.system)": r"nowhere",
}


@pytest.mark.parametrize("library", sorted(IMPORT_FENCES))
def test_library_imported_only_behind_its_fence(library: str) -> None:
    allowed = re.compile(IMPORT_FENCES[library])
    outside = [
        f"{module.path}:{line} imports {name}"
        for module in modules()
        for name, line in imported(module.tree)
        if name.split(".")[0] == library and not allowed.fullmatch(module.name)
    ]
    assert outside == []


def test_libraries_that_are_not_worth_it_are_imported_nowhere() -> None:
    found = [
        f"{m.path}:{line} imports {name}" for m in modules() for name, line in imported(m.tree) if name.split(".")[0] in BANNED
    ]
    assert found == []


def _uses(module: Module, pattern: re.Pattern[str]) -> list[str]:
    names = {name.rsplit(".", 1)[-1]: name for name, _ in imported(module.tree) if "." in name}
    found = []
    for node in ast.walk(module.tree):
        used = dotted(node) if isinstance(node, ast.Attribute) else dotted(node.func) if isinstance(node, ast.Call) else ""
        full = used if used.split(".")[0] not in names else used.replace(used.split(".")[0], names[used.split(".")[0]], 1)
        if full and (pattern.fullmatch(full) or pattern.fullmatch(used)):
            found.append(f"{module.path}:{getattr(node, 'lineno', 0)} uses {full}")
    return found


@pytest.mark.parametrize("pattern", sorted(CALL_FENCES))
def test_name_used_only_behind_its_fence(pattern: str) -> None:
    allowed = re.compile(CALL_FENCES[pattern])
    uses = [use for module in modules() if not allowed.fullmatch(module.name) for use in _uses(module, re.compile(pattern))]
    assert uses == []


@pytest.mark.parametrize(
    ("source", "pattern"),
    [
        ("import os\nos.environ['X']", r"os\.(environ(\..*)?|getenv|putenv)"),
        ("from os import environ\nenviron.get('X')", r"os\.(environ(\..*)?|getenv|putenv)"),
        ("from time import time\ntime()", r"time\.time"),
        ("from datetime import datetime\ndatetime.now()", r"datetime\.(datetime\.)?now"),
        ("import datetime\ndatetime.datetime.now()", r"datetime\.(datetime\.)?now"),
    ],
)
def test_fence_sees_every_way_of_writing_a_use(source: str, pattern: str) -> None:
    assert _uses(Module("m", "m.py", ast.parse(source), 2), re.compile(pattern))


def test_layers_hold_as_drawn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    code = importlinter.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    assert code == 0, capsys.readouterr().out


def _needs(module: Module) -> set[str]:
    """Modules of ours that `module` imports when it runs, wherever in the file; not those for the type checker alone."""
    typing_only = [node for node in ast.walk(module.tree) if isinstance(node, ast.If) and dotted(node.test) == "TYPE_CHECKING"]
    left_out = {id(inner) for node in typing_only for inner in ast.walk(node)}
    package = module.name.split(".") if module.path.endswith("__init__.py") else module.name.split(".")[:-1]
    found = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in left_out:
            base = ".".join([*package[: len(package) - node.level + 1], *(node.module or "").split(".")]).rstrip(".")
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    parents = {name.rsplit(".", depth)[0] for name in found for depth in range(1, name.count("."))}
    above = {".".join(package[:depth]) for depth in range(len(package) + 1)}
    return (found | parents) & {other.name for other in modules()} - above


def test_modules_import_each_other_in_no_circle() -> None:
    order = TopologicalSorter({module.name: _needs(module) for module in modules()})
    assert len(tuple(order.static_order())) == len(modules())
