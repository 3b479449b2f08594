"""From the command to the first page, and the memory of an idle process a few seconds later.

Ours is the whole program on the demo market with a throw-away store, in an environment of `requirements.lock` alone. Peers
answer one line of text and do nothing else: FastAPI behind uvicorn, and a Streamlit page.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import Figure, Peer, PeerMissing, Report, interleave, parse

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60.0
_FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/')\ndef hello(): return 'hello'\n"
_STREAMLIT = "import streamlit as st\nst.write('hello')\n"


class Boot(NamedTuple):
    """Seconds until the port answered, seconds until the page was there, resident megabytes after the rest."""

    answer_s: float
    page_s: float
    rss_mb: float


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def get(url: str) -> tuple[int, bytes] | None:
    """Status and body; None while nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return None


def boot(command: Sequence[str], port: int, *, env: Mapping[str, str], folder: Path, rest_s: float) -> Boot:
    """Start `command`, wait for its page, let it rest, read its memory, end it."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, **env}, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        answer_s, page_s = _wait(process, f"http://127.0.0.1:{port}/", started)
        time.sleep(rest_s)
        return Boot(answer_s, page_s, _rss_mb(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, started: float) -> tuple[float, float]:
    answer_s = 0.0
    while time.perf_counter() - started < PATIENCE_S:
        if process.poll() is not None:
            raise PeerMissing(f"{process.args!r} ended with code {process.returncode} before its first page")
        answer = get(url)
        now = time.perf_counter() - started
        answer_s = answer_s or (now if answer is not None else 0.0)
        if answer is not None and answer[0] == 200 and b"is starting" not in answer[1]:
            return answer_s, now
        time.sleep(0.002)
    raise PeerMissing(f"{process.args!r} had no page after {PATIENCE_S:g} s")


def _rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def _runtime(report: Report) -> str:
    """An interpreter with what the program needs and nothing more; our own where that cannot be installed."""
    try:
        return str(Peer("runtime", "--require-hashes", "-r", str(ROOT / "requirements.lock")).python)
    except PeerMissing as error:
        report.note(f"measured in the environment of the tests: {error}")
        return sys.executable


class Contest:
    """Boots of every rival; `page_s` is the figure that the turns compare, the others are kept."""

    def __init__(self, folder: Path, rest_s: float) -> None:
        self._folder = folder
        self._rest_s = rest_s
        self.boots: dict[str, list[Boot]] = {}

    def ours(self, name: str, python: str, *options: str) -> float:
        """The program itself, with a data folder of its own."""
        port = free_port()
        env = {"PYTHONPATH": str(ROOT), "MARKETWATCH_DATA_DIR": str(self._folder / "data"), "PORT": str(port)}
        return self._keep(name, [python, "-m", "marketwatch", "run", "--no-browser", *options], port, env)

    def fastapi(self, name: str, peer: Peer) -> float:
        """One route behind uvicorn."""
        (self._folder / "hello_api.py").write_text(_FASTAPI, "utf-8")
        port = free_port()
        return self._keep(name, [str(peer.python), "-m", "uvicorn", "hello_api:app", "--port", str(port)], port, {})

    def streamlit(self, name: str, peer: Peer) -> float:
        """One line of text."""
        script = self._folder / "hello_page.py"
        script.write_text(_STREAMLIT, "utf-8")
        port = free_port()
        options = ["--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
        options += ["--browser.gatherUsageStats", "false"]
        return self._keep(name, [str(peer.python), "-m", "streamlit", "run", str(script), *options], port, {})

    def _keep(self, name: str, command: Sequence[str], port: int, env: Mapping[str, str]) -> float:
        found = boot(command, port, env=env, folder=self._folder, rest_s=self._rest_s)
        self.boots.setdefault(name, []).append(found)
        return found.page_s

    def figure(self, name: str, field: str) -> Figure:
        """Another value of the counted boots (the first is the warm-up)."""
        return Figure(tuple(getattr(found, field) for found in self.boots[name][1:]))


def measure(report: Report, arguments: argparse.Namespace, folder: Path) -> None:
    """All rivals in turns."""
    contest = Contest(folder, rest_s=2.0 if arguments.quick else 10.0)
    rivals = {"marketwatch, demo": partial(contest.ours, "marketwatch, demo", _runtime(report), "--feed", "demo")}
    for name, packages, start in (
        ("FastAPI + uvicorn, hello", ("fastapi", "uvicorn"), contest.fastapi),
        ("Streamlit, hello", ("streamlit",), contest.streamlit),
    ):
        if not arguments.peers:
            break
        try:
            rivals[name] = partial(start, name, Peer(packages[0], *packages))
        except PeerMissing as error:
            report.note(str(error))
    figures = interleave(rivals, arguments.runs)
    report.add(figures, unit="s", what="first page", base="marketwatch, demo")
    if any(name.startswith("Streamlit") for name in rivals):
        report.note("Streamlit's first answer is an empty shell; its text follows over a WebSocket, which is not counted")
    report.add({name: contest.figure(name, "answer_s") for name in rivals}, unit="s", what="the port answers")
    report.add({name: contest.figure(name, "rss_mb") for name in rivals}, unit="MB", what="resident memory")


def main() -> None:
    """Measure and print."""
    arguments = parse(__doc__)
    report = Report("Boot", arguments, ("aiohttp", "numpy", "jinja2"))
    with tempfile.TemporaryDirectory(prefix="marketwatch-bench-") as folder:
        measure(report, arguments, Path(folder))
    report.print()


if __name__ == "__main__":
    main()
