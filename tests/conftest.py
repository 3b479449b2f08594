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
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.kit.ci import missing, on_ci
from tests.kit.guards import LoopGuard, NetworkGuard

ROOT = Path(__file__).resolve().parent.parent

TIMED = re.compile(
    r"integration/test_(feed|clients|program|binance|coinbase|sse|redis|operations|notify|alerts_killed|gulp|ws|store)"
)
"""Tests that hold a running program to a time. Where tests run side by side these take turns: none makes another late."""

settings.register_profile("marketwatch", deadline=None, derandomize=on_ci(), suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("marketwatch")


def line_of(nodeid: str) -> str:
    """What a test has to stand in line for: tests of one line never run side by side."""
    file = nodeid.partition("::")[0]
    return "timed" if TIMED.search(file) else "browser" if "/browser/" in file else file


class Lines(LoadScopeScheduling):
    """With `-n 2`: a file's tests stay together, the timed ones and those of the browser in one line each."""

    def _split_scope(self, nodeid: str) -> str:
        return line_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Lines:
    config.option.loadscopereorder = False
    return Lines(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The timed line begins first and that of the browser late, so that no browser makes a timed test wait.

    A test of these lines that fails is tried once more, for a machine may have been busy; nothing else gets a second chance.
    """
    items.sort(key=_turn)
    for item in items:
        if line_of(item.nodeid) in ("timed", "browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What failed and then passed is told whole: a race may look like a busy machine."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"tried again: {report.nodeid}", sep="_")
        terminalreporter.line(report.longreprtext)


def _turn(item: pytest.Item) -> int:
    line = line_of(item.nodeid)
    if line in ("timed", "browser"):
        return 0 if line == "timed" else 2
    return 3 if "/integration/" in line else 1


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
