# Freshtune: `make demo` and `make test` do all the set-up by themselves.
PYTHON ?= python3
BIN := .venv/bin
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip -qq --disable-pip-version-check

.PHONY: help demo test check bench docs up
help:
	@echo "make demo    retrain on the sample logs, here and now"
	@echo "make up      start Prefect's and MLflow's servers, a worker, and a watcher of new logs"
	@echo "make test    run the tests"
	@echo "make bench   measure all that the documents quote, in one run; keep the machine quiet meanwhile"
	@echo "make docs    the documents as pages, in build/docs"
	@echo "make check   format, lint, types, layers, docs"

.venv/.installed: pyproject.toml constraints.txt
	@echo "installing into .venv (once; a few minutes) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Freshtune needs Python 3.11 or newer: make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) install --upgrade "pip>=25.1"
	@$(PIP) install -c constraints.txt -e . --group dev
	@touch $@

demo: .venv/.installed
	@$(BIN)/freshtune run demo
	@echo
	@$(BIN)/freshtune show latest --replies

up: .venv/.installed
	@$(BIN)/freshtune up

test: .venv/.installed
	@OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: .venv/.installed
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/pytest tests/test_docs.py

docs: .venv/.installed
	@$(BIN)/python -m deployments.reference_pages
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "build/docs/index.html"

ROWS ?= 10000 100000
ROUNDS ?= 5
FIGURES ?= bench.json
bench: .venv/.installed
	@$(PIP) install -c constraints.txt -e '.[bench]'
	@$(BIN)/freshtune bench all $(addprefix --rows ,$(ROWS)) --rounds $(ROUNDS) --target $(FIGURES)
