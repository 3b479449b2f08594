# Short forms of what people do daily; the long forms stand in the README and need no make.

.PHONY: run test lint format bench docs lock clean

run:
	python3 -m venv .venv && .venv/bin/pip install -q --require-hashes -r requirements.lock && .venv/bin/python -m marketwatch

test:
	python3 -m venv .venv && .venv/bin/pip install -q --require-hashes -r requirements-test.lock && .venv/bin/python -m pytest -n 2

lint:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format:
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench:
	.venv/bin/python -m benchmarks --quick

docs:
	.venv/bin/python -m tests.repo.settings_table --write

# Needs uv (pip install uv).
COMPILE = uv pip compile -q --no-strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --universal --python-version 3.11
lock:
	$(COMPILE) --extra fast -o requirements.lock pyproject.toml
	$(COMPILE) --all-extras -c requirements.lock -o requirements-test.lock pyproject.toml

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov dist build benchmarks/.peers
