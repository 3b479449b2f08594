"""The project's files as the repo tests read them."""

from __future__ import annotations

import ast
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "marketwatch"
_CACHES = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
_LEFT_OUT = {".git", ".venv", ".peers", "dist", "build"} | _CACHES


class Module(NamedTuple):
    """One module of the package: `name` as imported, `path` relative to the project, its syntax tree and number of lines."""

    name: str
    path: str
    tree: ast.Module
    lines: int


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the project: what git tracks, or all files below the top where git is not at hand."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
        files = [ROOT / name for name in listed.split("\0") if name]
    else:
        files = [path for path in ROOT.rglob("*") if not _LEFT_OUT & set(path.relative_to(ROOT).parts)]
    return tuple(path for path in sorted(files) if path.is_file())


@cache
def modules(folder: Path = PACKAGE) -> tuple[Module, ...]:
    """Every Python module below `folder`, parsed."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        relative = path.relative_to(ROOT)
        if _LEFT_OUT & set(relative.parts):
            continue
        text = path.read_text("utf-8")
        name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
        found.append(Module(name, relative.as_posix(), ast.parse(text, str(relative)), text.count("\n")))
    return tuple(found)


@cache
def imported(tree: ast.Module) -> tuple[tuple[str, int], ...]:
    """Every absolute import as (dotted name, line): `from a.b import c` gives `a.b.c`."""
    return tuple(_imports(tree))


def _imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def dotted(node: ast.AST) -> str:
    """`asyncio.create_task` for the expression of that name; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""
