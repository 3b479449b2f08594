"""The wheel carries everything that the program needs and nothing else, and runs far from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.repo.sources import ROOT, tracked

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)], cwd=ROOT, check=True, capture_output=True
    )
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter of an environment of its own that holds the wheel, and sees the dependencies of this one."""
    home = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True, capture_output=True)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = Path(subprocess.run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                               capture_output=True, text=True, check=True).stdout.strip())  # fmt: skip
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def _run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # -P: neither the working directory nor a .pth of a checkout may lend its modules.
    return subprocess.run([str(python), "-P", *arguments], cwd="/", capture_output=True, text=True, timeout=60, check=False)


def test_wheel_holds_exactly_the_tracked_resources(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = set()
    for path in tracked():
        relative = path.relative_to(ROOT)
        if relative.parts[0] == "marketwatch":
            expected.add(relative.as_posix())
        elif relative.parts[0] in {"templates", "static", "migrations"}:
            expected.add(f"marketwatch/{relative.as_posix()}")
    assert expected - inside == set()
    assert [name for name in inside if name.endswith((".env", ".db", ".pyc", ".log", ".sqlite"))] == []
    assert {name.split("/")[0] for name in inside} == {"marketwatch"}


def test_installed_program_explains_itself_from_the_top_folder(python: Path) -> None:
    done = _run(python, "-m", "marketwatch", "--help")
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout


@pytest.mark.parametrize("folder", ["templates", "static", "migrations"])
def test_installed_program_finds_its_resources_inside_the_package(python: Path, folder: str) -> None:
    code = f"import marketwatch.resources as r; print(r.resource_dir({folder!r}))"
    done = _run(python, "-c", code)
    assert done.returncode == 0, done.stderr
    found = Path(done.stdout.strip())
    assert found.parent.name == "marketwatch"
    assert ROOT not in found.parents
    assert any(found.iterdir())
