"""`python -m benchmarks [--quick] [--only NAME,...]`: every benchmark after the other, each in a process of its own."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
APART = {"__init__", "__main__", "harness"}


def scripts() -> list[str]:
    """Names of the benchmarks: every module here that can be run."""
    return sorted(
        path.stem
        for path in HERE.glob("*.py")
        if path.stem not in APART and '__name__ == "__main__"' in path.read_text("utf-8")
    )


def understood(name: str, options: list[str]) -> list[str]:
    """Those of `options` that the script has, with their values."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    shown = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True)
    has = set(re.findall(r"--[a-z-]+", shown.stdout))
    taken, take = [], False
    for option in options:
        take = option.split("=")[0] in has if option.startswith("--") else take
        if take:
            taken.append(option)
    return taken


def main() -> int:
    """Run them; the exit code is that of the last one that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="names, separated by commas")
    arguments, passed_on = parser.parse_known_args()
    wanted = arguments.only.split(",") if arguments.only else scripts()
    unknown = set(wanted) - set(scripts())
    if unknown:
        parser.error(f"--only was {arguments.only!r}; it must be some of {', '.join(scripts())}")
    code = 0
    for name in wanted:
        started = time.perf_counter()
        command = [sys.executable, "-m", f"benchmarks.{name}", *understood(name, passed_on)]
        done = subprocess.run(command, cwd=HERE.parent, check=False)
        print(f"  [{name}: {time.perf_counter() - started:.0f} s]", flush=True)
        code = done.returncode or code
    return code


if __name__ == "__main__":
    sys.exit(main())
