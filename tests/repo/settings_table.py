"""The settings as the README and `.env.example` list them, made from `config.FIELDS`.

`python -m tests.repo.settings_table --write` (or `make docs`) brings both files up to date; a test holds them equal.
"""

from __future__ import annotations

import sys
from pathlib import Path

from marketwatch.config import FIELDS, Setting

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"
_HEAD = """# Every setting with its default. Copy to .env for containers, or export what you change.
# The same names in lower case, without MARKETWATCH_, may stand in marketwatch.toml.
"""


def readme_table() -> str:
    """The table between the two marks of the README."""
    rows = [f"| `{row.env}` | `{row.field}` | {_shown(row)} | {_cell(row.help)} |" for row in FIELDS]
    return "\n".join(["| environment | in the file | default | what |", "|---|---|---|---|", *rows])


def env_example() -> str:
    """The whole text of `.env.example`: every setting commented out with its default."""
    return _HEAD + "".join(f"\n# {row.help.replace('`', '')}\n# {row.env}={row.default}\n" for row in FIELDS)


def with_table(readme: str) -> str:
    """The README with the table between its marks replaced."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{readme_table()}\n{END}{after}"


def _shown(row: Setting) -> str:
    return f"`{_cell(row.default.replace(',', ', '))}`" if row.default else "empty"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write both files with `--write`, else print the table."""
    if arguments != ["--write"]:
        print(readme_table())
        return 0
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text("utf-8")), "utf-8")
    (ROOT / ".env.example").write_text(env_example(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
