"""What every benchmark shares: the machine, median and spread of five runs or more, rivals that take turns, peers apart.

A benchmark builds a `Report`, lets rivals run by `interleave`, adds the figures and prints. A rival is a callable without
arguments that answers one number (say, microseconds a message). Rivals take turns, so that a neighbour's load or a clock
that slows down hits them all alike; the ratio of their medians is what may be quoted.

    arguments = parse(__doc__)
    report = Report("parse", arguments)
    report.add(interleave({"ours": ours, "peer": peer}, arguments.runs), unit="us a message", base="ours")
    report.print()
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
PEERS = HERE / ".peers"
FEWEST_RUNS = 5

Rival = Callable[[], float]


class PeerMissing(Exception):
    """A peer cannot be installed or run here; the message says why."""


class Figure(NamedTuple):
    """The values of one rival, one a run."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        return f"{short(self.median)} ({short(min(self.values))} to {short(max(self.values))})"


def short(value: float) -> str:
    """Three figures that matter: `0.0312`, `4.21`, `133`, `412,000`."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        digits = len(str(int(abs(value))))
        return f"{round(value, 3 - digits):,.0f}"
    return f"{value:.3g}"


def parse(description: str | None, *, add: Callable[[argparse.ArgumentParser], None] | None = None) -> argparse.Namespace:
    """The options of every benchmark: `--quick`, `--runs`, `--no-peers`, `--json FILE`; `add` may declare more."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller inputs, about a minute at most")
    parser.add_argument("--runs", type=int, default=FEWEST_RUNS, help=f"runs of each rival, at least {FEWEST_RUNS}")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="measure ourselves only; installs nothing")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    if add is not None:
        add(parser)
    arguments = parser.parse_args()
    arguments.runs = max(arguments.runs, FEWEST_RUNS)
    return arguments


def interleave(rivals: Mapping[str, Rival], runs: int = FEWEST_RUNS, *, warm_up: bool = True) -> dict[str, Figure]:
    """Let the rivals take turns `runs` times, after one round that does not count."""
    values: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(runs + warm_up):
        for name, run in rivals.items():
            value = run()
            if turn >= warm_up:
                values[name].append(value)
    return {name: Figure(tuple(found)) for name, found in values.items()}


def machine() -> str:
    """Processor, cores that this process may use, system and Python."""
    return f"{_processor()}, {cores()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def load() -> str:
    """How busy the machine is: figures from a busy machine are worth little, ratios somewhat more."""
    if not hasattr(os, "getloadavg"):
        return "unknown"
    return f"{os.getloadavg()[0]:.1f} on {cores()} cores"


def versions(*names: str) -> str:
    """Installed versions of distributions, for the head of a report."""
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


class Report:
    """Rows of figures under a head that names the machine and the versions."""

    def __init__(self, title: str, arguments: argparse.Namespace, libraries: Sequence[str] = ()) -> None:
        self.title = title
        self._json: Path | None = arguments.json
        self._head = [machine(), f"load before the start {load()}", *([versions(*libraries)] if libraries else [])]
        self._rows: list[dict[str, Any]] = []
        self._notes: list[str] = []

    def add(self, figures: Mapping[str, Figure], *, unit: str, what: str = "", base: str | None = None) -> None:
        """Add rivals of one contest. `base` names the rival with which the others are compared."""
        for name, figure in figures.items():
            ratio = figure.median / figures[base].median if base is not None and figures[base].median else None
            row = {"what": what, "rival": name, "unit": unit, "median": figure.median, "ratio": ratio}
            self._rows.append({**row, "low": min(figure.values), "high": max(figure.values), "runs": len(figure.values)})

    def note(self, text: str) -> None:
        """A remark below the table, for instance a peer that is missing."""
        self._notes.append(text)

    def print(self) -> None:
        """Print the report, and write it as JSON where that was asked for."""
        print(f"\n## {self.title}", *self._head, sep="\n")
        what = None
        for row in self._rows:
            if row["what"] != what:
                what = row["what"]
                print(f"\n{what}" if what else "")
            spread = f"({short(row['low'])} to {short(row['high'])}, {row['runs']} runs)"
            ratio = f"  x {row['ratio']:.2f}" if row["ratio"] is not None else ""
            print(f"  {row['rival']:<44} {short(row['median']):>10} {row['unit']:<24} {spread}{ratio}")
        for text in self._notes:
            print(f"  note: {text}")
        sys.stdout.flush()
        if self._json is not None:
            document = {"title": self.title, "head": self._head, "rows": self._rows, "notes": self._notes}
            self._json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


class Peer:
    """Another library in a virtual environment of its own, below `benchmarks/.peers`. Raises PeerMissing."""

    def __init__(self, name: str, *packages: str) -> None:
        self._home = PEERS / name
        self.python = self._home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        stamp = self._home / ".installed"
        if not stamp.exists() or stamp.read_text("utf-8") != " ".join(packages):
            venv.create(self._home, with_pip=True, clear=True)
            command = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise PeerMissing(f"{name} cannot be installed by pip here: {last}")
            stamp.write_text(" ".join(packages), "utf-8")

    def run(self, script: str, *arguments: str, timeout: float = 300.0) -> Any:
        """Run Python source in the peer's environment; its last line of output is one JSON value."""
        return run_python(self.python, script, *arguments, timeout=timeout)


def run_python(python: Path | str, script: str, *arguments: str, timeout: float = 300.0) -> Any:
    """Run Python source in a process of its own; answers the JSON value of its last line. Raises PeerMissing when it fails."""
    command = [str(python), "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise PeerMissing(f"a peer's script failed: {last}")
    return json.loads(done.stdout.strip().splitlines()[-1])
