"""A tenth of a processor and 512 MB: control groups of our own, as a small container has them. Wants root on Linux."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tests.kit.ci import missing

_ROOT = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def small_container(*, cpus: float, memory_bytes: int) -> Iterator[tuple[str, ...]]:
    """The words to put before a command so that it runs within the limits; the groups are removed at the end."""
    name = f"marketwatch-test-{os.getpid()}"
    groups: list[Path] = []
    try:
        try:
            _limit(groups, name, cpus, memory_bytes)
        except OSError as error:
            missing(f"control groups cannot be made here ({error}); it takes root on Linux")
        joins = "; ".join(f"echo $$ > {group}/cgroup.procs" for group in groups)
        yield ("sh", "-c", f'{joins}; exec "$@"', "sh")
    finally:
        for group in groups:
            with contextlib.suppress(OSError):
                group.rmdir()


def _limit(groups: list[Path], name: str, cpus: float, memory_bytes: int) -> None:
    """Version 1 has a tree for each kind of limit, version 2 one tree for all."""
    quota = str(round(cpus * 100_000))
    if (_ROOT / "cgroup.controllers").exists():
        (_ROOT / "cgroup.subtree_control").write_text("+cpu +memory")
        group = _new(groups, _ROOT / name)
        (group / "cpu.max").write_text(f"{quota} 100000")
        (group / "memory.max").write_text(str(memory_bytes))
        return
    group = _new(groups, _ROOT / "cpu" / name)
    (group / "cpu.cfs_quota_us").write_text(quota)
    group = _new(groups, _ROOT / "memory" / name)
    (group / "memory.limit_in_bytes").write_text(str(memory_bytes))


def _new(groups: list[Path], group: Path) -> Path:
    group.mkdir()
    groups.append(group)
    return group
