# Postern.  `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# pytest-xdist workers for the test lanes; 2 suits the smallest machine we support.
WORKERS ?= 2

.PHONY: help install dev demo test test-all check fmt lint types imports bench faults soak lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -e 's/:.*##/\t/' | expand -t 14

$(VENV)/.installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

$(VENV)/.dev: $(VENV)/.installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	touch $@

install: $(VENV)/.installed  ## make .venv with the `postern` command
dev: $(VENV)/.dev  ## .venv with the test and check tools

demo: install  ## start the whole gateway with simulated carriers (Ctrl-C stops it)
	exec $(BIN)/postern demo

test: dev  ## the fast lane: unit, property, conformance (SQLite and PostgreSQL), flow
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow"

test-all: dev  ## every lane
	$(BIN)/python -m pytest -n $(WORKERS)

check: dev  ## format, lint, types (strict), import contracts; no tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: dev  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install  ## CPU microseconds per message, ratio to the null relay, latencies, memory
	$(BIN)/postern bench

faults: dev  ## 200 seeded kills of the real daemon under load, both stores (KILLS=, SEED=)
	$(BIN)/python -m tests.faults.kill_loop --kills $(or $(KILLS),200) $(if $(SEED),--seed $(SEED)) --store both

soak: install  ## mixed load with kills and faults for a while, and a verdict (MINUTES=)
	$(BIN)/postern soak --minutes $(or $(MINUTES),30)

lock: dev  ## pin the dependencies again (needs uv)
	uv pip compile --quiet --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	uv pip compile --quiet --no-emit-index-url --no-header --python-version 3.11 --extra dev pyproject.toml -o requirements-dev.lock

clean:  ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
