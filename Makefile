PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check conformance bench clean

demo: .venv/.installed
	$(BIN)/rlm-integrations demo

test: .venv/.installed-dev
	$(BIN)/python -m pytest

check: .venv/.installed-dev
	$(BIN)/ruff format $(if $(CI),--check)
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/mypy
	$(BIN)/lint-imports

conformance: .venv-conformance/.installed
	.venv-conformance/bin/python conformance/langchain_core_runnables.py

bench: .venv/.installed .venv-bench/.installed
	$(BIN)/python benchmarks/bench.py $(ARGS)

clean:
	rm -rf .venv .venv-bench .venv-conformance .pytest_cache .ruff_cache .hypothesis .mypy_cache .import_linter_cache .coverage

.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[all]"
	touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

.venv-bench/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venv-bench/bin/python -m pip install --quiet --group bench
	touch $@

.venv-conformance/.installed: pyproject.toml conformance/langchain-core.txt
	$(PYTHON) -m venv .venv-conformance
	.venv-conformance/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venv-conformance/bin/python -m pip install --quiet --group conformance --editable ".[langchain]" \
		"$$(cut -d' ' -f1 conformance/langchain-core.txt)"
	touch $@
