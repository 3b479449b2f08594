"""Finds templates/, static/ and migrations/ in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource_dir(name: str) -> Path:
    """The folder `name`: inside the package when installed, beside it in a checkout. Raises FileNotFoundError."""
    for parent in (_PACKAGE, _PACKAGE.parent):
        folder = parent / name
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"The folder {name!r} of marketwatch was found neither in {_PACKAGE} nor beside it.")
