# The two commands: `make run` and `make test`. Both do all their set-up themselves, on a machine that has
# nothing but CPython 3.11 (or newer) with pip, and make. CI calls the very same targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: run test lint types floors unit verify prove prove-tests bench bench-checkpoints clean help

help:
	@echo "make run     train the quick section 7.6 on this computer (no account, no network after set-up)"
	@echo "make test    lint, types, floors and all tests"
	@echo "make verify  round-trip a tiny real checkpoint"
	@echo "make prove   train every algorithm straight and in cut sessions, and compare the ends (minutes)"
	@echo "make bench   measure the solver and the environment on one core"
	@echo "make bench-checkpoints  measure what checkpoints cost (minutes)"
	@echo "make prove-tests        the tests of exact resume for every algorithm (minutes)"

run: $(VENV)/.ready-run
	$(BIN)/python -m orchestrator run section_7_6 --quick --backend local

verify: $(VENV)/.ready-run
	$(BIN)/python -m orchestrator verify

prove: $(VENV)/.ready-run
	$(BIN)/python -m orchestrator prove-resume section_7_6 --backend local --cuts 5

prove-tests: $(VENV)/.ready-test
	$(BIN)/python -m pytest -m prove

bench: $(VENV)/.ready-run
	$(BIN)/python -m tests.bench.speed

bench-checkpoints: $(VENV)/.ready-run
	$(BIN)/python -m tests.bench.checkpoint_cost

test: lint types floors unit

lint: $(VENV)/.ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready-test
	$(BIN)/mypy

floors: $(VENV)/.ready-test
	$(BIN)/lint-imports --no-cache

unit: $(VENV)/.ready-test
	$(BIN)/python -m pytest

# Debian's python3 may come without ensurepip: then virtualenv, in a folder of its own, makes the environment.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); \
	  $(PYTHON) -m pip --disable-pip-version-check install --quiet --target .venv-bootstrap virtualenv && \
	  PYTHONPATH=.venv-bootstrap $(PYTHON) -m virtualenv --quiet $(VENV); }

$(VENV)/.ready-run: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e '.[train]'
	@touch $@

$(VENV)/.ready-test: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e '.[train,dev]'
	@touch $@ $(VENV)/.ready-run

clean:
	rm -rf $(VENV) .venv-bootstrap
