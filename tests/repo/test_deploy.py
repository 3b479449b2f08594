"""The files for containers and hosts are sound."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.kit.ci import missing
from tests.repo.sources import PACKAGE, ROOT

BIN = Path(sys.executable).parent


def _check_schema(schema: str, path: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--no-cache", "--builtin-schema", schema, str(ROOT / path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_workflow_fits_the_schema() -> None:
    _check_schema("vendor.github-workflows", ".github/workflows/test.yml")


def test_compose_file_fits_the_schema() -> None:
    _check_schema("vendor.compose-spec", "deploy/compose.yaml")


def test_render_file_fits_the_schema() -> None:
    document = yaml.safe_load((ROOT / "render.yaml").read_text("utf-8"))
    (service,) = document["services"]
    assert service["healthCheckPath"] == "/healthz"
    assert service["plan"] == "free"


def test_dockerfile_passes_hadolint() -> None:
    hadolint = shutil.which("hadolint", path=str(BIN)) or shutil.which("hadolint")
    if hadolint is None:
        missing("hadolint is not installed")
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_image_runs_without_root_checks_its_health_and_pins_by_hash() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    last = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER (?!root|0)", last, re.MULTILINE)
    assert '"-m", "marketwatch", "healthcheck"' in last
    assert "--require-hashes -r requirements.lock" in text


def test_image_takes_only_what_the_program_needs() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    copied = re.findall(r"^COPY (\S+) (?!\./)", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert ignored[0] == "*"
    for folder in ("marketwatch", "templates", "static", "migrations"):
        assert folder in copied
        assert f"!{folder}" in ignored


def test_dashboard_asks_for_metrics_that_exist() -> None:
    folder = ROOT / "deploy/grafana/provisioning/dashboards"
    board = json.loads((folder / "marketwatch.json").read_text("utf-8"))
    asked = set(re.findall(r"marketwatch_(\w+)", " ".join(t["expr"] for panel in board["panels"] for t in panel["targets"])))
    stems = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in asked}
    source = "".join((PACKAGE / name).read_text("utf-8") for name in ("telemetry.py", "web/probes.py"))
    made = set(re.findall(r"_(?:gauge|counter)\(\s*\"(\w+)\"", source)) | set(re.findall(r'"marketwatch_(\w+)"', source))
    assert stems
    assert stems - made == set()


@pytest.mark.parametrize("path", [".ci/run"])
def test_shell_script_is_sound(path: str) -> None:
    text = (ROOT / path).read_text("utf-8")
    assert text.splitlines()[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in text
    assert subprocess.run(["bash", "-n", str(ROOT / path)], check=False).returncode == 0
