"""Fixtures and rules that hold for every test."""

from __future__ import annotations

import gc
import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.kit.ci import missing, on_ci
from tests.kit.guards import LoopGuard, NetworkGuard

ROOT = Path(__file__).resolve().parent.parent

TIMED = re.compile(
    r"integration/test_(feed|clients|program|binance|coinbase|sse|redis|operations|notify|alerts_killed|gulp|ws|store)"
)
"""Tests that hold a running program to a time. Where tests run side by side these take turns: none makes another late."""

settings.register_profile("marketwatch", deadline=None, derandomize=on_ci(), suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("marketwatch")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Side by side (`-n 2 --dist loadgroup`) a file's tests stay together, the timed ones and those of the browser in one line
    each; these two lines are begun apart, so that a browser makes no timed test late."""
    items.sort(key=_turn)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_line(item)))


def _line(item: pytest.Item) -> str:
    file = item.nodeid.partition("::")[0]
    return "timed" if TIMED.search(file) else "browser" if "/browser/" in file else file


def _turn(item: pytest.Item) -> int:
    line = _line(item)
    return ["timed", "other", "browser", "integration"].index(
        line if line in ("timed", "browser") else "integration" if "/integration/" in line else "other"
    )


@pytest.fixture(scope="session")
def root() -> Path:
    """The top folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of the recordings: `MARKETWATCH_RECORDED_DATA`, or `../shared/data` beside the project.

    Without it the test is skipped; where `CI` is set it fails.
    """
    folder = Path(os.environ.get("MARKETWATCH_RECORDED_DATA") or ROOT.parent / "shared" / "data").resolve()
    if not folder.is_dir():
        missing(f"There are no recordings in {folder}; set MARKETWATCH_RECORDED_DATA to the folder that holds them.")
    return folder


@pytest.fixture(autouse=True)
def _this_machine_only(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        guard = NetworkGuard(patch)
        yield
    if guard.refused and request.node.get_closest_marker("offline") is None:
        pytest.fail(f"The test tried to reach {', '.join(sorted(set(guard.refused)))}.", pytrace=False)


@pytest.fixture(autouse=True)
def _no_lost_errors(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        guard = LoopGuard(patch)
        yield
        if inspect.iscoroutinefunction(getattr(request.node, "function", None)):
            gc.collect(1)
    if guard.problems:
        pytest.fail("The event loop met errors that nobody handled:\n" + "\n".join(guard.problems), pytrace=False)
