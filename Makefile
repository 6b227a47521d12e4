PYTHON ?= python3
OLDEST ?= python3.11
NEWEST ?= python3.13
BIN := .venv/bin
# How many at once: see tests/conftest.py. worksteal leaves the tests of a file together, and with them what they share.
PYTEST := -m pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal
# What can differ between versions: what touches a framework, and what bears on pydantic's, asyncio's or CPython's internals.
FACES := langchain llama_index openai otel cli terminal contracts files
INSIDES := core frozen repl sandboxes wire
# Those of them that need a model's or a store's package besides, which only the main environment has.
NEEDS := langchain_openai|llama_index\.llms\.openai_like|llama_index\.vector_stores\.
WITHOUT = $(addprefix --ignore=,$(shell grep -rlE --include='test_*.py' "^ *from ($(NEEDS))" tests))

# Else each process compiles the package and the tests anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-lowest test-newest test-recipes check site release-check component conformance bench evals clean

demo: .venv/.installed
	$(BIN)/rlm-integrations demo

test: component
	$(BIN)/python $(PYTEST)

# The core by itself: after its tests are imported, classes of `typing` have annotations, and LangGraph, which asks for
# those, takes no list for a state any more.
test-lowest: .venv-lowest/.installed
	.venv-lowest/bin/python $(PYTEST) tests/core
	.venv-lowest/bin/python $(PYTEST) $(addprefix tests/,$(FACES)) $(WITHOUT)

test-newest: .venv-newest/.installed
	.venv-newest/bin/python $(PYTEST) $(addprefix tests/,$(FACES) $(INSIDES)) $(WITHOUT)

# Celery wants other versions of what a vector store wants, too. Ray Data takes long.
test-recipes: .venv-recipes/.installed
	.venv-recipes/bin/python -m pytest tests/docs/test_deployment.py tests/ray/test_data.py

check: .venv/.installed-dev
	$(BIN)/ruff format $(if $(CI),--check)
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

site: .venv/.installed-dev
	$(BIN)/mkdocs serve

# CPython and our `repl/` in WebAssembly: a minute, where their sources have changed.
component: .venv/.installed-dev
	$(BIN)/python release/component.py

conformance: .venv-conformance/.installed
	.venv-conformance/bin/python conformance/langchain_core_runnables.py

release-check: .venv-release/.installed component
	.venv-release/bin/python release/check.py

bench: .venv/.installed-dev .venv-bench/.installed .venv-bench-recursive-llm/.installed component
	$(BIN)/python -m benchmarks $(ARGS)

evals: .venv-evals/.installed
	.venv-evals/bin/python -m evals $(ARGS)

clean:
	rm -rf build .venv .venv-lowest .venv-newest .venv-bench .venv-bench-recursive-llm .venv-evals .venv-conformance .venv-release .venv-recipes .pytest_cache .ruff_cache .hypothesis .mypy_cache .import_linter_cache

.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[all]"
	touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

.venv-lowest/.installed: pyproject.toml tests/constraints-lowest.txt
	$(OLDEST) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venv-lowest/bin/python -m pip install --quiet --editable ".[all]" --group test --constraint tests/constraints-lowest.txt
	touch $@

.venv-newest/.installed: pyproject.toml
	$(NEWEST) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venv-newest/bin/python -m pip install --quiet --editable ".[all]" --group test
	touch $@

.venv-recipes/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-recipes
	.venv-recipes/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venv-recipes/bin/python -m pip install --quiet --editable ".[all]" --group test --group recipes
	touch $@

.venv-bench/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venv-bench/bin/python -m pip install --quiet --group bench
	touch $@

.venv-bench-recursive-llm/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-bench-recursive-llm
	.venv-bench-recursive-llm/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venv-bench-recursive-llm/bin/python -m pip install --quiet --group bench-recursive-llm
	touch $@

.venv-evals/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-evals
	.venv-evals/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venv-evals/bin/python -m pip install --quiet --editable ".[compare,openai]" --group evals
	touch $@

.venv-release/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venv-release/bin/python -m pip install --quiet --group release
	touch $@

.venv-conformance/.installed: pyproject.toml conformance/langchain-core.txt
	$(PYTHON) -m venv .venv-conformance
	.venv-conformance/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venv-conformance/bin/python -m pip install --quiet --group conformance --editable ".[langchain]" \
		"$$(cut -d' ' -f1 conformance/langchain-core.txt)"
	touch $@
