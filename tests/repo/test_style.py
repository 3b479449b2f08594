"""Size, ownership, words and docstrings of the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.repo.sources import ROOT, Module, dotted, modules

MOST_LINES = 400
MOST_FUNCTION_LINES = 60
FEW_LINES = 5
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
"""Exceptions by path or `module.function`, each with its reason."""

PRINTING = {"marketwatch.cli", "marketwatch.operations"}
VAGUE = re.compile(r"(Manager|Helper|Util|Utils)$")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function | ast.ClassDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            yield f"{prefix}.{child.name}", child
            yield from _definitions(child, f"{prefix}.{child.name}")
        else:
            yield from _definitions(child, prefix)


def _length(function: Function) -> int:
    """Lines of the body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_files_are_short() -> None:
    every = (*modules(), *modules(ROOT / "tests"), *modules(ROOT / "benchmarks"))
    long = [f"{m.path}: {m.lines} lines" for m in every if m.lines > MOST_LINES and m.path not in LONG_FILES]
    assert long == []


def test_functions_are_short() -> None:
    long = [
        f"{name}: {_length(node)} lines"
        for module in modules()
        for name, node in _definitions(module.tree, module.name)
        if isinstance(node, Function) and _length(node) > MOST_FUNCTION_LINES and name not in LONG_FUNCTIONS
    ]
    assert long == []


def test_exceptions_from_the_lengths_are_still_needed() -> None:
    lengths = {m.path: m.lines for m in (*modules(), *modules(ROOT / "tests"), *modules(ROOT / "benchmarks"))}
    functions = {name: node for m in modules() for name, node in _definitions(m.tree, m.name) if isinstance(node, Function)}
    assert [path for path in LONG_FILES if lengths.get(path, 0) <= MOST_LINES] == []
    assert [name for name in LONG_FUNCTIONS if name not in functions or _length(functions[name]) <= MOST_FUNCTION_LINES] == []


def test_only_the_command_line_prints() -> None:
    prints = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        if module.name not in PRINTING
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and dotted(node.func) == "print"
    ]
    assert prints == []


def _ownerless(module: Module) -> list[str]:
    """Places that start a task and drop it at once: the loop keeps only a weak reference, and nobody would see its error."""
    found = []
    for node in ast.walk(module.tree):
        dropped = isinstance(node, ast.Expr) or (isinstance(node, ast.Assign) and [dotted(t) for t in node.targets] == ["_"])
        if not dropped or not isinstance(node, ast.Expr | ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        name = dotted(node.value.func) or (node.value.func.attr if isinstance(node.value.func, ast.Attribute) else "")
        if re.search(r"(^|\.)(create_task|ensure_future|run_coroutine_threadsafe)$", name) and not re.match(
            r"(\w*group|tg)\.", name
        ):
            found.append(f"{module.path}:{node.lineno} drops the task of {name}")
    return found


def test_every_task_has_an_owner() -> None:
    assert [place for module in modules() for place in _ownerless(module)] == []


@pytest.mark.parametrize(
    ("source", "dropped"),
    [
        ("asyncio.create_task(work())", True),
        ("_ = asyncio.create_task(work())", True),
        ("asyncio.get_running_loop().create_task(work())", True),
        ("task = asyncio.create_task(work())", False),
        ("group.create_task(work())", False),
        ("self._tasks.add(asyncio.create_task(work()))", False),
    ],
)
def test_task_without_owner_is_noticed(source: str, dropped: bool) -> None:
    assert bool(_ownerless(Module("m", "m.py", ast.parse(source), 1))) is dropped


def test_no_error_is_passed_over() -> None:
    silent = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or dotted(node.type) in {"Exception", "BaseException"})
        and all(isinstance(statement, ast.Pass | ast.Continue) for statement in node.body)
    ]
    assert silent == []


def test_modules_classes_and_public_functions_have_docstrings() -> None:
    """A function of a few lines may let its name and its types speak."""
    bare = [module.path for module in modules() if not ast.get_docstring(module.tree)]
    for module in modules():
        for node in module.tree.body:
            speaks = isinstance(node, Function) and _length(node) <= FEW_LINES
            public = isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_")
            if isinstance(node, Function | ast.ClassDef) and public and not speaks and not ast.get_docstring(node):
                bare.append(f"{module.path}:{node.lineno} {node.name}")
    assert bare == []


def test_no_name_says_nothing() -> None:
    classes = [name for m in modules() for name, node in _definitions(m.tree, m.name) if isinstance(node, ast.ClassDef)]
    vague = [name for name in classes if VAGUE.search(name)]
    vague += [m.path for m in modules() if re.search(r"/(utils?|helpers?|common|misc)\.py$", m.path)]
    assert vague == []


def test_nothing_is_left_unfinished() -> None:
    words = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "raise NotImpl" + "emented"]))
    left = [
        f"{module.path}:{number}"
        for module in modules()
        for number, line in enumerate((ROOT / module.path).read_text("utf-8").splitlines(), 1)
        if words.search(line)
    ]
    assert left == []
