# Two commands are enough: `make demo` and `make test`. Each sets up what it needs on a fresh machine.
.DEFAULT_GOAL := help
.PHONY: help demo test check fix bench chaos adapters docs clean
SHELL := /bin/bash

# The first Python that is new enough.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
# Two at a time: most tests wait for other processes more than they compute.
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist loadgroup
PIP := PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found; install it, or say make PYTHON=/path/to/python"; exit 1; }
	@scripts/create-venv "$(PYTHON)" $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run  ## a first export, from a local Pleo into a book; DEMO='--items 1000' and the like
	@$(BIN)/tallybook demo $(DEMO)
	@command -v tallybook >/dev/null || echo "The command is $(BIN)/tallybook; 'source $(BIN)/activate' puts it on your path." >&2

check: $(VENV)/.dev  ## the everyday part: style, types, import rules, spelling, unit and flow tests
	@scripts/static-checks
	@scripts/ensure-programs hledger curl
	$(PYTEST) -m 'not long' tests/unit tests/flow tests/architecture tests/docs tests/faults/test_sample.py

test: $(VENV)/.dev  ## everything: checks and all tests
	@scripts/static-checks
	@scripts/ensure-programs hledger curl postgresql chromium
	@scripts/ensure-tryton >/dev/null
	$(PYTEST)

fix: $(VENV)/.dev  ## format, and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python scripts/architecture_page.py

bench: $(VENV)/.dev  ## compare with a plain script that follows the guide
	$(BIN)/python bench/run.py $(BENCH)

chaos: $(VENV)/.dev  ## kills and faults at random; MINUTES=20 SEED=7
	@scripts/ensure-programs postgresql
	$(BIN)/python -m tests.faults.chaos $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

adapters: $(VENV)/.dev  ## the whole proof of every adapter (an hour), and their table in docs/adapters.md
	@scripts/ensure-programs postgresql
	@scripts/ensure-tryton >/dev/null
	TALLYBOOK_WRITE_ADAPTER_TABLE=1 TALLYBOOK_KIT_REQUEST_STEP=1 $(BIN)/python -m pytest -q tests/adapters

docs: $(VENV)/.dev  ## write the generated parts of docs/ anew, and build the site from it, offline, into site/
	$(BIN)/python scripts/architecture_page.py
	$(BIN)/python scripts/reference_pages.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --clean
	@echo "The site is in site/: $(BIN)/python -m http.server --bind 127.0.0.1 --directory site"

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
