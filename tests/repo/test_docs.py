"""What the README and its neighbours say is so."""

from __future__ import annotations

import hashlib
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from marketwatch import __version__
from marketwatch.config import FIELDS
from tests.repo import settings_table
from tests.repo.sources import PACKAGE, ROOT, imported, modules, tracked

README = (ROOT / "README.md").read_text("utf-8")
_COMMAND = re.compile(r"^\s*(?:- run: )?(python3 -m venv .+)$", re.MULTILINE)


def _commands(path: str) -> list[str]:
    return _COMMAND.findall((ROOT / path).read_text("utf-8"))


def test_readme_names_one_command_to_run_and_one_to_test() -> None:
    run, test = _commands("README.md")
    assert run.endswith(".venv/bin/python -m marketwatch")
    assert test.endswith(".venv/bin/python -m pytest -n 2")


def test_makefile_repeats_both_commands_of_the_readme() -> None:
    assert _commands("Makefile") == _commands("README.md")


@pytest.mark.parametrize("path", [".ci/run", ".github/workflows/test.yml"])
def test_build_machines_use_the_test_command_of_the_readme(path: str) -> None:
    assert _commands(path) == _commands("README.md")[1:]


def test_readme_shows_the_settings_of_the_code() -> None:
    assert settings_table.with_table(README) == README, "Run `make docs`."


def test_env_example_shows_the_settings_of_the_code() -> None:
    assert (ROOT / ".env.example").read_text("utf-8") == settings_table.env_example(), "Run `make docs`."


def test_every_setting_named_in_the_documents_exists() -> None:
    known = {row.env for row in FIELDS} | {"MARKETWATCH_RECORDED_DATA", "MARKETWATCH_TEST_DATABASE_URL"}
    named = {
        (path.name, name)
        for path in tracked()
        if path.suffix in {".md", ".yml", ".yaml", ".toml"} or path.name in {"Dockerfile", "Procfile", ".env.example"}
        for name in re.findall(r"\bMARKETWATCH_[A-Z_]*[A-Z]\b", path.read_text("utf-8"))
    }
    assert sorted(pair for pair in named if pair[1] not in known) == []


def test_changelog_begins_with_this_version() -> None:
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert first is not None
    assert first[1] == __version__


def test_links_between_documents_lead_to_files() -> None:
    broken = [
        f"{path.relative_to(ROOT)} -> {target}"
        for path in tracked()
        if path.suffix == ".md" and "vendor" not in path.parts
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text("utf-8"))
        if not target.startswith(("http://", "https://", "mailto:")) and not (path.parent / target).exists()
    ]
    assert broken == []


def test_code_paths_named_in_the_readme_exist() -> None:
    names = re.findall(r"`((?:marketwatch|templates|static|migrations|tests|benchmarks|docs|deploy)/[\w./-]*\w)`", README)
    assert names, "the README names the files of the path of a trade"
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_benchmarks_named_in_the_readme_are_runnable() -> None:
    scripts = set(re.findall(r"benchmarks/(\w+)\.py", README))
    assert scripts
    assert [name for name in scripts if "__main__" not in (ROOT / "benchmarks" / f"{name}.py").read_text("utf-8")] == []


# Written in pieces, so that this file does not find itself.
MACHINE = re.compile(
    "|".join(
        [
            r"/wo" + r"rk/(main|shared)",
            r"/ro" + r"ot/",
            r"/ho" + r"me/(?!app\b)[a-z]+/",
            r"/opt/py" + r"pi",
            r"bash_" + r"jobs",
            r"PIP_IN" + r"DEX",
            r"UV_IN" + r"DEX",
            r"(?<!no-emit-)index-" + r"url[= ]",
            r"(?<!no-emit-)find-" + r"links[= ]",
            r"regis" + r"try\+",
            r"pythonho" + r"sted\.org",
            r"pypi\." + r"org",
        ]
    )
)


def test_no_file_names_a_machine_or_a_package_host() -> None:
    found = []
    for path in tracked():
        if path.suffix in {".png", ".woff2", ".ico"} or "vendor" in path.parts:
            continue
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            if MACHINE.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}")
    assert found == []


LOCKS = ("requirements.lock", "requirements-test.lock")


@pytest.mark.parametrize("name", LOCKS)
def test_lock_pins_every_package_by_hash_and_holds_no_address(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert not re.search(r"https?:|file:|--index|--find|--extra|@ ", text)
    entries = re.split(r"\n(?=[a-z])", text.strip())
    assert len(entries) > 10
    assert [entry.split()[0] for entry in entries if not re.match(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==\S+", entry)] == []
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def _pinned(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==(\S+)", (ROOT / name).read_text("utf-8"), re.MULTILINE))


def test_both_locks_pin_the_same_versions() -> None:
    run, test = _pinned(LOCKS[0]), _pinned(LOCKS[1])
    assert run.items() <= test.items()


def _names(requirements: list[str]) -> set[str]:
    """Distribution names without versions and markers."""
    return {re.split(r"[\s<>=!~;\[]", text, maxsplit=1)[0].lower().replace("_", "-") for text in requirements}


def test_locks_hold_every_dependency_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]

    assert _names(project["dependencies"] + extras["fast"]) <= _pinned(LOCKS[0]).keys()
    assert _names(extras["test"]) <= _pinned(LOCKS[1]).keys()
    assert not {"pytest", "mypy", "ruff", "hypothesis"} & _pinned(LOCKS[0]).keys()


def test_every_import_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    providers = metadata.packages_distributions()
    run = _names(project["dependencies"] + extras["fast"] + extras["notify"])
    undeclared = []
    for folder, declared in ((PACKAGE, run), (ROOT / "tests", run | _names(extras["test"]))):
        for module in modules(folder):
            for name, line in imported(module.tree):
                top = name.split(".")[0]
                dists = {dist.lower().replace("_", "-") for dist in providers.get(top, [])}
                own = top in sys.stdlib_module_names or top in {"marketwatch", "tests", "benchmarks"}
                if not own and not dists & declared:
                    undeclared.append(f"{module.path}:{line} imports {name}")
    assert undeclared == []


def test_vendored_files_are_the_listed_ones() -> None:
    vendor = ROOT / "static" / "vendor"
    listed = "".join(path.read_text("utf-8") for path in sorted(vendor.glob("*README.md")))
    files = [
        path for path in tracked() if vendor in path.parents and not path.name.endswith("README.md") and not _is_licence(path)
    ]
    assert files
    others = [path for path in files if f"`{path.name}` is ours" not in listed]
    rows = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in others}
    wrong = [name for name, digest in rows.items() if not any(name in line and digest in line for line in listed.splitlines())]
    assert wrong == [], "static/vendor/README.md lists every file with source, licence and sha256."


def _is_licence(path: Path) -> bool:
    return path.suffix == ".txt" and any(word in path.name.upper() for word in ("LICENSE", "NOTICE", "COPYING"))
