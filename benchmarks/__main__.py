"""`python -m benchmarks [--quick] [--only NAME,...]`: every benchmark after the other, each in a process of its own."""

from __future__ import annotations

import argparse
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
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *passed_on], cwd=HERE.parent, check=False)
        print(f"  [{name}: {time.perf_counter() - started:.0f} s]", flush=True)
        code = done.returncode or code
    return code


if __name__ == "__main__":
    sys.exit(main())
